"""Whether the recording is what was sent: lost, repeated, late and foreign bytes, exactly."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Literal

import msgspec
import numpy as np
from msgspec import Struct

from replay import journal
from replay.bytediff import Bytes, runs
from replay.outages import losses
from replay.timeline import Timeline
from replay.wire.messages import Malformed

_NS_PER_MS = 1e6

Kind = Literal["lost", "repeated", "reordered", "garbage"]
Severity = Literal["error", "warning", "info"]


class Range(Struct, kw_only=True):
    """`size` bytes from `offset` of the sent audio (None for garbage), at `at` of the recording."""

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
    what followed it. garbage: recorded and never sent. `misaligned`: a seam moves the samples'
    bytes against each other, so that what follows is noise.
    """

    sent_bytes: int
    recorded_bytes: int
    lost_bytes: int = 0
    repeated_bytes: int = 0
    reordered_bytes: int = 0
    garbage_bytes: int = 0
    misaligned: bool = False
    ranges: list[Range]

    @property
    def same(self) -> bool:
        return not self.ranges


def compare(
    sent: bytes | bytearray | memoryview, recorded: bytes | bytearray | memoryview, frame_bytes: int
) -> Comparison:
    """Explain `recorded` by `sent`, both without headers, with few edits and in linear time.

    Where bytes repeat each other (silence) the place of an edit is ambiguous, its size is not.
    """
    ours, theirs = (np.frombuffer(data, dtype=np.uint8) for data in (sent, recorded))
    return _Account(ours, theirs, frame_bytes).comparison


class _Account:
    """Books every stretch of the recording against what has been recorded before it."""

    def __init__(self, sent: Bytes, recorded: Bytes, frame_bytes: int) -> None:
        self._ranges: list[Range] = []
        # What is recorded so far, as disjoint spans of the sent audio: their starts and ends.
        self._starts: list[int] = []
        self._ends: list[int] = []
        # Where the recording goes on after each gap in the sent audio.
        self._seams: dict[int, int] = {}
        misaligned = False
        reached = 0
        for run in runs(sent, recorded):
            self._add("garbage", None, run.at - reached, reached)
            self._seams.setdefault(run.offset, run.at)
            self._record(run.offset, run.offset + run.size, run.at)
            misaligned |= (run.offset - run.at) % frame_bytes != 0
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
            misaligned=misaligned,
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


def window_bytes(timeline: Timeline) -> int:
    """Most that may be recorded twice: what was in flight when connections broke.

    Audio that the service recorded and could not acknowledge before a cut has to be sent again.
    """
    return sum(lost.unacked for lost in losses(timeline))


def findings(timeline: Timeline, comparison: Comparison | None) -> list[Finding]:
    """What broke an expectation: as seen while it happened, and as the recording shows."""
    found = [
        Finding(
            invariant=seen.invariant,
            severity=seen.severity,
            detail=seen.detail,
            at={"t_ms": round(seen.t / _NS_PER_MS, 3), **seen.at},
        )
        for seen in timeline.all(journal.Observation)
    ]
    found += [
        Finding(
            invariant="E1",
            severity="warning",
            detail=f"a message broke the schema: {heard.message.reason}",
            at={"t_ms": round(heard.t / _NS_PER_MS, 3), "connection": heard.connection},
        )
        for heard in timeline.heard
        if isinstance(heard.message, Malformed)
    ]
    if comparison is not None:
        found += _recording(timeline, comparison)
    return found


def _recording(timeline: Timeline, comparison: Comparison) -> list[Finding]:
    window = window_bytes(timeline)
    lost, extra = comparison.lost_bytes, comparison.repeated_bytes
    checks: list[tuple[bool, str, Severity, str]] = [
        (lost > 0, "A1", "error", f"{_amount(timeline, lost)} sent and not recorded"),
        (
            comparison.garbage_bytes > 0,
            "A1",
            "error",
            f"{_amount(timeline, comparison.garbage_bytes)} recorded and never sent",
        ),
        (
            extra > window,
            "A2",
            "error",
            f"{_amount(timeline, extra)} recorded again; at most {window} bytes were in flight",
        ),
        (
            0 < extra <= window,
            "A2",
            "info",
            f"{_amount(timeline, extra)} recorded again, within the {window} in flight",
        ),
        (
            comparison.reordered_bytes > 0,
            "A4",
            "error",
            f"{_amount(timeline, comparison.reordered_bytes)} recorded out of order",
        ),
        (comparison.misaligned, "A5", "error", "a seam in the recording cuts through a sample"),
    ]
    return [
        Finding(invariant=invariant, severity=severity, detail=detail)
        for broken, invariant, severity, detail in checks
        if broken
    ]


def _amount(timeline: Timeline, size: int) -> str:
    return f"{size} bytes ({timeline.format.seconds(size) * 1e3:.1f} ms)"
