"""Single words taken apart into the steps of the waterfall: the slowest, and some all along."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from replay.reading import Reading

#: Of a run so many of its slowest words, and so many from its beginning to its end.
SLOWEST = 12
SAMPLE = 24


class Fall(Struct, kw_only=True):
    """In ms, by the names of `waterfall.STEPS`; None where a step cannot be told from the next.

    at: where in the plan the word ends; total: from there to its final, which the steps add up to.
    slow: it is here because it is one of the slowest.
    """

    word: str
    at: float
    total: float
    took: list[float | None]
    slow: bool


def falls(reading: Reading, slow: int = SLOWEST, sample: int = SAMPLE) -> list[Fall]:
    """The `slow` slowest words, the slowest first, then `sample` others by when they were said."""
    steps, timeline = reading.steps, reading.timeline
    if not len(steps.word):
        return []
    total = np.nansum(steps.took, axis=1)
    latest = np.argsort(-total, kind="stable")[:slow]
    rest = np.setdiff1d(np.arange(len(total)), latest)
    even = rest[np.linspace(0, len(rest) - 1, min(sample, len(rest))).round().astype(int)]
    ends = (timeline.due(reading.words.ends) - timeline.zero) / 1e6
    return [
        Fall(
            word=reading.words.emissions[int(steps.word[row])].word,
            at=round(float(ends[int(steps.word[row])]), 1),
            total=round(float(total[row]), 1),
            took=[None if np.isnan(each) else round(float(each), 1) for each in steps.took[row]],
            slow=number < len(latest),
        )
        for number, row in enumerate(
            [*latest, *sorted(even, key=lambda row: ends[int(steps.word[row])])]
        )
    ]


def merge(
    runs: Sequence[tuple[str, Sequence[Fall]]], slow: int = SLOWEST, sample: int = SAMPLE
) -> list[tuple[int, Fall]]:
    """The same of several runs together, each word with the number of its run.

    Args:
        runs: what was played in each, by name, and its words. A word of a recording, by where it
            ends, is taken once: where it was slowest.
    """
    every = [(number, name, each) for number, (name, run) in enumerate(runs) for each in run]
    every.sort(key=lambda each: each[2].total)
    once = {(name, each.at): (number, each) for number, name, each in every}
    slowest = sorted(
        (each for each in once.values() if each[1].slow), key=lambda each: -each[1].total
    )
    names = [name for name, _ in runs]
    others = sorted(
        (each for each in once.values() if not each[1].slow),
        key=lambda each: (names.index(names[each[0]]), each[1].at),
    )
    picked = np.linspace(0, len(others) - 1, min(sample, len(others))).round().astype(int)
    return [*slowest[:slow], *(others[k] for k in picked)]
