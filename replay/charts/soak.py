"""A soak over time, and what its recoveries are made of."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from replay.charts.curves import STEPS, Curve
from replay.endurance.histogram import Encoded, Histogram
from replay.endurance.outcome import Window
from replay.endurance.summary import Course, SoakRecovery, SoakSummary

#: A line through points, each when (in seconds of the soak's clock) and what.
Strand = list[tuple[float, float]]

#: A recovery from the last sign of life on, in the order in which things happen.
BUDGET = ("detect", "backoff", "connect", "flush", "first_ack", "caught_up")
#: Those of them that are counted from the new connection's opening, all three at once.
_FROM_OPENING = ("flush", "first_ack", "caught_up")
_MINUTE = 60.0


def strands(found: SoakSummary, name: str) -> list[Strand]:
    """One column of the rows, in the middles of their stretches; broken where there is nothing."""
    rows, minutes = found.rows, found.row_minutes
    lines: list[Strand] = []
    before = None
    for row in rows:
        value: float | None = getattr(row, name)
        begun = row.at * _MINUTE
        if value is None or begun >= found.elapsed:
            continue
        if before is None or row.at != before + minutes:
            lines.append([])
        before = row.at
        whole = minutes * _MINUTE
        over = min(begun + whole, found.elapsed)
        if name == "sessions":  # on average of the whole stretch, of which the last is a part
            value *= whole / (over - begun)
        lines[-1].append(((begun + over) / 2, value))
    return lines


def course(found: Course, name: str) -> Strand:
    """One column of what a process took."""
    return list(zip(found.t, map(float, getattr(found, name)), strict=False))


def gained(strand: Strand) -> Strand:
    """The same, from its first value on."""
    return [(t, value - strand[0][1]) for t, value in strand]


def covered(windows: Iterable[Window], elapsed: float) -> float:
    """The share of the time in which anything was disturbed."""
    total, reached = 0.0, 0.0
    for each in sorted(windows, key=lambda each: each.begun):
        begun = max(each.begun, reached)
        total += max(min(each.over, elapsed) - begun, 0.0)
        reached = max(reached, each.over)
    return total / elapsed if elapsed else 0.0


def budget(found: SoakRecovery) -> list[tuple[str, float, float]]:
    """The medians of its steps one after another: from when until when, in ms.

    What is counted from the opening of the new connection goes on side by side; of each, only what
    reaches beyond the one before is shown.
    """
    steps = []
    at = 0.0
    opened = sum(getattr(found, name).p50 or 0.0 for name in ("detect", "backoff", "connect"))
    for name in BUDGET:
        took = getattr(found, name).p50
        if took is None:
            continue
        until = max(opened + took, at) if name in _FROM_OPENING else at + took
        steps.append((name, at, until))
        at = until
    return steps


def curve(encoded: Encoded) -> Curve:
    """The curve of a histogram: the share at or below the end of each of its buckets."""
    whole = Histogram.decoded(encoded)
    buckets = whole.buckets()
    ends = np.array([until for _, until, _ in buckets], dtype=np.float64)
    below = np.cumsum([count for *_, count in buckets], dtype=np.float64)
    kept = _kept(below)
    x, below = ends[kept], below[kept]
    if len(x) and encoded.high is not None:
        x[-1] = min(x[-1], encoded.high / 1000)
    n = max(whole.n, 1)
    bound = np.inf if encoded.bound is None else encoded.bound / 1000
    most = below + np.where(x >= bound, whole.censored, 0)
    return Curve(
        distribution=whole.distribution(),
        x=x.round(3).tolist(),
        share=(below / n).round(5).tolist(),
        most=(most / n).round(5).tolist(),
        negative=whole.negative,
    )


def _kept(
    below: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Which of many buckets stay: evenly by share, and both ends."""
    if len(below) <= STEPS:
        return np.arange(len(below))
    wanted = np.linspace(below[0], below[-1], STEPS)
    return np.unique(np.searchsorted(below, wanted))
