"""One websocket connection: dialled, wrapped, and under our own hand.

The stream is opened here and handed to trio-websocket, whose own handshake and close can wait for
ever (a peer that ends TCP during the handshake, or sends a close frame and leaves TCP open). So the
handshake runs under a timeout and beside a look-out for the end of the stream, and every connection
ends by closing the stream under it.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import cast
from urllib.parse import SplitResult, urlsplit

import h11
import trio
import wsproto.utilities
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    WebSocketConnection,
    wrap_client_stream,
)

from replay.errors import ConnectFailed, ConnectionLost, UsageError
from replay.transport import Steps
from replay.transport.retry_after import retry_after
from replay.wire.closing import ABNORMAL

#: A three-hour transcript with words is a few MiB; more is a broken peer.
MAX_MESSAGE_BYTES = 64 << 20
#: Read ahead so many messages, so that pongs and close frames are seen while one is worked on.
QUEUE = 1024
_CLOSE_SECONDS = 2.0
#: So much of what a peer says first is kept, to tell how it answered the handshake.
_HEAD_BYTES = 16 << 10
#: A certificate that is not trusted stays so: it counts as this HTTP status (nginx's for it).
UNTRUSTED = 495


class _Tap(trio.abc.Stream):
    """A stream that knows when it last gave something, how it began, and when it ended."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.read_at = trio.current_time()
        self.head = bytearray()
        self.ended = trio.Event()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError:
            # What the peer said before it was gone may still wait to be read, and trio-websocket
            # would throw it away over this. Who reads comes to the end, and then all know.
            if self.ended.is_set():
                raise
            await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        try:
            data = await self._stream.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.ended.set()
            raise
        self.read_at = trio.current_time()
        if len(self.head) < _HEAD_BYTES:
            self.head += data[: _HEAD_BYTES - len(self.head)]
        if not data:
            self.ended.set()
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()


class WebSocketWire:
    """A `Wire` over trio-websocket."""

    def __init__(self, ws: WebSocketConnection, stream: _Tap, steps: Steps) -> None:
        self._ws = ws
        self._stream = stream
        self.steps = steps

    async def send(self, frame: str | bytes) -> None:
        try:
            await self._ws.send_message(frame)
        except _GONE as error:
            raise self._lost(error) from None

    async def receive(self) -> tuple[float, str | bytes]:
        try:
            frame = await self._ws.get_message()
        except _GONE as error:
            raise self._lost(error) from None
        # Never later than now, never earlier than the bytes came in.
        return self._stream.read_at, frame

    async def ping(self) -> None:
        try:
            await self._ws.ping()
        except _GONE as error:
            raise self._lost(error) from None

    async def abort(self) -> None:
        await trio.aclose_forcefully(self._stream)

    async def close(self, code: int) -> None:
        with trio.move_on_after(_CLOSE_SECONDS):
            with suppress(*_GONE):
                await self._ws.aclose(code)
        await self.abort()

    def _lost(self, error: Exception) -> ConnectionLost:
        reason = getattr(error, "reason", None) or self._ws.closed
        if reason is None:
            return ConnectionLost(ABNORMAL, str(error))
        return ConnectionLost(int(reason.code), reason.reason or "")


#: What trio-websocket raises when a connection is over, whichever way it found out.
_GONE = (
    ConnectionClosed,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    wsproto.utilities.LocalProtocolError,
)
#: What its reader task ends with when the peer says no, or does not speak websocket.
_REFUSED = (
    ConnectionClosed,
    ConnectionRejected,
    wsproto.utilities.ProtocolError,
    h11.ProtocolError,  # from its attempt to answer what is no answer
)


