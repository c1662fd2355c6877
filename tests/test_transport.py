"""The wire over real sockets: small servers that answer wrongly, late, or not at all."""

from __future__ import annotations

import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET

import httpx
import pytest
import trio
import trustme
import wsproto
from trio_websocket import ConnectionClosed, wrap_server_stream
from wsproto.connection import ConnectionType
from wsproto.events import AcceptConnection, CloseConnection, Message, Request

from replay import journal as j
from replay.client import Ticket, open_session
from replay.errors import (
    ConnectFailed,
    ConnectionLost,
    ProtocolViolation,
    Refused,
    ReplayError,
    TransportError,
    UsageError,
)
from replay.recorder import ListRecorder
from replay.session import Policy
from replay.target import Target
from replay.transport import Steps
from replay.transport.http import mapped, open_service
from replay.transport.websocket import WebSocketWire, dial, wrap
from replay.wire.http import redact

Handler = Callable[[trio.SocketStream], Awaitable[None]]
KEY = "key-secret-0815"
TOKEN = "token-secret-4711"


@pytest.fixture(autouse=True)
async def within_ten_seconds() -> AsyncIterator[None]:
    """Nothing here may hang."""
    with trio.fail_after(10):
        yield


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[int]:
    """A TCP server on a free port; each connection is `handler`'s until it returns."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                await handler(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def request(stream: trio.SocketStream) -> bytes:
    """Read one request up to the end of its header."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = await stream.receive_some()
        if not piece:
            return data
        data += piece
    return data


def answers(raw: bytes) -> Handler:
    async def handler(stream: trio.SocketStream) -> None:
        await request(stream)
        await stream.send_all(raw)

    return handler


def reset(stream: trio.SocketStream) -> None:
    stream.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))


def url(port: int, scheme: str = "ws") -> str:
    return f"{scheme}://127.0.0.1:{port}/v2/live?token={TOKEN}"


async def refused_by(handler: Handler, seconds: float = 5.0) -> ConnectFailed:
    """Why a websocket to such a server cannot be opened."""
    async with listening(handler) as port:
        try:
            async with dial(url(port), trio.current_time() + seconds):
                pass
        except ConnectFailed as error:
            return error
    raise AssertionError("the websocket was opened")


@asynccontextmanager
async def upgraded(
    use: Callable[[wsproto.WSConnection, trio.SocketStream], Awaitable[None]],
) -> AsyncIterator[WebSocketWire]:
    """A websocket to a server that does `use` with it, down to its bytes."""

    async def handler(stream: trio.SocketStream) -> None:
        connection = wsproto.WSConnection(ConnectionType.SERVER)
        connection.receive_data(await request(stream))
        for event in connection.events():
            assert isinstance(event, Request)
            await stream.send_all(connection.send(wsproto.events.AcceptConnection()))
        await use(connection, stream)

    async with listening(handler) as port, dial(url(port), trio.current_time() + 5) as wire:
        yield wire


# ------------------------------------------------------------------ the handshake


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"Content-Length: 2\r\n\r\n{}", id="body"),
        pytest.param(b"Content-Length: 0\r\n\r\n", id="no body"),
        pytest.param(b"Connection: close\r\n\r\n{}", id="body until the end"),
        pytest.param(b"Content-Length: 50\r\n\r\n{}", id="body cut short"),
    ],
)
async def test_a_refused_handshake_gives_its_status(status: int, body: bytes) -> None:
    """Whatever way the answer's body ends: the status and Retry-After come out."""
    head = f"HTTP/1.1 {status} No\r\nRetry-After: 7\r\n".encode()
    error = await refused_by(answers(head + body))
    assert (error.status, error.retry_after) == (status, 7.0)


async def test_a_peer_that_hangs_up_in_the_handshake() -> None:
    """TCP that ends before the answer is a failure, not a wait without end."""

    async def handler(stream: trio.SocketStream) -> None:
        await request(stream)

    assert "hung up" in str(await refused_by(handler))


async def test_a_peer_that_resets_in_the_handshake() -> None:
    """So is a reset."""

    async def handler(stream: trio.SocketStream) -> None:
        await request(stream)
        reset(stream)

    assert (await refused_by(handler)).status is None


