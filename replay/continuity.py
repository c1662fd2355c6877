"""Whether the recording is what was sent: lost, repeated, late and foreign bytes, exactly."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Literal

import msgspec
import numpy as np
from msgspec import Struct

from replay.bytediff import Bytes, runs

Kind = Literal["lost", "repeated", "reordered", "garbage", "shifted"]
Severity = Literal["error", "warning", "info"]
Basis = Literal["played", "counter", "merged"]


class Range(Struct, kw_only=True):
    """`size` bytes from `offset` of the sent audio (None for garbage), at `at` of the recording.

    `shifted`: the bytes are there, but begin within a sample, so that they sound like noise.
    """

    kind: Kind
    offset: int | None
    size: int
    at: int


class Finding(Struct, kw_only=True):
    """An expectation that was broken. `at`: where, as far as it is known (`t_ms`, bytes ...)."""

    invariant: str
    severity: Severity
    detail: str
    at: dict[str, int | float | str] = msgspec.field(default_factory=dict)


class Comparison(Struct, kw_only=True):
    """What became of the sent audio, in bytes.

    lost: sent and not recorded. repeated: recorded again. reordered: recorded once, but after
    what followed it. garbage: recorded and never sent. shifted: a seam moves the samples' bytes
    against each other, so that what follows is noise; such bytes are not missing. `basis`: what
    is taken for the audio that should be there: as it was played, counted, or put together from
    the connections of a client that was not ours.
    """

    sent_bytes: int
    recorded_bytes: int
    lost_bytes: int = 0
    repeated_bytes: int = 0
    reordered_bytes: int = 0
    garbage_bytes: int = 0
    shifted_bytes: int = 0
    basis: Basis = "played"
    ranges: list[Range]

    @property
    def misaligned(self) -> bool:
        return self.shifted_bytes > 0

    @property
    def same(self) -> bool:
        return not self.ranges


def compare(
    sent: bytes | bytearray | memoryview,
    recorded: bytes | bytearray | memoryview,
    frame_bytes: int,
    basis: Basis = "played",
) -> Comparison:
    """Explain `recorded` by `sent`, both without headers, with few edits and in linear time.

    Where bytes repeat each other (silence) the place of an edit is ambiguous, its size is not.
    """
    ours, theirs = (np.frombuffer(data, dtype=np.uint8) for data in (sent, recorded))
    comparison = _Account(ours, theirs, frame_bytes).comparison
    comparison.basis = basis
    return comparison


class _Account:
    """Books every stretch of the recording against what has been recorded before it."""

    def __init__(self, sent: Bytes, recorded: Bytes, frame_bytes: int) -> None:
        self._ranges: list[Range] = []
        # What is recorded so far, as disjoint spans of the sent audio: their starts and ends.
        self._starts: list[int] = []
        self._ends: list[int] = []
        # Where the recording goes on after each gap in the sent audio.
        self._seams: dict[int, int] = {}
        reached = 0
        for run in runs(sent, recorded):
            self._add("garbage", None, run.at - reached, reached)
            self._seams.setdefault(run.offset, run.at)
            self._record(run.offset, run.offset + run.size, run.at)
            if (run.offset - run.at) % frame_bytes:
                self._add("shifted", run.offset, run.size, run.at)
            reached = run.at + run.size
        self._add("garbage", None, len(recorded) - reached, reached)
        self._lost(len(sent), len(recorded))
        self.comparison = Comparison(
            sent_bytes=len(sent),
            recorded_bytes=len(recorded),
            lost_bytes=self._total("lost"),
            repeated_bytes=self._total("repeated"),
            reordered_bytes=self._total("reordered"),
            garbage_bytes=self._total("garbage"),
            shifted_bytes=self._total("shifted"),
            ranges=self._ranges,
        )

    def _record(self, start: int, end: int, at: int) -> None:
        """Book sent[start:end] as recorded at `at`: part by part, known or new."""
        first = bisect_right(self._ends, start)
        last = bisect_left(self._starts, end)
        top = self._ends[-1] if self._ends else 0
        cursor = start
        for a, b in zip(self._starts[first:last], self._ends[first:last], strict=True):
            self._late(cursor, a, at + cursor - start, top)
            again = max(a, start)
            self._add("repeated", again, min(b, end) - again, at + again - start)
            cursor = min(b, end)
        self._late(cursor, end, at + cursor - start, top)
        # Adjoining spans grow together, so that an undisturbed recording stays a single one.
        first, last = bisect_left(self._ends, start), bisect_right(self._starts, end)
        self._starts[first:last] = [min([start, *self._starts[first:last]])]
        self._ends[first:last] = [max([end, *self._ends[first:last]])]

    def _late(self, start: int, end: int, at: int, top: int) -> None:
        self._add("reordered", start, min(end, top) - start, at)

    def _lost(self, total: int, at: int) -> None:
        cursor = 0
        for start, end in zip([*self._starts, total], [*self._ends, total], strict=True):
            self._add("lost", cursor, start - cursor, self._seams.get(start, at))
            cursor = end

    def _add(self, kind: Kind, offset: int | None, size: int, at: int) -> None:
        if size > 0:
            self._ranges.append(Range(kind=kind, offset=offset, size=size, at=at))

    def _total(self, kind: Kind) -> int:
        return sum(each.size for each in self._ranges if each.kind == kind)
