"""The injector in front of a target with TLS: requests and websockets pass, and a certificate that
is not trusted is told in one line, once."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import httpx
import pytest
import trio
import trustme
from world import counting

from replay import journal as j
from replay.audio import AudioFormat
from replay.client import open_session
from replay.errors import ReplayError
from replay.faults import parse_plan
from replay.faults.fired import tally
from replay.proxy.injector import Injector
from replay.proxy.server import FaultsOnly, open_proxy
from replay.recorder import ListRecorder
from replay.sandbox.hub import open_sandbox
from replay.sandbox.recognizers.silent import SilentRecognizer
from replay.sandbox.server import listen, serving
from replay.sandbox.settings import Settings
from replay.transport.http import open_service


class Front:
    """TLS in front of a port of this machine. `tried`: how often somebody knocked."""

    def __init__(self, authority: trustme.CA, port: int) -> None:
        self.tried = 0
        self._port = port
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(self._context)

    async def handle(self, plain: trio.SocketStream) -> None:
        self.tried += 1
        client = trio.SSLStream(plain, self._context, server_side=True, https_compatible=True)
        server = await trio.open_tcp_stream("127.0.0.1", self._port)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._copy, client, server, nursery.cancel_scope)
                nursery.start_soon(self._copy, server, client, nursery.cancel_scope)
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(client)
                await trio.aclose_forcefully(server)

    async def _copy(
        self, source: trio.abc.Stream, sink: trio.abc.Stream, scope: trio.CancelScope
    ) -> None:
        try:
            while data := await source.receive_some(1 << 16):
                if data.startswith(b"HTTP/1.1 201"):
                    while not data.endswith(b"}"):
                        data += await source.receive_some(1 << 16)
                    data = secure_url(bytes(data))
                await sink.send_all(bytes(data))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        scope.cancel()


def secure_url(answer: bytes) -> bytes:
    """The answer that opens a session, as who has TLS himself would give it."""
    body = answer.partition(b"\r\n\r\n")[2]
    secure = body.replace(b'"ws://', b'"wss://')
    return answer.replace(body, secure).replace(b": %d\r\n" % len(body), b": %d\r\n" % len(secure))


@asynccontextmanager
async def secured(
    authority: trustme.CA, *faults: str
) -> AsyncIterator[tuple[Injector, Front, ListRecorder]]:
    """A sandbox behind TLS, and an injector in front of it that trusts whom the machine does."""
    recorder = ListRecorder()
    with trio.fail_after(20):
        async with (
            open_sandbox(Settings(), SilentRecognizer()) as sandbox,
            serving(sandbox, listen("127.0.0.1", 0)) as url,
            trio.open_nursery() as nursery,
        ):
            front = Front(authority, urlsplit(url).port or 0)
            listeners = await nursery.start(trio.serve_tcp, front.handle, 0)
            target = f"https://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
            archive = FaultsOnly(recorder, 32_000)
            async with open_proxy(target, parse_plan(faults), archive, Random(1)) as proxy:
                yield proxy, front, recorder
            nursery.cancel_scope.cancel()


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine trusts the authority, as SSL_CERT_FILE says."""
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))


@pytest.mark.usefixtures("trusted")
async def test_a_target_with_tls_is_like_any_other(authority: trustme.CA) -> None:
    """Requests and a session pass, a reset is survived over wss, and the whole audio arrives."""
    audio = counting(AudioFormat(), 1.0)
    async with (
        secured(authority, "reset @ byte 16000") as (proxy, _, recorder),
        open_service(proxy.url) as service,
    ):
        assert proxy.url.startswith("http://")
        async with open_session(service) as session:
            for at in range(0, len(audio), 3200):
                await session.send(audio[at : at + 3200])
            session.stop()
            async for _ in session:
                pass
        assert session.ended is not None
        assert session.ended.outcome in ("complete", "recovered")
        assert not any(line.missed for line in tally(recorder.entries))
        assert await service.download(session.id, BytesIO()) >= len(audio)


async def test_a_certificate_that_is_not_trusted_is_told_and_ends_it(
    authority: trustme.CA,
) -> None:
    """To a request, with the reason in a line; our client asks once and gives up."""
    async with secured(authority) as (proxy, front, _):
        async with httpx.AsyncClient() as client:
            answer = await client.get(proxy.url + "/v2/live")
        assert answer.status_code == 495
        said = answer.json()["message"]
        assert "local issuer certificate" in said
        assert said.startswith("the target: cannot connect to 127.0.0.1: ")
        assert "\n" not in said
        before = front.tried
        recorder = ListRecorder()
        async with open_service(proxy.url) as service:
            with pytest.raises(ReplayError, match="local issuer certificate"):
                async with open_session(service, recorder=recorder):
                    pass
        assert front.tried == before + 1
        assert [entry.status for entry in recorder.entries if isinstance(entry, j.Init)] == [495]


async def test_a_handshake_is_told_the_same(authority: trustme.CA) -> None:
    """A websocket is answered with 495 and the reason, and no session's token in it."""
    async with secured(authority) as (proxy, _, _recorder):
        port = urlsplit(proxy.url).port or 0
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(
                b"GET /v2/live?token=secret HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\n\r\n"
            )
            answer = b""
            while more := await stream.receive_some():
                answer += more
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 495 ")
        assert b"unable to get local issuer certificate" in body
        assert (body.count(b"\n"), b"secret" in answer) == (1, False)


async def test_a_body_that_is_cut_short_ends_there() -> None:
    """When the target dies in an answer the client sees it cut, and the injector lives on."""
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"

    async def answer(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(cut)
        await stream.aclose()

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery, httpx.AsyncClient() as client:
            listeners = await nursery.start(trio.serve_tcp, answer, 0)
            target = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
            archive = FaultsOnly(ListRecorder(), 32_000)
            async with open_proxy(target, parse_plan([]), archive, Random(1)) as proxy:
                for _ in range(2):
                    with pytest.raises(httpx.RemoteProtocolError):
                        await client.get(proxy.url + "/v2/live")
            nursery.cancel_scope.cancel()