async def test_a_peer_that_never_answers() -> None:
    """Silence lasts until the deadline, and no longer."""

    async def handler(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    began = trio.current_time()
    assert "no answer" in str(await refused_by(handler, seconds=0.2))
    assert trio.current_time() - began >= 0.2


@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage\r\n\r\n",
        b"\x00" * 100,
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: d3Jvbmc=\r\n\r\n"
        ),
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 101 " + b"x" * 200_000,
    ],
    ids=lambda raw: repr(raw[:24]),
)
async def test_an_answer_that_is_no_websockets(garbage: bytes) -> None:
    """What does not speak websocket was never connected to."""
    assert str(await refused_by(answers(garbage)))


async def test_a_port_without_a_listener() -> None:
    """Refused by the machine: one line, with the host."""
    async with listening(answers(b"")) as port:
        pass
    with pytest.raises(ConnectFailed, match=r"cannot connect to 127\.0\.0\.1: connection refused"):
        async with dial(url(port), trio.current_time() + 5):
            raise AssertionError("the websocket was opened")


@pytest.mark.parametrize("host", ["name.invalid", "a" * 64 + ".invalid"])
async def test_a_host_that_is_none(host: str) -> None:
    """A name that nobody has, or nobody can have."""
    with pytest.raises(ConnectFailed, match="cannot connect to"):
        async with dial(f"ws://{host}/", trio.current_time() + 5):
            raise AssertionError("the websocket was opened")


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "http://127.0.0.1/",
        "ws://",
        "ws://127.0.0.1:port/",
        "ws://127.0.0.1:99999/",
        "ws://[::1/",
        "ws://127.0.0.1/a b",
        "ws://127.0.0.1/é",
        f"ws://127.0.0.1/\r\nX: {TOKEN}",
    ],
)
async def test_a_session_url_that_is_none(bad: str) -> None:
    """One clear error, without the URL, which may hold a token."""
    with pytest.raises(UsageError, match="not a websocket URL") as caught:
        async with dial(bad, trio.current_time() + 1):
            raise AssertionError("the websocket was opened")
    assert TOKEN not in str(caught.value)


# ------------------------------------------------------------------ an open connection


async def lost(wire: WebSocketWire) -> ConnectionLost:
    try:
        while True:
            await wire.receive()
    except ConnectionLost as error:
        return error


async def test_messages_before_a_close_are_delivered() -> None:
    """What came before the close frame is still received, then the code and the reason."""

    async def use(connection: wsproto.WSConnection, stream: trio.SocketStream) -> None:
        frames = [connection.send(Message(data=f"{n}")) for n in range(3)]
        frames.append(connection.send(CloseConnection(code=4404, reason="no such session")))
        await stream.send_all(b"".join(frames))

    async with upgraded(use) as wire:
        assert [(await wire.receive())[1] for _ in range(3)] == ["0", "1", "2"]
        error = await lost(wire)
    assert (error.code, error.reason) == (4404, "no such session")


async def test_a_close_frame_with_tcp_left_open() -> None:
    """A peer that says goodbye and keeps the line is left within seconds."""

    async def use(connection: wsproto.WSConnection, stream: trio.SocketStream) -> None:
        await stream.send_all(connection.send(CloseConnection(code=1012)))
        await trio.sleep_forever()

    began = trio.current_time()
    async with upgraded(use) as wire:
        assert (await lost(wire)).code == 1012
    assert trio.current_time() - began < 3


@pytest.mark.parametrize("how", ["reset", "end"])
async def test_a_connection_that_breaks(how: str) -> None:
    """A reset and an end without a close frame are both 1006, for who reads and who writes."""

    async def use(connection: wsproto.WSConnection, stream: trio.SocketStream) -> None:
        await stream.send_all(connection.send(Message(data="x")))
        await stream.receive_some()
        if how == "reset":
            reset(stream)

    async with upgraded(use) as wire:
        assert (await wire.receive())[1] == "x"
        await wire.send(b"last words")
        assert (await lost(wire)).code == 1006
        with pytest.raises(ConnectionLost):
            await wire.send(b"more")
        with pytest.raises(ConnectionLost):
            await wire.ping()


async def test_last_words_of_a_peer_that_is_gone() -> None:
    """What came before the peer died is heard, also by who first finds out in sending."""
    near, far = trio.testing.memory_stream_pair()

    async def broken() -> None:
        raise trio.BrokenResourceError

    async with trio.open_nursery() as nursery:
        peer = wsproto.WSConnection(ConnectionType.SERVER)

        async def agree() -> None:
            peer.receive_data(await far.receive_some())
            assert isinstance(next(peer.events()), Request)
            await far.send_all(peer.send(AcceptConnection()))

        nursery.start_soon(agree)
        async with wrap(near, "h", "/", trio.current_time() + 5, Steps(0)) as wire:
            near.send_stream.send_all_hook = broken
            await wire.send(b"audio")
            await far.send_all(peer.send(Message(data="last words")))
            await far.send_stream.aclose()
            assert (await wire.receive())[1] == "last words"
            assert (await lost(wire)).code == 1006
            with pytest.raises(ConnectionLost):
                await wire.send(b"more")


