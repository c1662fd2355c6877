"""Both ends of a simulated websocket: frames as they would be on a real one, and no task for them.

The client's end does what `transport.websocket` does over trio-websocket, and is held against it by
tests; the sandbox's is its own, and sends without waiting, since there is always room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO

import trio
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from replay.errors import ConnectFailed, ConnectionLost
from replay.sandbox.websocket import ServerWebSocket
from replay.simulation.pipes import PipeStream
from replay.transport import Steps
from replay.transport.websocket import refusal
from replay.wire.closing import ABNORMAL, NORMAL
from replay.wire.plain import BINARY, TEXT, Splitter, frame, sort_out

_READ = 1 << 16
#: More than any message has, the largest that a fault makes among them: in slices of a byte
#: wsproto would take half a minute for it.
_HELD = 1 << 22
_END_OF_HEAD = b"\r\n\r\n"
_REQUEST = (
    "GET {resource} HTTP/1.1\r\nHost: {host}\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_GONE = (trio.BrokenResourceError, trio.ClosedResourceError)


class SimulatedWire:
    """A `Wire`. Reads only while somebody receives, as the client always does."""

    def __init__(self, stream: PipeStream, rest: bytes, steps: Steps) -> None:
        """`rest`: what came behind the answer to the handshake."""
        self.steps = steps
        self._stream = stream
        self._machine = Connection(ConnectionType.CLIENT)
        self._splitter = Splitter(masked=False, held=_HELD)
        self._found = sort_out(self._splitter, self._machine, [rest])
        # Not a plain string: it would be copied for each of a million pieces.
        self._text, self._binary = StringIO(), bytearray()
        self._pings: deque[tuple[bytes, trio.Event]] = deque()
        self._count = 0
        self._lost: ConnectionLost | None = None
        self._read_at = trio.current_time()

    async def send(self, data: str | bytes) -> None:
        if self._lost is not None:
            raise self._lost
        if isinstance(data, str):
            self._put(frame(TEXT, data.encode(), masked=True))
        else:
            self._put(frame(BINARY, data, masked=True))

    async def receive(self) -> tuple[float, str | bytes]:
        waited = False
        while True:
            found = next(self._found, None)
            if found is not None and not waited:
                await trio.lowlevel.checkpoint()
            waited = True
            if found is None:
                await self._read()
            elif isinstance(found, str | bytes):
                return self._read_at, found
            elif (whole := self._handle(found)) is not None:
                return self._read_at, whole

    async def ping(self) -> None:
        if self._lost is not None:
            raise self._lost
        self._count += 1
        payload, answered = self._count.to_bytes(4, "big"), trio.Event()
        self._pings.append((payload, answered))
        self._put(self._machine.send(Ping(payload)))
        await answered.wait()

    async def abort(self) -> None:
        await trio.aclose_forcefully(self._stream)

    async def close(self, code: int) -> None:
        if self._lost is None:
            self._is_lost(NORMAL, "")
            self._put(self._machine.send(CloseConnection(code)))
        await self.abort()

    def _put(self, data: bytes) -> None:
        try:
            self._stream.send_nowait(data)
        except _GONE:
            raise self._is_lost(ABNORMAL, "") from None

    async def _read(self) -> None:
        if self._lost is not None:
            raise self._lost
        try:
            pieces = await self._stream.receive_pieces()
        except _GONE:
            raise self._is_lost(ABNORMAL, "") from None
        if not pieces:
            raise self._is_lost(ABNORMAL, "")
        self._read_at = trio.current_time()
        self._found = sort_out(self._splitter, self._machine, pieces)

    def _handle(self, event: Event) -> str | bytes | None:
        """What wsproto has found; a message that is whole with it."""
        match event:
            case TextMessage(data=text):
                self._text.write(text)
                if event.message_finished:
                    whole, self._text = self._text.getvalue(), StringIO()
                    return whole
            case BytesMessage(data=data):
                self._binary += data
                if event.message_finished:
                    taken, self._binary = bytes(self._binary), bytearray()
                    return taken
            case Ping():
                self._put(self._machine.send(event.response()))
            case Pong(payload=payload):
                self._answered(bytes(payload))
            case CloseConnection(code=code, reason=reason):
                if self._machine.state is ConnectionState.REMOTE_CLOSING:
                    self._put(self._machine.send(event.response()))
                raise self._is_lost(int(code), reason or "")
        return None

    def _answered(self, payload: bytes) -> None:
        """A pong answers its ping and those before it."""
        if any(payload == each for each, _ in self._pings):
            while self._pings:
                each, answered = self._pings.popleft()
                answered.set()
                if each == payload:
                    return

    def _is_lost(self, code: int, reason: str) -> ConnectionLost:
        """Remember the first reason."""
        self._lost = self._lost or ConnectionLost(code, reason)
        return self._lost


@asynccontextmanager
async def open_wire(
    stream: PipeStream, host: str, resource: str, deadline: float
) -> AsyncIterator[SimulatedWire]:
    """Make a websocket of an open stream until `deadline` (trio's clock); both end on leaving.

    Raises:
        ConnectFailed: it could not be opened; with the HTTP status where there was an answer.
    """
    began = trio.current_time()
    try:
        head = b""
        with trio.move_on_at(deadline) as scope:
            stream.send_nowait(_REQUEST.format(resource=resource, host=host).encode())
            while _END_OF_HEAD not in head and (data := await stream.receive_some(_READ)):
                head += data
        answer, found, rest = head.partition(_END_OF_HEAD)
        if failure := refusal(head):
            raise failure
        if not found:
            late = scope.cancelled_caught
            raise ConnectFailed(
                "no answer to the websocket handshake" if late else "hung up in the handshake"
            )
        if not answer.startswith(b"HTTP/1.1 101"):
            raise ConnectFailed("the answer to the handshake is not a websocket's")
        yield SimulatedWire(stream, rest, Steps(upgrade=trio.current_time() - began))
    finally:
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(stream)


class MemoryWebSocket(ServerWebSocket):
    """The sandbox's end, over a stream that always has room."""

    def __init__(self, stream: PipeStream, **options: object) -> None:
        super().__init__(stream, **options)  # type: ignore[arg-type]
        self._pipe = stream

    async def _receive(self) -> list[bytes]:
        return await self._pipe.receive_pieces()

    async def _transmit(self, data: bytes) -> None:
        try:
            self._pipe.send_nowait(data)
        except _GONE as error:
            raise self._is_lost(ConnectionLost(ABNORMAL, str(error))) from None
