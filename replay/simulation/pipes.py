"""Connections in memory, with a length: what goes in at one end comes out at the other later.

Nothing carries the bytes: they lie in a queue with the time of their arrival, and whoever reads is
woken by the clock when the first of them is due.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable
from typing import Protocol

import trio


class Alarms(Protocol):
    """Rings when a moment of trio's clock has come."""

    def at(self, moment: float, ring: Callable[[], None]) -> object: ...


class Pipe:
    """One direction. Takes any amount; one task reads."""

    def __init__(self, alarms: Alarms, latency: float) -> None:
        self._swallowing = False
        self._alarms = alarms
        self._latency = latency
        #: When it arrives, and the size of the pieces in which it was sent.
        self._queue: deque[tuple[float, bytes, int]] = deque()
        self._ended = False  # nothing more may be put in
        self._eof_at: float | None = None
        self._closed = False  # nobody will read
        self._reader: trio.lowlevel.Task | None = None
        self._armed = False

    @property
    def unheard(self) -> bool:
        """Nobody will ever read what is put in."""
        return self._closed

    @property
    def ended(self) -> bool:
        """Nothing more can be put in."""
        return self._ended

    def put(self, data: bytes, size: int | None = None) -> None:
        """Send `data` on its way, in pieces of `size` bytes."""
        if not self._swallowing:
            due = trio.current_time() + self._latency
            self._queue.append((due, data, size or len(data)))
            self._rouse()

    def end(self) -> None:
        """Nothing follows what was put in so far."""
        if not self._ended:
            self._ended = True
            if not self._swallowing:
                self._eof_at = trio.current_time() + self._latency
                self._rouse()

    def lose(self) -> None:
        """Nothing comes out any more: not what is on its way, nor what follows, nor its end."""
        self._swallowing = True
        self._queue.clear()
        self._eof_at = None

    def close(self) -> None:
        """Nobody reads any more."""
        self._closed = True
        self._queue.clear()
        self._wake()

    async def get(self, limit: int | None) -> bytes:
        """The next bytes that have arrived, all that are there up to `limit`; none at the end.

        Raises:
            trio.ClosedResourceError: it was closed at this end.
            trio.BusyResourceError: another task reads already.
        """
        return self._take(limit, await self._arrived())

    async def get_pieces(self) -> list[bytes]:
        """All that has arrived, in the pieces in which it was put in; none at the end.

        Raises:
            as `get`.
        """
        now = await self._arrived()
        queue = self._queue
        pieces: list[bytes] = []
        while queue and queue[0][0] <= now:
            _, data, size = queue.popleft()
            if size >= len(data):
                pieces.append(data)
            else:
                pieces += [data[at : at + size] for at in range(0, len(data), size)]
        return pieces

    async def _arrived(self) -> float:
        """Wait until something has, or the end; returns the time."""
        if self._reader is not None:
            raise trio.BusyResourceError("another task reads from this stream")
        waited = False
        while not self._closed:
            now = trio.current_time()
            due = self._queue[0][0] if self._queue else self._eof_at
            if due is not None and due <= now:
                if waited:
                    return now
                await trio.lowlevel.checkpoint()
            else:
                if due is not None and not self._armed:
                    self._arm(due)
                await self._park()
            waited = True
        if not waited:
            await trio.lowlevel.checkpoint()
        raise trio.ClosedResourceError("this stream is closed")

    def _take(self, limit: int | None, now: float) -> bytes:
        queue = self._queue
        if not queue:
            return b""
        parts = [queue.popleft()[1]]
        while queue and queue[0][0] <= now:
            parts.append(queue.popleft()[1])
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        if limit is not None and len(data) > limit:
            queue.appendleft((now, data[limit:], len(data)))
            data = data[:limit]
        return data

    async def _park(self) -> None:
        def abort(_: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
            self._reader = None
            return trio.lowlevel.Abort.SUCCEEDED

        self._reader = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(abort)

    def _rouse(self) -> None:
        """Something new is on its way; whoever waits is woken when it is there."""
        if self._reader is None or self._armed:
            return
        if self._latency:
            self._arm(trio.current_time() + self._latency)
        else:
            self._wake()

    def _arm(self, due: float) -> None:
        self._armed = True
        self._alarms.at(due, self._ring)

    def _ring(self) -> None:
        self._armed = False
        self._wake()

    def _wake(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            trio.lowlevel.reschedule(reader)


class PipeStream(trio.abc.HalfCloseableStream):
    """One end of a connection.

    `deaf`: it does not learn from its sending that the other end has gone, as over a network: what
    it sends then is lost.
    """

    def __init__(self, incoming: Pipe, outgoing: Pipe, *, deaf: bool) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._deaf = deaf
        self._closed = False
        self._sending = False

    def send_nowait(self, data: bytes, size: int | None = None) -> None:
        """Send without a checkpoint: there is always room. `size`: in pieces of so many bytes.

        Raises:
            trio.ClosedResourceError: this end was closed.
            trio.BrokenResourceError: the other end was.
        """
        if self._outgoing.ended:
            raise trio.ClosedResourceError("this end is closed")
        if self._outgoing.unheard:
            if self._deaf:
                return
            raise trio.BrokenResourceError("the other end is closed")
        if data:
            self._outgoing.put(data, size)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._sending:
            raise trio.BusyResourceError("another task sends on this stream")
        self._sending = True
        try:
            await trio.lowlevel.checkpoint()
        finally:
            self._sending = False
        self.send_nowait(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        await self.send_all(b"")

    async def send_eof(self) -> None:
        if self._sending:
            raise trio.BusyResourceError("another task sends on this stream")
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise trio.ClosedResourceError("this end is closed")
        self._outgoing.end()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if max_bytes is not None and operator.index(max_bytes) < 1:
            raise ValueError("max_bytes must be at least 1")
        return await self._incoming.get(max_bytes)

    async def receive_pieces(self) -> list[bytes]:
        """What `receive_some` gives, in the pieces in which it was sent."""
        return await self._incoming.get_pieces()

    async def aclose(self) -> None:
        self._closed = True
        self._outgoing.end()
        self._incoming.close()
        await trio.lowlevel.checkpoint()


def stream_pair(
    alarms: Alarms, latency: float = 0.0, *, deaf: bool = False
) -> tuple[PipeStream, PipeStream]:
    """Both ends of a connection that takes `latency` seconds each way."""
    there, back = Pipe(alarms, latency), Pipe(alarms, latency)
    return PipeStream(back, there, deaf=deaf), PipeStream(there, back, deaf=deaf)
