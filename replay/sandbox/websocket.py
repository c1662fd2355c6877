"""The server's end of a websocket over any trio stream, from wsproto's state machine, past which
plain messages go.

trio-websocket serves clients well, but a server needs the client's close code as it came, no
reader task that answers a late ping after the close with an exception, and pieces of a handshake
that were read already; hypercorn tells its applications 1006 for every close. Nothing runs in
the background here: pings are answered by whoever receives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
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
from replay.sandbox.patience import Share
from replay.wire.closing import ABNORMAL, NORMAL, PROTOCOL_ERROR, TOO_BIG, TRY_LATER
from replay.wire.plain import TEXT, Splitter, frame, sort_out

_READ = 1 << 16
_END_OF_HEAD = b"\r\n\r\n"


class ServerWebSocket:
    """A `Connection`.

    Attributes:
        path, query: what the client asked for, after `handshake`.
        read_at: see `Connection`.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        *,
        head: bytes = b"",
        max_message: int,
        share: Share,
        send_timeout: float,
    ) -> None:
        """`head`: bytes already read from `stream`; `share`: what frames that are not whole may
        hold; `send_timeout`: seconds after which a client that takes nothing is lost."""
        self._stream = stream
        self._machine = WSConnection(ConnectionType.SERVER)
        self._head = head
        self._max_message = max_message
        self._share = share
        self._send_timeout = send_timeout
        # Whole texts, not a list of pieces: each of those would take more than what is in it.
        self._text, self._binary = StringIO(), bytearray()
        self._found: Iterator[str | bytes | Event] = iter(())
        self._splitter: Splitter | None = None
        self._sending = trio.Lock()
        self._lost: ConnectionLost | None = None
        self._waited = False
        self.read_at = trio.current_time()
        self.path = ""
        self.query: dict[str, list[str]] = {}

    async def handshake(self) -> None:
        """Read the request.

        Raises:
            ConnectionLost: it never came, or is none.
        """
        if self._head:  # nothing at all would mean the end of the stream
            await self._feed([self._head])
        event = await self._next()
        if not isinstance(event, Request):
            raise self._is_lost(ConnectionLost(ABNORMAL, "no websocket request"))
        if self._head.endswith(_END_OF_HEAD):  # else the machine has the beginning of what follows
            self._splitter = Splitter(masked=True)
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
                case str() | bytes():
                    if len(event) > self._max_message:
                        await self._refuse(TOO_BIG)
                    return event
                case TextMessage(data=text):
                    await self._hold(self._text.tell() + len(text))
                    self._text.write(text)
                    if event.message_finished:
                        whole, self._text = self._text.getvalue(), StringIO()
                        self._share.hold(0)
                        return whole
                case BytesMessage(data=data):
                    await self._hold(len(self._binary) + len(data))
                    self._binary += data
                    if event.message_finished:
                        taken, self._binary = bytes(self._binary), bytearray()
                        self._share.hold(0)
                        return taken
                case Ping():
                    await self._put(event.response())
                case CloseConnection(code=code, reason=reason):
                    if self._machine.state is ConnectionState.REMOTE_CLOSING:
                        await self._put(event.response())
                    raise self._is_lost(ConnectionLost(int(code), reason or ""))

    async def _hold(self, size: int) -> None:
        """See that a message may grow to `size`."""
        if size > self._max_message:
            await self._refuse(TOO_BIG)
        if not self._share.hold(size):
            await self._refuse(TRY_LATER)

    async def send(self, text: str) -> None:
        await self._put(text)

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

    async def _next(self) -> str | bytes | Event:
        """The next plain message or event; a checkpoint at least every second time, so that a fast
        client starves nobody."""
        if not self._waited:
            await trio.lowlevel.checkpoint()
        self._waited = False
        while True:
            if self._lost:
                raise self._lost
            try:
                # One by one: a thousand small frames at once would keep all others waiting.
                event = next(self._found, None)
            except (RemoteProtocolError, UnicodeError) as error:
                raise await self._protest(error) from None
            if event is not None:
                return event
            self._waited = True
            try:
                pieces = await self._receive()
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise self._is_lost(ConnectionLost(ABNORMAL, str(error))) from None
            self.read_at = trio.current_time()
            if not pieces:
                raise self._is_lost(ConnectionLost(ABNORMAL, "the client hung up"))
            await self._feed(pieces)

    async def _receive(self) -> list[bytes]:
        """What has come, in the pieces in which it came; none at the end."""
        data = bytes(await self._stream.receive_some(_READ))
        return [data] if data else []

    async def _feed(self, pieces: list[bytes]) -> None:
        if self._splitter is not None:
            self._found = sort_out(self._splitter, self._machine, pieces)
            return
        self._head = data = b"".join(pieces)
        try:
            self._machine.receive_data(data)
            self._found = self._machine.events()
        except (RemoteProtocolError, UnicodeError) as error:
            raise await self._protest(error) from None

    async def _protest(self, error: RemoteProtocolError | UnicodeError) -> ConnectionLost:
        """Tell the client what it did, as far as that is possible.

        wsproto lets a UnicodeError through for a header that is not ASCII.
        """
        hint = getattr(error, "event_hint", None)
        if isinstance(hint, CloseConnection):
            with suppress(ConnectionLost):
                await self._put(hint)
        code = int(hint.code) if isinstance(hint, CloseConnection) else PROTOCOL_ERROR
        return self._is_lost(ConnectionLost(code, str(error)))

    async def _put(self, said: str | Event) -> None:
        if self._lost:
            raise self._lost
        # Free as a rule: to wait for it, if only for a turn of the loop, would delay every answer.
        try:
            self._sending.acquire_nowait()
        except trio.WouldBlock:
            await self._sending.acquire()
        try:
            await self._transmit(self._made(said))
        finally:
            self._sending.release()

    def _made(self, said: str | Event) -> bytes:
        """The bytes of a text message or an event."""
        if isinstance(said, str) and self._machine.state is ConnectionState.OPEN:
            return frame(TEXT, said.encode())
        try:
            return self._machine.send(TextMessage(data=said) if isinstance(said, str) else said)
        except LocalProtocolError:
            # Closed between two awaits, by the client or by us.
            raise self._is_lost(ConnectionLost(NORMAL, "closed")) from None

    async def _transmit(self, data: bytes) -> None:
        try:
            with trio.fail_after(self._send_timeout):
                await self._stream.send_all(data)
        except trio.TooSlowError:
            raise self._is_lost(ConnectionLost(ABNORMAL, "the client reads nothing")) from None
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise self._is_lost(ConnectionLost(ABNORMAL, str(error))) from None

    def _is_lost(self, lost: ConnectionLost) -> ConnectionLost:
        """Remember the first reason."""
        self._lost = self._lost or lost
        return self._lost
