"""Latency along a session, and from round to round: does it drift, and what did an outage do?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import Struct

from replay import latency
from replay.charts.shades import Shade, shades
from replay.reading import Reading
from replay.statistics import Floats, Series

#: A trend is drawn through stretches of at least so many words, of at most so many stretches.
_TREND_WORDS = 20
_STRETCHES = 60
_STRETCHES_LEAST = 10


@dataclass(frozen=True, slots=True)
class Course:
    """Of each word whose place is known, from the plan.

    Attributes:
        at: where it ends, in ms from the plan's zero, rising.
        first, final: how late it was shown and was final, in ms; NaN where one does not apply.
        trend: of a long session, stretch by stretch, its middle and the medians of `first` and
            `final` in it; a row each.
        over: where the session ends.
    """

    at: Floats
    first: Floats
    final: Floats
    trend: Floats
    over: float
    shades: list[Shade]


def course(reading: Reading) -> Course:
    """Of one run."""
    timeline = reading.timeline
    found = latency.series(reading, plan=True)
    at = (timeline.due(reading.words.ends) - timeline.zero) / 1e6
    known = np.flatnonzero(~np.isnan(at))
    order = known[np.argsort(at[known], kind="stable")]
    first, final = (found[name].values[order] for name in ("word_first", "word_final"))
    return Course(
        at=at[order],
        first=first,
        final=final,
        trend=_trend(at[order], first, final),
        over=(timeline.last - timeline.zero) / 1e6,
        shades=shades(reading),
    )


def _trend(at: Floats, first: Floats, final: Floats) -> Floats:
    """Medians of stretches with about as many words each; none where there would be only a few."""
    stretches = min(len(at) // _TREND_WORDS, _STRETCHES)
    if stretches < _STRETCHES_LEAST:
        return np.empty((0, 3))
    parts = zip(*(np.array_split(column, stretches) for column in (at, first, final)), strict=True)
    return np.array(
        [[(a[0] + a[-1]) / 2, *(_middle(each) for each in (b, c))] for a, b, c in parts]
    )


def _middle(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return _median(known) if len(known) else np.nan


class Session(Struct, kw_only=True):
    """One session of a round: the median of a measure in it, of so many values."""

    recording: str
    n: int
    p50: float


class Round(Struct, kw_only=True):
    """`counts`: not a warm-up; `p50`: of all values of the round together, None without any."""

    number: int
    counts: bool
    sessions: list[Session]
    p50: float | None


def rounds(plays: Sequence[tuple[int, str, Floats]], warm_ups: Sequence[int] = ()) -> list[Round]:
    """The rounds in order.

    Args:
        plays: round, recording and every value of a measure, of each session that is to be seen.
        warm_ups: the rounds that do not count.
    """
    found = []
    for number in sorted({number for number, _, _ in plays}):
        parts = [
            (recording, values[~np.isnan(values)])
            for round_, recording, values in plays
            if round_ == number
        ]
        sessions = [
            Session(recording=recording, n=len(values), p50=_median(values))
            for recording, values in parts
            if len(values)
        ]
        every = np.concatenate([values for _, values in parts])
        found.append(
            Round(
                number=number,
                counts=number not in warm_ups,
                sessions=sessions,
                p50=_median(every) if len(every) else None,
            )
        )
    return found


def _median(values: Floats) -> float:
    """By the one rule of `statistics`."""
    return float(Series(values).distribution().p50 or 0.0)