@asynccontextmanager
async def dial(
    url: str, deadline: float, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[WebSocketWire]:
    """Open the websocket at `url` (ws or wss) until `deadline` (trio's clock), for a `with` block.

    Raises:
        ConnectFailed: it could not be opened; with the HTTP status where there was an answer.
        ConnectionLost: on leaving, when the peer broke the websocket protocol.
    """
    parts = _split(url)
    assert parts.hostname is not None  # checked by `_split`
    stream, steps = await open_stream(parts.scheme, parts.hostname, parts.port, deadline, tls)
    path = parts.path or "/"
    resource = f"{path}?{parts.query}" if parts.query else path
    async with wrap(stream, parts.netloc.rpartition("@")[2], resource, deadline, steps) as wire:
        yield wire


def _split(url: str) -> SplitResult:
    """The parts of a websocket URL.

    Raises:
        UsageError: it is none; the message leaves out the URL, which holds a token.
    """
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
        # What is not printable ASCII cannot be part of a request.
        fine = fine and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        fine = False
    if not fine:
        raise UsageError("the session's URL is not a websocket URL")
    return parts


@asynccontextmanager
async def wrap(
    stream: trio.abc.Stream, host: str, resource: str, deadline: float, steps: Steps
) -> AsyncIterator[WebSocketWire]:
    """Make a websocket of an open stream until `deadline` (trio's clock); both end on leaving.

    Raises: as `dial`.
    """
    tap = _Tap(stream)
    began = trio.current_time()
    failure: ConnectFailed | ConnectionLost | None = None
    ws: WebSocketConnection | None = None
    try:
        async with trio.open_nursery() as nursery:
            ws = await _upgrade(nursery, tap, host, resource, deadline)
            if ws is None:
                late = trio.current_time() >= deadline
                failure = ConnectFailed(
                    "no answer to the websocket handshake" if late else "hung up in the handshake"
                )
                nursery.cancel_scope.cancel()
            else:
                took = trio.current_time() - began
                try:
                    yield WebSocketWire(ws, tap, Steps(steps.tcp, steps.tls, took))
                finally:
                    nursery.cancel_scope.cancel()
    except* _REFUSED:
        if ws is not None:
            failure = ConnectionLost(ABNORMAL, "the peer broke the websocket protocol")
        else:
            failure = ConnectFailed("the answer to the handshake is not a websocket's")
    finally:
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(stream)
    if failure and ws is None:
        failure = refusal(bytes(tap.head)) or failure
    if failure:
        raise failure


async def _upgrade(
    nursery: trio.Nursery, tap: _Tap, host: str, resource: str, deadline: float
) -> WebSocketConnection | None:
    """The websocket handshake; None when the stream ended or the time was up before it did."""
    with trio.CancelScope(deadline=deadline) as scope:

        async def watch() -> None:
            await tap.ended.wait()
            scope.cancel()

        nursery.start_soon(watch)
        return await wrap_client_stream(
            nursery,
            cast("trio.SocketStream", tap),  # any stream will do
            host,
            resource,
            message_queue_size=QUEUE,
            max_message_size=MAX_MESSAGE_BYTES,
            receive_buffer_size=64 << 10,
        )
    return None


def refusal(head: bytes) -> ConnectFailed | None:
    """The HTTP error at the beginning of an answer, if there is one.

    Read from the bytes, since trio-websocket forgets status and headers when the body that follows
    is cut short, or ends with the connection, as a proxy's often does.
    """
    lines = head.partition(b"\r\n\r\n")[0].split(b"\r\n")
    match = re.fullmatch(rb"HTTP/1\.\d (\d{3})(?: .*)?", lines[0])
    status = int(match[1]) if match else 101
    if status == 101:
        return None
    wait = None
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"retry-after":
            wait = retry_after(value.decode("latin-1"))
    return ConnectFailed(
        f"the websocket handshake was answered with HTTP {status}", status=status, retry_after=wait
    )


async def open_stream(
    scheme: str, host: str, port: int | None, deadline: float, tls: ssl.SSLContext | None
) -> tuple[trio.abc.Stream, Steps]:
    """A stream to `host` until `deadline`, with TLS for wss, and what it took.

    Raises:
        ConnectFailed: there is none.
    """
    began = trio.current_time()
    failed = ConnectFailed(f"no answer from {host}")
    stream: trio.SocketStream | None = None
    try:
        with trio.CancelScope(deadline=deadline):
            stream = await trio.open_tcp_stream(host, port or (443 if scheme == "wss" else 80))
    except (OSError, UnicodeError) as error:  # no name has a part of more than 63 characters
        raise ConnectFailed(f"cannot connect to {host}: {reason_of(error)}") from None
    if stream is None:
        raise failed
    tcp = trio.current_time() - began
    if scheme == "ws":
        return stream, Steps(tcp)
    secure = trio.SSLStream(
        stream, tls or ssl.create_default_context(), server_hostname=host, https_compatible=True
    )
    done = False
    try:
        with trio.CancelScope(deadline=deadline):
            await secure.do_handshake()
            done = True
    except (trio.BrokenResourceError, OSError) as error:
        cause = error.__cause__ or error
        status = UNTRUSTED if isinstance(cause, ssl.SSLCertVerificationError) else None
        raise ConnectFailed(f"no TLS with {host}: {reason_of(cause)}", status=status) from None
    finally:
        if not done:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(secure)
    if not done:
        raise failed
    return secure, Steps(tcp, trio.current_time() - began - tcp)


def reason_of(error: BaseException) -> str:
    """The shortest text that says what went wrong with a socket."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message)
    if isinstance(error, ssl.SSLError):
        return str(error.reason or "handshake failed").lower().replace("_", " ")
    if isinstance(error, OSError) and error.__cause__ is not None and not error.errno:
        # trio puts what happened to each address into the cause.
        return reason_of(error.__cause__)
    if isinstance(error, BaseExceptionGroup):
        return reason_of(error.exceptions[0])
    if isinstance(error, OSError):
        if error.errno and error.errno > 0:  # with a text of the system's, not of trio's
            return os.strerror(error.errno).lower()
        return (error.strerror or str(error)).lower()
    return str(error) or type(error).__name__
