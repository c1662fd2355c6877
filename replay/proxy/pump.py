"""One direction of one connection: reads, shows each frame to whoever watches, passes it on.

Two tasks with a queue between them, so that what is held back or late does not keep frames from
being seen. The queue has a limit: a peer that does not read is felt at the other end, as it would
be without us.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable
from enum import Enum

import trio

from replay.faults.kinds import JOIN_SECONDS
from replay.proxy.frames import Frame, FrameReader
from replay.proxy.ways import Way

_READ = 1 << 16
_QUEUE_BYTES = 256 << 10
#: What trio raises when a stream is gone, at this end or the other.
GONE = (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError)


class End(Enum):
    """How a direction ended."""

    EOF = "eof"
    #: The one who sends is gone without an end.
    BROKEN = "broken"
    #: The one who receives is gone.
    UNHEARD = "unheard"


class Pump:
    """Carries bytes from `source` to `sink`.

    Args:
        passing: shown every frame; what is to pass of it, it `put`s.

    Attributes:
        frames: where in a frame the stream is.
        end: how it ended, once it has.
        shut: nothing more is to pass, for good; what comes is thrown away.
        hole_until: there is a black hole in it until then; in the past for none.
        swallowed: that had something.
        taken, written: bytes that were put, and those of them that have passed.
        first: what was read of the source before.
    """

    def __init__(
        self,
        source: trio.abc.ReceiveStream,
        sink: trio.abc.SendStream,
        way: Way,
        passing: Callable[[Pump, Frame], Awaitable[None]],
    ) -> None:
        self.frames = FrameReader()
        self.end: End | None = None
        self.shut = False
        self.hole_until = -math.inf
        self.swallowed = False
        self.taken = self.written = 0
        self.first = b""
        self._source = source
        self._sink = sink
        # Of a sink that always has room, and so needs no task to wait for it.
        self._quick: Callable[[bytes, int | None], None] | None = getattr(sink, "send_nowait", None)
        self._way = way
        self._passing = passing
        self._queue: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._ended: End | None = None  # the source has; to be told once the queue is empty
        self._writing = False
        self._held_until = -math.inf
        self._read_from = -math.inf
        self._changed = trio.Event()

    async def run(self) -> End:
        """Carry until one end is gone; returns how it ended.

        At the end of the source, the sink is ended likewise where a stream can be.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read)
            self.end = await self._write()
            if self.end is End.UNHEARD:
                # Whoever sends must not notice that, as it would not without us: until it ends.
                self.shut = True
                self._queue.clear()
                self._size = 0
                self._change()
                return self.end
            nursery.cancel_scope.cancel()
        return self.end

    # ------------------------------------------------------------------ what is done to it

    def put(self, data: bytes) -> None:
        """Something to pass after all that was put before."""
        self.taken += len(data)
        now = trio.current_time()
        if self._quick is not None and self._clear(now):
            try:
                self._quick(data, None)
                self.written += len(data)
                return
            except GONE:
                pass  # the task that writes comes to see it too, and says so
        self._queue.append((self._way.due(now), data))
        self._size += len(data)
        self._change()

    def _clear(self, now: float) -> bool:
        """Whether nothing at all keeps what is put from passing at once."""
        return (
            self.end is None
            and not self._queue
            and not self._writing
            and now >= self._held_until
            and self._way.clear(now)
        )

    def hold(self, until: float) -> None:
        """Nothing passes before `until`."""
        self._held_until = max(self._held_until, until)

    def stop_reading(self, until: float) -> None:
        """Nothing is read from the source before `until`."""
        self._read_from = max(self._read_from, until)

    def release(self) -> None:
        """Nothing is held back any more, nor late."""
        self._held_until = self._read_from = -math.inf
        now = trio.current_time()
        self._queue = deque((min(due, now), data) for due, data in self._queue)
        self._change()

    async def flush(self) -> None:
        """Wait until everything that was put has been written."""
        while (self._queue or self._writing) and self.end is None:
            await self._changed.wait()

    @property
    def swallowing(self) -> bool:
        """Whether everything that comes is thrown away."""
        return self.shut or self.hole_until > -math.inf

    @property
    def held(self) -> bool:
        """Whether it is held back at the moment."""
        return trio.current_time() < self._held_until

    # ------------------------------------------------------------------ its two tasks

    async def _read(self) -> None:
        ended = End.EOF
        try:
            data = self.first or await self._receive()
            while data:
                await self._may_read()
                for frame in self.frames.feed(data):
                    await self._passing(self, frame)
                data = await self._receive()
        except GONE:
            ended = End.BROKEN
        rest = self.frames.rest()
        if rest and not self.swallowing:
            self.put(rest)
        self._ended = ended
        self._change()

    async def _receive(self) -> bytes:
        await self._may_read()
        return bytes(await self._source.receive_some(_READ))

    async def _may_read(self) -> None:
        while True:
            if trio.current_time() < self._read_from:
                await self._wait(self._read_from)
            elif self._size > _QUEUE_BYTES:
                await self._changed.wait()
            else:
                return

    async def _write(self) -> End:
        while True:
            if not self._queue:
                if self._ended is not None:
                    break
                await self._changed.wait()
                continue
            if self.held:
                await self._wait(self._held_until)
                continue
            self._writing = True
            try:
                await self._pass_on(await self._take())
            except GONE:
                return End.UNHEARD
            finally:
                self._writing = False
                self._change()
        while self.held:
            await self._wait(self._held_until)
        if self._ended is End.EOF:
            await send_eof(self._sink)
        return self._ended

    async def _take(self) -> bytes:
        """What to write next: the first in the queue when its time has come, or several joined."""
        while (now := trio.current_time()) < self._queue[0][0]:
            await self._wait(self._queue[0][0])
        count = self._way.joined(now)
        limit = now + JOIN_SECONDS
        while (
            len(self._queue) < count
            and trio.current_time() < limit
            and self._ended is None
            and self._way.joined(trio.current_time()) > 1
        ):
            await self._wait(limit)
        taken = [self._queue.popleft()[1] for _ in range(min(count, len(self._queue)))]
        return taken[0] if len(taken) == 1 else b"".join(taken)

    async def _pass_on(self, data: bytes) -> None:
        self._size -= len(data)
        if self._quick is not None:
            await trio.lowlevel.checkpoint()
            now = trio.current_time()
            if not self.held and not self._way.throttled(now):
                self._quick(data, self._way.piece(now))
                self.written += len(data)
                return
        at = 0
        while at < len(data):
            now = trio.current_time()
            piece = self._way.piece(now)
            if piece is None:
                await self._sink.send_all(data[at:] if at else data)
                self.written += len(data) - at
                return
            start = self._way.book(min(piece, len(data) - at), now)
            if start > now:
                await trio.sleep_until(start)
            while self.held:
                await self._wait(self._held_until)
            await self._sink.send_all(data[at : at + piece])
            self.written += min(piece, len(data) - at)
            at += piece

    async def _wait(self, until: float) -> None:
        """Until that time, or a change."""
        with trio.move_on_at(until):
            await self._changed.wait()

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


async def send_eof(stream: object) -> None:
    """End one direction of a stream; where it cannot be (TLS), or is gone, nothing happens."""
    if isinstance(stream, trio.abc.HalfCloseableStream):
        try:
            await stream.send_eof()
        except (*GONE, OSError):
            return
