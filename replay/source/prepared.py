"""A source from memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import Self

import trio

from replay.audio import AudioFormat
from replay.journal import SourceFacts
from replay.source.pieces import Chunker
from replay.source.spec import Item, SourceEvent, chunk_bytes


class PreparedSource:
    """`data` as a source: no thread, no file, so that it also serves under a virtual clock.

    Args:
        data: whole frames in `fmt`.
        chunk_seconds: length of a chunk, rounded to whole frames.
        loops: how often `data` is played; None for ever.

    Raises:
        ValueError: `data` is empty, or ends within a frame.
        UsageError: a chunk would hold no sample.
    """

    def __init__(
        self,
        data: bytes,
        fmt: AudioFormat,
        chunk_seconds: Fraction | float,
        name: str = "prepared",
        loops: int | None = 1,
    ) -> None:
        if not data or len(data) % fmt.frame_bytes:
            raise ValueError(f"{len(data)} bytes are not whole frames of {fmt.frame_bytes}")
        self.format = fmt
        self.facts = SourceFacts(
            name=name,
            seconds=None if loops is None else fmt.seconds(len(data) * loops),
            sha256=hashlib.sha256(data).hexdigest(),
            codec="prepared",
            sample_rate=fmt.sample_rate,
            channels=fmt.channels,
        )
        self._items = _items(data, chunk_bytes(fmt, chunk_seconds), loops)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        await trio.lowlevel.checkpoint()
        for item in self._items:
            return item
        raise StopAsyncIteration


def _items(data: bytes, size: int, loops: int | None) -> Iterator[Item]:
    chunker = Chunker(size)
    done = 0
    while True:
        for at in range(0, len(data), size):  # in steps, so that a long recording is not doubled
            yield from chunker.feed(data[at : at + size])
        done += 1
        if done == loops:
            break
        yield SourceEvent("looped", f"pass {done + 1} begins", chunker.offset)
    yield from chunker.flush()
