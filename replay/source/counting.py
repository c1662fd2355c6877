"""The source `counter`: audio whose every byte says where it belongs, instead of a recording."""

from __future__ import annotations

from fractions import Fraction
from typing import Self

import trio

from replay.audio import Chunk
from replay.counter import COUNTER, counted
from replay.journal import SourceFacts
from replay.source.spec import Item, Shape, SourceSpec, chunk_bytes


class CountingSource:
    """A `Source` of counting audio, `spec.duration` long, or endless without one.

    Raises:
        UsageError: a chunk would hold no sample.
    """

    def __init__(self, spec: SourceSpec, shape: Shape, chunk_seconds: Fraction | float) -> None:
        self.format = shape.format(1)
        self._size = chunk_bytes(self.format, chunk_seconds)
        self._offset = 0
        endless = spec.duration is None or spec.loops is None
        seconds = (spec.duration or 0.0) * (spec.loops or 0)
        self._end = None if endless else self.format.bytes_in(seconds)
        self.facts = SourceFacts(
            name=COUNTER,
            seconds=None if self._end is None else self.format.seconds(self._end),
            codec=COUNTER,
            sample_rate=self.format.sample_rate,
            channels=self.format.channels,
        )

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        await trio.lowlevel.checkpoint()
        size = self._size if self._end is None else min(self._size, self._end - self._offset)
        if size <= 0:
            raise StopAsyncIteration
        chunk = Chunk(self._offset, counted(self._offset, size))
        self._offset = chunk.end
        return chunk