async def test_a_frame_cut_in_the_middle_is_never_delivered() -> None:
    """Half a message is none."""

    async def use(connection: wsproto.WSConnection, stream: trio.SocketStream) -> None:
        await stream.send_all(connection.send(Message(data="x" * 1000))[:500])

    async with upgraded(use) as wire:
        assert (await lost(wire)).code == 1006


@pytest.mark.parametrize(
    "raw", [b"\xc1\x01x", b"\x83\x00", b"\x81\x81abcd\x00", b"\x81\x01\xff", b"garbage" * 50]
)
async def test_a_peer_that_breaks_the_websocket_protocol(raw: bytes) -> None:
    """Reserved bits, unknown opcodes, masked frames, text that is none: lost, not a crash."""

    async def use(connection: wsproto.WSConnection, stream: trio.SocketStream) -> None:
        await stream.send_all(raw)
        await trio.sleep(0.5)

    error: ConnectionLost | None = None
    try:
        async with upgraded(use) as wire:
            error = await lost(wire)
    except ConnectionLost as late:  # found out on leaving
        error = error or late
    assert error is not None
    assert error.code in (1002, 1006, 1007)


async def test_a_cancelled_send_then_abort() -> None:
    """A send that the peer does not take can be cancelled, and aborting then takes no time."""

    async def use(connection: wsproto.WSConnection, stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with upgraded(use) as wire:
        with trio.move_on_after(0.2) as scope:
            while True:
                await wire.send(bytes(1 << 20))
        assert scope.cancelled_caught
        began = trio.current_time()
        await wire.abort()
        assert (await lost(wire)).code == 1006
        assert trio.current_time() - began < 1


async def test_closing_is_bounded() -> None:
    """Goodbye to a peer that does not answer takes two seconds at most."""

    async def use(connection: wsproto.WSConnection, stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with upgraded(use) as wire:
        began = trio.current_time()
        await wire.close(1000)
        assert trio.current_time() - began < 2.5


async def test_a_stamp_is_not_later_than_the_reading() -> None:
    """A message carries the moment in which its bytes came in, however late it is asked for."""

    async def use(connection: wsproto.WSConnection, stream: trio.SocketStream) -> None:
        await stream.send_all(connection.send(Message(data="x")))
        await trio.sleep_forever()

    async with upgraded(use) as wire:
        await trio.sleep(0.3)
        stamp, _ = await wire.receive()
        assert stamp <= trio.current_time() - 0.1


# ------------------------------------------------------------------ TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 by an authority that only its `.crt` beside it knows."""
    path: Path = tmp_path_factory.mktemp("tls") / "both.pem"
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(path))
    authority.cert_pem.write_to_path(str(path.with_suffix(".crt")))
    return path


def secure(certificate: Path, inner: Callable[[trio.SSLStream], Awaitable[None]]) -> Handler:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def handler(stream: trio.SocketStream) -> None:
        await inner(trio.SSLStream(stream, context, server_side=True, https_compatible=True))

    return handler


async def hello(stream: trio.SSLStream) -> None:
    async with trio.open_nursery() as nursery:
        ws = await (await wrap_server_stream(nursery, stream)).accept()
        try:
            await ws.send_message("hello")
            await ws.get_message()
        except ConnectionClosed:
            pass
        nursery.cancel_scope.cancel()


async def fails(stream: trio.SSLStream) -> None:
    await stream.do_handshake()


async def test_a_certificate_of_an_unknown_authority(certificate: Path) -> None:
    """Not trusted, for the websocket and for HTTP: said so, and marked as not worth repeating."""
    async with listening(secure(certificate, fails)) as port:
        with pytest.raises(ConnectFailed, match=r"local issuer") as caught:
            async with dial(url(port, "wss"), trio.current_time() + 5):
                raise AssertionError("the websocket was opened")
        assert caught.value.status == 495
        async with open_service(f"https://127.0.0.1:{port}", KEY) as service:
            with pytest.raises(ConnectFailed, match=r"local issuer") as failed:
                await service.init({}, None)
        assert failed.value.status == 495


async def test_a_certificate_that_is_trusted(certificate: Path) -> None:
    """With the authority given the same server is fine, and the steps are timed."""
    trusting = ssl.create_default_context(cafile=str(certificate.with_suffix(".crt")))
    async with (
        listening(secure(certificate, hello)) as port,
        dial(url(port, "wss"), trio.current_time() + 5, tls=trusting) as wire,
    ):
        assert (await wire.receive())[1] == "hello"
        assert wire.steps.tls > 0
        assert wire.steps.upgrade > 0


async def test_tls_that_stalls_or_is_none(certificate: Path) -> None:
    """A TLS handshake that stalls ends at the deadline; one that is none fails; both may pass."""

    async def stall(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    for handler in (stall, answers(b"HTTP/1.1 400 no\r\n\r\n")):
        async with listening(handler) as port:
            with pytest.raises(ConnectFailed) as caught:
                async with dial(url(port, "wss"), trio.current_time() + 0.3):
                    raise AssertionError("the websocket was opened")
            assert caught.value.status is None


# ------------------------------------------------------------------ HTTP


async def post(raw: bytes) -> ReplayError:
    async with listening(answers(raw)) as port, open_service(f"http://127.0.0.1:{port}", KEY) as s:
        try:
            await s.init({"custom_metadata": {"a": 1}}, None)
        except ReplayError as error:
            return error
    raise AssertionError("it was answered")


def http(status: str, body: str, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body.encode())}", *headers, "", body]
    return "\r\n".join(lines).encode()


async def test_a_refusal_has_the_services_words() -> None:
    """Message, validation errors and request id are in the one line, and the wait is read."""
    body = (
        '{"statusCode":429,"message":"Slow\\ndown","request_id":"G-12345678",'
        '"validation_errors":["a","b"]}'
    )
    error = await post(http("429 Too Many", body, "Retry-After: 3"))
    assert isinstance(error, Refused)
    assert str(error) == (
        "POST /v2/live was refused with 429: Slow down; a; b (request G-12345678)"
    )
    assert (error.status, error.request_id, error.retry_after) == (429, "G-12345678", 3.0)


@pytest.mark.parametrize(
    "body", ["", "<html>", "[]", '{"message":{"a":1}}', '{"message":"\x00\x1b[31m"}', "[" * 10_000]
)
async def test_a_refusal_without_words(body: str) -> None:
    """An error body that is none: the status's own phrase, one printable line."""
    error = await post(http("502 Bad Gateway", body, "X-Aipi-Call-Id: call-1"))
    assert isinstance(error, Refused)
    assert str(error).isprintable()
    assert "502" in str(error)
    assert error.request_id == "call-1"


async def test_a_service_that_repeats_the_key_back() -> None:
    """Also then the key is in no message."""
    error = await post(http("401 No", f'{{"message":"{KEY} is unknown","request_id":"{KEY}"}}'))
    assert KEY not in str(error) + repr(error)
    assert "*** is unknown" in str(error)


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"id":1,"url":"x"}', '{"id":"a"}', "[" * 10_000])
async def test_a_success_that_cannot_be_read(body: str) -> None:
    """A 201 without an id and a URL breaks the protocol."""
    assert isinstance(await post(http("201 Created", body)), ProtocolViolation)


