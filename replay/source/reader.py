"""The task's side of a source that a thread decodes."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Self

import trio

from replay.audio import AudioFormat, Chunk
from replay.counter import COUNTER
from replay.errors import SourceError
from replay.journal import SourceFacts
from replay.source.bridge import Bridge
from replay.source.counting import CountingSource
from replay.source.location import shown
from replay.source.spec import Item, Shape, Source, SourceEvent, SourceSpec
from replay.source.worker import Opened, Worker

AHEAD = 5.0  # seconds of audio decoded before they are asked for
STALL_AFTER = 1.0  # seconds without audio that was due before this counts as a stall
_LEAVE = 0.25  # seconds a thread is waited for; one in a network call may take its time to notice


@asynccontextmanager
async def open_source(
    spec: SourceSpec, shape: Shape, chunk_seconds: Fraction | float
) -> AsyncIterator[Source]:
    """Opens a recording or stream; decoding goes on in a thread while the block runs.

    When the block is left, the thread ends at once, unless it is inside a network call: that one is
    abandoned and ends when its own time limit (`spec.timeout` and a second) is over.

    Args:
        spec: what to play.
        shape: what the session's audio looks like.
        chunk_seconds: audio in a chunk, rounded to whole frames.

    Raises:
        SourceError: it cannot be opened, or gave nothing in time.
        UsageError: a chunk would hold no sample.
    """
    spec.section(shape.sample_rate)  # refuses an empty one before anything is opened
    if spec.location == COUNTER:
        yield CountingSource(spec, shape, chunk_seconds)
        return
    reader = _Reader(spec, shape, chunk_seconds)
    try:
        await reader.open()
        yield reader
    finally:
        await reader.leave()


class _Reader:
    """A `Source`. Notices stalls, because only the side that waits knows that it waits."""

    facts: SourceFacts
    format: AudioFormat

    def __init__(self, spec: SourceSpec, shape: Shape, chunk_seconds: Fraction | float) -> None:
        self._spec = spec
        self._bridge: Bridge[Item | Opened] = Bridge(max(AHEAD, 2 * float(chunk_seconds)))
        clock = trio.lowlevel.current_clock().current_time
        self._worker = Worker(spec, shape, chunk_seconds, self._bridge, clock)
        self._thread = threading.Thread(target=self._worker.run, name="source", daemon=True)
        self._given = 0
        # Until when the audio that came lasts; a burst is good for as long as it plays.
        self._covered = trio.current_time()
        self._quiet_since: float | None = None
        self._held: Item | None = None
        self._over = False

    async def open(self) -> None:
        self._thread.start()
        wait = self._spec.timeout if self._may_hang else float("inf")
        with trio.move_on_after(wait) as scope:
            opened = await self._bridge.get()
        if scope.cancelled_caught:
            raise SourceError(self._silence(shown(self._spec.location)))
        assert isinstance(opened, Opened)
        self.facts, self.format = opened.facts, opened.format
        self._covered = trio.current_time()

    async def leave(self) -> None:
        self._bridge.close()
        self._worker.stop()
        with trio.move_on_after(_LEAVE, shield=True):
            await self._bridge.finished()
            self._thread.join()  # it has said its last word: this does not wait

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        if self._over:
            raise StopAsyncIteration
        item, self._held = self._held, None
        if item is None:
            item = await self._next()
        if isinstance(item, Chunk):
            self._given = item.end
            seconds = self.format.seconds(len(item.data))
            self._covered = max(self._covered, trio.current_time()) + seconds
        return item

    async def _next(self) -> Item:
        quiet = self._quiet_since
        due = max(self._covered, trio.current_time()) if quiet is None else quiet
        patience = self._spec.timeout
        if quiet is None:
            patience = min(STALL_AFTER, patience)
        with trio.move_on_at(due + patience):
            item = await self._bridge.get()
            assert not isinstance(item, Opened)
            return item if quiet is None else self._resumed(item)
        if quiet is not None or patience >= self._spec.timeout:
            return self._given_up()
        self._quiet_since = due
        return SourceEvent("stalled", f"nothing came for {STALL_AFTER:g} s", self._given)

    def _resumed(self, item: Item) -> Item:
        if isinstance(item, SourceEvent):
            return item
        assert self._quiet_since is not None
        lasted, self._quiet_since = trio.current_time() - self._quiet_since, None
        self._held = item
        return SourceEvent("resumed", f"after {lasted:.1f} s", self._given)

    def _given_up(self) -> SourceEvent:
        self._over = True
        silence = self._silence(self.facts.name)
        if self._given == 0:
            raise SourceError(silence)
        return SourceEvent("ended" if self.facts.live else "broken", silence, self._given)

    def _silence(self, name: str) -> str:
        return f"{name}: gave nothing for {self._spec.timeout:g} s"

    @property
    def _may_hang(self) -> bool:
        """A file on disk may take long (it is read once for its checksum), but does not hang."""
        location = self._spec.location
        return location == "-" or "://" in location
