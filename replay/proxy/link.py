"""One connection of a client, through to the target: two pumps, and a hand on both ends.

With nothing done to it a link is as if it were not there: what one end says reaches the other as it
came, and each end learns of the other's end in the way it happened.
"""

from __future__ import annotations

import math
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import trio

from replay.faults import BOTH, DOWN, UP
from replay.proxy.edits import Edit
from replay.proxy.frames import Frame, close_frame
from replay.proxy.pump import GONE, End, Pump, send_eof
from replay.proxy.ways import Way
from replay.wire.closing import ABNORMAL
from replay.wire.messages import AudioAck

#: After one end is gone, the other has so long to follow.
_LINGER_SECONDS = 2.0
#: What is still to be said before an end may take so long.
_LAST_WORDS_SECONDS = 0.5

Passing = Callable[["Link", str, Frame], Awaitable[None]]


@dataclass(slots=True)
class Link:
    """A websocket that passes through. `client`, `target`: the streams to both.

    Attributes:
        number: which connection of its session this is, from 1.
        edits: what is to be done to the next frames.
        told: acknowledgements on their way to the client, and how much has passed when they have.
        over: set when it is over for the client.
        lost: tells the session so; called once.
        by: who ended it: client, target or fault.
        url, hello: where the target is, and the request that it was sent.
        code, reason: of the close frame that went to the client.
    """

    number: int
    client: trio.abc.Stream
    target: trio.abc.Stream
    ways: Mapping[str, Way]
    passing: Passing
    lost: Callable[[Link], None]
    url: str = ""
    hello: bytes = b""
    edits: list[Edit] = field(default_factory=list)
    last_acks: list[bytes] = field(default_factory=list)
    told: deque[tuple[int, AudioAck]] = field(default_factory=deque)
    over: bool = False
    by: str = ""
    code: int = ABNORMAL
    reason: str = ""
    pumps: dict[str, Pump] = field(init=False)
    _scope: trio.CancelScope = field(init=False, default_factory=trio.CancelScope)

    def __post_init__(self) -> None:
        async def up(_: Pump, frame: Frame) -> None:
            await self.passing(self, UP, frame)

        async def down(_: Pump, frame: Frame) -> None:
            await self.passing(self, DOWN, frame)

        self.pumps = {
            UP: Pump(self.client, self.target, self.ways[UP], up),
            DOWN: Pump(self.target, self.client, self.ways[DOWN], down),
        }

    async def run(self) -> None:
        """Carry until the connection is over; then both streams are closed."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    for way in (UP, DOWN):
                        nursery.start_soon(self._carry, way)
        finally:
            self.end("client")
            with trio.CancelScope(shield=True):
                for stream in (self.client, self.target):
                    await trio.aclose_forcefully(stream)

    def directions(self, way: str) -> list[Pump]:
        """The pumps that `up`, `down` or `both` names."""
        return [self.pumps[each] for each in (UP, DOWN) if way in (each, BOTH)]

    def end(self, by: str) -> None:
        """It is over for the client, because of `by`; only the first word counts."""
        if not self.over:
            self.over, self.by = True, self.by or by
            self.lost(self)

    def heard(self) -> Iterator[AudioAck]:
        """Acknowledgements that have passed since this was asked last."""
        while self.told and self.told[0][0] <= self.pumps[DOWN].written:
            yield self.told.popleft()[1]

    async def end_holes(self, by: float = math.inf) -> None:
        """No black hole any more that was to end by then. With a piece missing in the middle the
        connection would only be a broken one: it is reset."""
        ended = [pump for pump in self.pumps.values() if -math.inf < pump.hole_until <= by]
        if any(pump.swallowed for pump in ended) and not self.over:
            await self.reset()
        for pump in ended:
            pump.hole_until = -math.inf

    # ------------------------------------------------------------------ how it can be ended

    async def reset(self) -> None:
        """Both connections are reset (RST), or broken where there are no sockets."""
        self.end("fault")
        await abort(self.client)
        await abort(self.target)
        self._scope.cancel()

    async def fin(self) -> None:
        """Both connections are ended in order: what is there still passes, then FIN."""
        await self._last_words()
        self._fall_silent()
        await send_eof(self.client)
        await send_eof(self.target)
        # With bytes unread the kernel would make a reset of the end, so reading goes on.
        self._leave(_LINGER_SECONDS)

    async def half_close(self, way: str) -> None:
        """One direction is ended in order; the other goes on."""
        await self._last_words()
        self.by = "fault"  # whatever comes of it
        self.pumps[way].shut = True
        await send_eof(self.target if way == UP else self.client)

    async def close(self, code: int, reason: str = "", *, leave_open: bool = False) -> None:
        """A close frame goes to the client, as if from the target; for 1006 there is none.

        `leave_open`: its TCP connection is not ended, until it ends it itself.
        """
        await self._last_words()
        self._fall_silent()
        self.code, self.reason = code, reason
        if code != ABNORMAL:
            with trio.move_on_after(_LAST_WORDS_SECONDS):
                with suppress(*GONE):
                    await self.client.send_all(close_frame(code, reason))
        await send_eof(self.target)
        if not leave_open:
            await send_eof(self.client)
        self._leave(math.inf if leave_open else _LINGER_SECONDS)

    async def cut(self, way: str, piece: bytes) -> None:
        """The last thing to pass is `piece`; then both connections are reset."""
        pump = self.pumps[way]
        pump.put(piece)
        await self._last_words()
        await self.reset()

    async def _last_words(self) -> None:
        with trio.move_on_after(_LAST_WORDS_SECONDS):
            for pump in self.pumps.values():
                pump.release()
            for pump in self.pumps.values():
                await pump.flush()

    def _fall_silent(self) -> None:
        """Nothing passes any more, either way."""
        self.end("fault")
        for pump in self.pumps.values():
            pump.shut = True

    def _leave(self, seconds: float) -> None:
        self._scope.deadline = trio.current_time() + seconds

    # ------------------------------------------------------------------ carrying

    async def _carry(self, way: str) -> None:
        ended = await self.pumps[way].run()
        if self.over:
            return
        here = "client" if way == UP else "target"
        if ended is End.BROKEN:
            # Passed on as what it was, once all that came before it has passed.
            self.end(here)
            await abort(self.target if way == UP else self.client)
            self._scope.cancel()
        elif ended is End.EOF:
            self.end(here)
            # What cannot be ended one way only (TLS) is ended both ways.
            half = isinstance(self.target, trio.abc.HalfCloseableStream)
            self._leave(_LINGER_SECONDS if way == DOWN else math.inf if half else 0.0)


async def abort(stream: Any) -> None:
    """Close a stream as abruptly as it can be: a socket with RST."""
    carrier = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
    if isinstance(carrier, trio.SocketStream):
        with suppress(OSError):  # it is closed already
            carrier.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await trio.aclose_forcefully(carrier)


class Nowhere(trio.abc.HalfCloseableStream):
    """A target that is not there: takes everything, says nothing."""

    def __init__(self) -> None:
        self._closed = trio.Event()

    async def send_all(self, _data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def send_eof(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, _max_bytes: int | None = None) -> bytes:
        await self._closed.wait()
        raise trio.ClosedResourceError

    async def aclose(self) -> None:
        self._closed.set()
        await trio.lowlevel.checkpoint()
