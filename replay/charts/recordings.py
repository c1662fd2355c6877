"""What each recording of a benchmark came to, and how much it changed against the other side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from replay.compare import Side
from replay.compare.pairs import pair
from replay.samples import Sample
from replay.statistics import Distribution, Floats, Series, pool


class Row(Struct, kw_only=True):
    """One recording, all its sessions that count together.

    words: how many there are to each session, at the median. rounds: the median of finals in each
    session, in order. wer: over all of them, None without a reference.
    """

    recording: str
    sessions: int
    words: int
    word_first: Distribution
    word_final: Distribution
    rounds: list[float]
    wer: float | None


def rows(plays: Sequence[tuple[str, Sample]]) -> list[Row]:
    """Per recording, in the order in which they first appear."""
    by_name: dict[str, list[Sample]] = {}
    for name, sample in plays:
        by_name.setdefault(name, []).append(sample)
    return [_row(name, samples) for name, samples in by_name.items()]


def _row(name: str, samples: Sequence[Sample]) -> Row:
    first = [Series(values(sample, "word_first")) for sample in samples]
    final = [Series(values(sample, "word_final")) for sample in samples]
    medians = [each.distribution().p50 for each in final]
    rates = [sample.rates["wer"] for sample in samples if "wer" in sample.rates]
    return Row(
        recording=name,
        sessions=len(samples),
        words=round(float(np.median([len(sample.word) for sample in samples]))),
        word_first=pool(first).distribution(),
        word_final=pool(final).distribution(),
        rounds=[each for each in medians if each is not None],
        wer=sum(top for top, _ in rates) / sum(below for _, below in rates) if rates else None,
    )


def values(sample: Sample, measure: str) -> Floats:
    """All of a measure, NaN where it does not apply."""
    column = sample.words.get(measure, sample.utterances.get(measure, []))
    return np.array([np.nan if each is None else each for each in column], dtype=np.float64)


class Difference(Struct, kw_only=True):
    """The paired differences of one recording, in ms, of `n` items: the median, and where the
    middle eight tenths of them lie."""

    recording: str
    n: int
    p10: float
    p50: float
    p90: float


def differences(base: Side, new: Side, measure: str) -> list[Difference]:
    """Of each recording that is on both sides, what changed most first. Recordings are named as
    `Take.recording` has them; of a single recording all its items stand together."""
    found = []
    for recording in sorted(base.recordings & new.recordings):
        sides = [
            Side(side.label, [take for take in side.takes if take.recording == recording])
            for side in (base, new)
        ]
        pairs = pair(*sides).get(measure)
        if pairs is None:
            continue
        moved = np.nanmean(pairs.new, axis=1) - np.nanmean(pairs.base, axis=1)
        low, high = np.quantile(moved, [0.1, 0.9], method="inverted_cdf").round(2).tolist()
        middle = round(float(np.median(moved)), 2)
        found.append(Difference(recording=recording, n=len(moved), p10=low, p50=middle, p90=high))
    return sorted(found, key=lambda each: -each.p50)
