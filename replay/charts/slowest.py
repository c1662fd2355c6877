"""The words that came latest, each with what was said around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct

from replay import latency
from replay.charts.shades import Shade, shades
from replay.reading import Reading
from replay.statistics import Floats
from replay.utterances import Utterance, Version

_NS_PER_MS = 1e6

Measure = Literal["first", "stable", "final"]
MEASURES: tuple[Measure, ...] = ("first", "stable", "final")


class Slow(Struct, kw_only=True):
    """Times in ms.

    at: where in the plan the word ends. first, stable, final: from there until it was shown, stood
    still, was final; None where that does not apply. before, after: the rest of its utterance.
    shown_by: which version of its utterance first had it, from 1, of `versions` with the final;
    shown_at: when that came. during: what was the matter between its end and its arrival.
    """

    word: str
    before: str
    after: str
    channel: int
    at: float
    first: float | None
    stable: float | None
    final: float | None
    shown_by: int
    versions: int
    shown_at: float
    during: list[str]


def slowest(reading: Reading, measure: Measure, count: int) -> list[Slow]:
    """Up to `count` words, the latest first."""
    values = _late(reading)
    late = values[measure]
    known = np.flatnonzero(~np.isnan(late))
    order = known[np.argsort(-late[known], kind="stable")][:count]
    finished = reading.utterances.finished
    begins = np.cumsum([0, *(len(final.words) for _, final in finished)])
    troubles = shades(reading)
    return [
        _slow(reading, int(k), values, finished[number], int(k - begins[number]), troubles)
        for k in order
        for number in (reading.words.emissions[k].utterance,)
    ]


def merge(
    runs: Sequence[tuple[str, Sequence[Slow]]], measure: Measure, count: int
) -> list[tuple[int, Slow]]:
    """The slowest of several runs' slowest, each with the number of its run.

    Args:
        runs: what was played in each, by name, and its slowest. A word of a recording, by where it
            ends, is taken once: where it was slowest.
    """
    every = [
        (number, name, each)
        for number, (name, run) in enumerate(runs)
        for each in run
        if getattr(each, measure) is not None
    ]
    every.sort(key=lambda each: -getattr(each[2], measure))
    once = {(name, each.channel, each.at): (number, each) for number, name, each in reversed(every)}
    return sorted(once.values(), key=lambda each: -getattr(each[1], measure))[:count]


def _late(reading: Reading) -> dict[str, Floats]:
    found = latency.series(reading, plan=True)
    return {name: found[f"word_{name}"].values for name in MEASURES}


def _slow(
    reading: Reading,
    k: int,
    late: dict[str, Floats],
    finished: tuple[Utterance, Version],
    place: int,
    troubles: Sequence[Shade],
) -> Slow:
    timeline, emission = reading.timeline, reading.words.emissions[k]
    utterance, final = finished
    at = float(timeline.due(reading.words.ends[k]) - timeline.zero) / _NS_PER_MS
    shown_at = (emission.first - timeline.zero) / _NS_PER_MS
    times = [*(each.t for each in utterance.partials), final.t]
    over = (emission.final - timeline.zero) / _NS_PER_MS
    return Slow(
        word=final.raw[place],
        before=" ".join(final.raw[:place]),
        after=" ".join(final.raw[place + 1 :]),
        channel=emission.channel,
        at=round(at, 1),
        shown_by=times.index(emission.first) + 1,
        versions=len(times),
        shown_at=round(shown_at, 1),
        during=[
            each.text
            for each in troubles
            if each.kind != "down" and each.begun <= over and each.over >= at
        ],
        **{name: _plain(late[name][k]) for name in MEASURES},
    )


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 1)
