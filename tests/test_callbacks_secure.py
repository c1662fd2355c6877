"""Where callbacks really go: over TLS to whom the certificate names, and never to a new address."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from test_callbacks import DEFAULT
from test_sandbox_http import play, service

from replay.receiver import Answers, Arrival, open_receiver
from replay.sandbox.courier import Terms
from replay.sandbox.mail import MailSettings
from replay.sandbox.poster import HttpPoster
from replay.sandbox.reach import Pattern, Place, Reach, resolve
from replay.wire import posting

HOST = "hooks.example"


@asynccontextmanager
async def secure(authority: trustme.CA, name: str, got: list[bytes]) -> AsyncIterator[Place]:
    """A receiver over TLS with a certificate for `name`, on 127.0.0.1, to be posted to as HOST."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)

    async def handle(plain: trio.SocketStream) -> None:
        stream = trio.SSLStream(plain, context, server_side=True, https_compatible=True)
        try:
            data = b""
            while not data.endswith(b"{}"):
                data += await stream.receive_some(1 << 16)
            got.append(data)
            await stream.send_all(b"HTTP/1.1 204 Fine\r\n\r\n")
        except trio.BrokenResourceError:
            pass  # whoever does not trust it hangs up
        finally:
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        yield Place("https", HOST, listeners[0].socket.getsockname()[1], "/x", "127.0.0.1")
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("name", "trusted", "reason"),
    [
        (HOST, True, ""),
        (HOST, False, "certificate verify failed"),
        ("127.0.0.1", True, "certificate verify failed"),
        ("other.example", True, "certificate verify failed"),
    ],
)
async def test_posts_go_over_tls_to_whom_the_url_names(
    name: str, trusted: bool, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate must be for the URL's host, whatever address it has, by a known authority;
    else nothing of the post is sent."""
    authority = trustme.CA()
    (authority if trusted else trustme.CA()).cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    got: list[bytes] = []
    with trio.fail_after(20):
        async with secure(authority, name, got) as place:
            said = await HttpPoster().post(place, {}, b"{}")
    if reason:
        assert reason in said
        assert got == []
    else:
        assert said == ""
        assert f"host: {HOST}:{place.port}".encode() in got[0].lower()


async def test_a_receiver_without_tls_is_a_reason() -> None:
    """An https URL that leads to plain HTTP is a broken connection, and nothing is told it."""
    got: list[Arrival] = []
    with trio.fail_after(20):
        async with open_receiver(got.append) as url:
            place = Place("https", HOST, int(url.rsplit(":")[-1].strip("/")), "/", "127.0.0.1")
            assert "the connection broke" in await HttpPoster().post(place, {}, b"{}")
    assert got == []


async def test_a_name_that_leads_elsewhere_between_two_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is looked up for every try, and connected to only where that led and may lead: the try in
    between fails, nobody else is dialled, and nothing is lost."""
    asked: list[str] = []
    dialled: list[str] = []
    got: list[str] = []
    over = trio.Event()
    answers = Answers(status=500)
    really = trio.open_tcp_stream

    async def lookup(host: str, port: int) -> list[str]:
        await trio.lowlevel.checkpoint()
        if host != HOST:
            return await resolve(host, port)
        # For the session, the first try, and the second: then it is back.
        asked.append("10.0.0.1" if len(asked) == 2 else "127.0.0.1")
        return asked[-1:]

    async def dial(host: str, port: int, **options: Any) -> trio.SocketStream:
        dialled.append(host)
        return await really(host, port, **options)

    def tell(arrival: Arrival) -> None:
        assert arrival.post is not None
        got.append(arrival.post.event.removeprefix("live."))
        object.__setattr__(answers, "status", 500 if len(got) == 1 else 200)
        if posting.ends_session(arrival.post):
            over.set()

    def reach(allowed: tuple[Pattern, ...]) -> Reach:
        return Reach(allowed, lookup)

    monkeypatch.setattr("replay.sandbox.mail.Reach", reach)
    monkeypatch.setattr(trio, "open_tcp_stream", dial)
    mail = MailSettings(terms=Terms(backoff=0.01))
    async with open_receiver(tell, answers=answers) as url, service(mail=mail) as (client, _):
        config = {"url": url.replace("127.0.0.1", HOST)}
        await play(client, {"callback": True, "callback_config": config})
        await over.wait()
    assert got == ["start_session", *DEFAULT]
    assert asked[2] == "10.0.0.1"
    assert len(asked) == len(got) + 2  # the session's opening, and the try that led elsewhere
    assert HOST not in dialled
    assert "10.0.0.1" not in dialled
