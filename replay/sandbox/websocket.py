"""The server's end of a websocket over any trio stream, from wsproto's state machine.

trio-websocket serves clients well, but a server needs the client's close code as it came, no
reader task that answers a late ping after the close with an exception, and pieces of a handshake
that were read already; hypercorn tells its applications 1006 for every close. Nothing runs in
the background here: pings are answered by whoever receives.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from replay.errors import ConnectionLost
from replay.wire.closing import ABNORMAL, NORMAL, TOO_BIG

_READ = 1 << 16
_PROTOCOL_ERROR = 1002


class ServerWebSocket:
    """A `Connection`. Attributes: path, query: what the client asked for, after `handshake`."""

    def __init__(self, stream: trio.abc.Stream, *, head: bytes = b"", max_message: int) -> None:
        """`head`: bytes already read from `stream`."""
        self._stream = stream
        self._machine = WSConnection(ConnectionType.SERVER)
        self._head = head
        self._max_message = max_message
        self._parts: list[str | bytes] = []
        self._size = 0
        self._waiting: list[Event] = []
        self._sending = trio.Lock()
        self._lost: ConnectionLost | None = None
        self.path = ""
        self.query: dict[str, list[str]] = {}

    async def handshake(self) -> None:
        """Read the request.

        Raises:
            ConnectionLost: it never came, or is none.
        """
        if self._head:  # nothing at all would mean the end of the stream
            self._feed(self._head)
        event = await self._next()
        if not isinstance(event, Request):
            raise self._is_lost(ConnectionLost(ABNORMAL, "no websocket request"))
        parts = urlsplit(event.target)
        self.path, self.query = parts.path, parse_qs(parts.query)

    async def accept(self) -> None:
        """Agree, without compression: it saves nothing on one machine, and byte positions in the
        stream stay what they look like."""
        await self._put(AcceptConnection())

    async def reject(self, status: int) -> None:
        """Answer the request with an HTTP error instead."""
        await self._put(RejectConnection(status_code=status, headers=[(b"content-length", b"0")]))

    async def receive(self) -> str | bytes:
        while True:
            event = await self._next()
            match event:
                case TextMessage(data=data) | BytesMessage(data=data):
                    self._size += len(data)
                    if self._size > self._max_message:
                        await self._refuse(TOO_BIG)
                    # wsproto hands out bytearrays it does not use again.
                    self._parts.append(data if isinstance(data, str) else bytes(data))
                    if event.message_finished:
                        return self._whole(isinstance(event, TextMessage))
                case Ping():
                    await self._put(event.response())
                case CloseConnection(code=code, reason=reason):
                    if self._machine.state is ConnectionState.REMOTE_CLOSING:
                        await self._put(event.response())
                    raise self._is_lost(ConnectionLost(int(code), reason or ""))

    def _whole(self, text: bool) -> str | bytes:
        parts, self._parts, self._size = self._parts, [], 0
        if text:
            return "".join(part for part in parts if isinstance(part, str))
        return b"".join(part for part in parts if isinstance(part, bytes))

    async def send(self, text: str) -> None:
        await self._put(TextMessage(data=text))

    async def close(self, code: int, reason: str) -> None:
        try:
            await self._put(CloseConnection(code=code, reason=reason))
            while True:  # until the client agrees; what else it still says is nobody's
                event = await self._next()
                if isinstance(event, CloseConnection):
                    return
        except ConnectionLost:
            return

    async def _refuse(self, code: int) -> None:
        await self._put(CloseConnection(code=code))
        raise self._is_lost(ConnectionLost(code))

    async def _next(self) -> Event:
        """The next event; always a checkpoint, so that a fast client starves nobody."""
        await trio.lowlevel.checkpoint()
        while not self._waiting:
            if self._lost:
                raise self._lost
            try:
                data = await self._stream.receive_some(_READ)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise self._is_lost(ConnectionLost(ABNORMAL, str(error))) from None
            if not data:
                raise self._is_lost(ConnectionLost(ABNORMAL, "the client hung up"))
            self._feed(bytes(data))
        return self._waiting.pop(0)

    def _feed(self, data: bytes) -> None:
        try:
            self._machine.receive_data(data)
            self._waiting += self._machine.events()
        except RemoteProtocolError as error:
            self._is_lost(ConnectionLost(_PROTOCOL_ERROR, str(error)))

    async def _put(self, event: Event) -> None:
        if self._lost:
            raise self._lost
        async with self._sending:
            try:
                data = self._machine.send(event)
            except LocalProtocolError:
                # Closed between two awaits, by the client or by us.
                raise self._is_lost(ConnectionLost(NORMAL, "closed")) from None
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise self._is_lost(ConnectionLost(ABNORMAL, str(error))) from None

    def _is_lost(self, lost: ConnectionLost) -> ConnectionLost:
        """Remember the first reason."""
        self._lost = self._lost or lost
        return self._lost