async def test_bytes_that_are_no_text_in_a_success() -> None:
    """Neither does one whose bytes are no UTF-8 crash."""
    raw = b'HTTP/1.1 201 Created\r\nContent-Length: 23\r\n\r\n{"id":"\xff","url":"ws://x"}'
    assert isinstance(await post(raw), ProtocolViolation)


@pytest.mark.parametrize("raw", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 201 Created\r\nContent-Le"])
async def test_an_answer_that_is_cut_off(raw: bytes) -> None:
    """The request went out and no answer came: not a failure to connect, so not repeated."""
    error = await post(raw)
    assert isinstance(error, TransportError)
    assert not isinstance(error, ConnectFailed)


async def test_an_unreachable_service() -> None:
    """Nobody listens: a failure to connect, which may be repeated."""
    async with listening(answers(b"")) as port:
        pass
    async with open_service(f"http://127.0.0.1:{port}") as service:
        with pytest.raises(ConnectFailed, match=r"cannot connect to 127\.0\.0\.1"):
            await service.init({}, None)


async def test_the_body_takes_what_configuration_files_hold() -> None:
    """A date from YAML or TOML goes out as text, the key as a header, the region as a query."""
    seen: list[bytes] = []

    async def handler(stream: trio.SocketStream) -> None:
        data = await request(stream)
        while not data.endswith(b"}}"):
            data += await stream.receive_some()
        seen.append(data)
        await stream.send_all(http("201 Created", '{"id":"a","url":"ws://h/?token=t"}'))

    from datetime import date

    async with (
        listening(handler) as port,
        open_service(f"http://127.0.0.1:{port}/", KEY) as service,
    ):
        await service.init({"custom_metadata": {"day": date(2026, 3, 1)}}, "eu-west")
    assert seen[0].startswith(b"POST /v2/live?region=eu-west HTTP/1.1\r\n")
    assert f"x-gladia-key: {KEY}".encode() in seen[0].lower()
    assert b"content-type: application/json" in seen[0].lower()
    assert seen[0].endswith(b'{"custom_metadata":{"day":"2026-03-01"}}')


@pytest.mark.parametrize(
    "bad", ["", "example.com", "ftp://x", "http://", "http://x:y", "https://["]
)
async def test_a_base_url_that_is_none(bad: str) -> None:
    """Refused before anything is asked, with what would do."""
    with pytest.raises(UsageError, match="sandbox, gladia, or a base URL"):
        async with open_service(bad):
            raise AssertionError("there is no service")


@pytest.mark.parametrize("key", ["k\n", "ké", "a\x7f"])
async def test_a_key_that_is_no_header(key: str) -> None:
    """Refused without showing it."""
    with pytest.raises(UsageError) as caught:
        async with open_service("http://127.0.0.1:1", key):
            raise AssertionError("there is no service")
    assert key not in str(caught.value)


def exceptions_of_httpx() -> list[type[Exception]]:
    return sorted(
        (
            kind
            for kind in vars(httpx).values()
            if isinstance(kind, type) and issubclass(kind, Exception)
        ),
        key=lambda kind: kind.__name__,
    )


@pytest.mark.parametrize("kind", exceptions_of_httpx(), ids=lambda kind: kind.__name__)
async def test_every_exception_of_httpx_is_ours(kind: type[Exception]) -> None:
    """Also one that a later version adds: nothing foreign leaves the transport."""
    error = kind.__new__(kind)
    Exception.__init__(error, "what happened")
    if issubclass(kind, httpx.RequestError):
        error.request = httpx.Request("POST", "http://h/v2/live")  # type: ignore[attr-defined]
    with pytest.raises(ReplayError), mapped("POST /v2/live"):
        raise error


async def test_other_exceptions_are_left_alone() -> None:
    """A mistake of our own is not taken for the network's."""
    with pytest.raises(ZeroDivisionError), mapped("POST /v2/live"):
        raise ZeroDivisionError


# ------------------------------------------------------------------ secrets


def no_secret(*texts: object) -> None:
    for text in texts:
        for shown in (str(text), repr(text)):
            assert KEY not in shown
            assert TOKEN not in shown


async def test_no_secret_is_shown_or_kept() -> None:
    """Neither the key nor a token stands in an error, a representation, or a journal."""

    async def handler(stream: trio.SocketStream) -> None:
        head = await request(stream)
        if head.startswith(b"POST"):
            port = stream.socket.getsockname()[1]
            body = f'{{"id":"job","url":"{url(port)}"}}'
            await stream.send_all(http("201 Created", body))
        else:
            await stream.send_all(http("401 Unauthorized", "{}"))

    recorder = ListRecorder()
    async with (
        listening(handler) as port,
        open_service(f"http://127.0.0.1:{port}", KEY) as service,
        open_session(service, recorder=recorder, policy=Policy(give_up_after=1)) as session,
    ):
        answer = await service.init({}, None)
        async for _ in session:
            pass
        no_secret(service, session, session._connector, session._ticket, session.ended, answer)
    no_secret(Ticket("job", answer.url), redact(f"http://u:{KEY}@x/?token={TOKEN}#{TOKEN}"))
    no_secret(Target("url", "http://x", api_key=KEY))
    assert {type(entry) for entry in recorder.entries} >= {j.Init, j.ConnectRefused, j.Ended}
    no_secret(*(j.encode(entry).decode() for entry in recorder.entries))


async def test_the_check_for_secrets_sees_one() -> None:
    """Planted: a token in a journal entry is found."""
    with pytest.raises(AssertionError):
        no_secret(j.Init(t=0, done=0, attempt=1, url=f"ws://h/?token={TOKEN}"))
