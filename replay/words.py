"""When each word was first shown, when it stood still, when it was final, and when it was said.

A word first shown is the first partial (or the final) that has it in its place in the final text;
it is stable from the first version on after which no version lacks it. What the truth about its
end is, is either the reference beside the source or, without one, the service's own times in the
final.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Literal

import numpy as np

from replay.align import align, fold, shown
from replay.journal import ReferenceWord
from replay.statistics import Floats
from replay.timeline import Timeline
from replay.utterances import Utterances, Version

Anchor = Literal["words", "service"]


@dataclass(frozen=True, slots=True)
class Emission:
    """One word of a final. Journal times in ns; `utterance` counts the finals."""

    word: str
    channel: int
    utterance: int
    first: int
    stable: int
    final: int


@dataclass(frozen=True)
class Words:
    """The words that can be measured, as columns, and what they are measured against.

    Attributes:
        starts, ends: offsets (bytes) where each was said; NaN where that is not known.
        truth: which word of the reference each is, -1 for none of them.
        used: share of the reference's words found in the finals, or of the finals' words with
            times when the service is its own reference; None when there are none at all.
        total: of how many words that is the share.
    """

    reference: Anchor
    emissions: list[Emission]
    starts: Floats
    ends: Floats
    truth: Floats
    used: float | None
    total: int

    def column(self, name: Literal["first", "stable", "final", "utterance"]) -> Floats:
        return self._columns[name]

    @cached_property
    def _columns(self) -> dict[str, Floats]:
        found = {}
        for name in ("first", "stable", "final", "utterance"):
            values = map(attrgetter(name), self.emissions)
            found[name] = np.fromiter(values, np.float64, len(self.emissions))
            found[name].flags.writeable = False  # one for all who ask
        return found


def measure(timeline: Timeline, utterances: Utterances) -> Words:
    """Find every word of the finals, and where it was said."""
    emissions = list(_emissions(utterances))
    reference = timeline.reference
    if reference is not None and reference.words:
        return _against_truth(timeline, emissions, reference.words)
    starts: list[float] = []
    ends: list[float] = []
    for _, final in utterances.finished:
        timed = bool(final.ends)
        starts += final.starts if timed else [np.nan] * len(final.words)
        ends += final.ends if timed else [np.nan] * len(final.words)
    known = np.array(ends, dtype=np.float64)
    return Words(
        "service",
        emissions,
        timeline.offset_of(np.array(starts, dtype=np.float64)),
        timeline.offset_of(known),
        np.full(len(emissions), -1.0),
        float(np.mean(~np.isnan(known))) if len(known) else None,
        len(known),
    )


def _emissions(utterances: Utterances) -> Iterator[Emission]:
    for number, (utterance, final) in enumerate(utterances.finished):
        first, stable = _appearances(utterance.partials, final)
        for index, word in enumerate(final.words):
            yield Emission(word, utterance.channel, number, first[index], stable[index], final.t)


def _appearances(partials: list[Version], final: Version) -> tuple[list[int], list[int]]:
    first = [final.t] * len(final.words)
    stable = [final.t] * len(final.words)
    still = set(range(len(final.words)))
    for partial in reversed(partials):
        there = shown(partial.words, final.words)
        for index in there:
            first[index] = partial.t
        still &= there
        for index in still:
            stable[index] = partial.t
    return first, stable


def _against_truth(
    timeline: Timeline, emissions: list[Emission], reference: list[ReferenceWord]
) -> Words:
    """Reference times are of the source, which is what the client's offsets count."""
    starts = np.full(len(emissions), np.nan)
    ends = np.full(len(emissions), np.nan)
    truth = np.full(len(emissions), -1.0)
    heard: defaultdict[int, list[int]] = defaultdict(list)
    for index, emission in enumerate(emissions):
        heard[emission.channel].append(index)
    said: defaultdict[int, list[int]] = defaultdict(list)
    for number, word in enumerate(reference):
        if fold(word.word):
            said[word.channel].append(number)
    for channel, numbers in said.items():
        numbers.sort(key=lambda number: reference[number].start)
        indices = heard[channel]
        words = [fold(reference[number].word) for number in numbers]
        for i, j in align(words, [emissions[k].word for k in indices]):
            starts[indices[j]] = reference[numbers[i]].start
            ends[indices[j]] = reference[numbers[i]].end
            truth[indices[j]] = numbers[i]
    count = sum(map(len, said.values()))
    rate = timeline.format.bytes_per_second
    used = float(np.sum(~np.isnan(ends))) / count if count else None
    return Words("words", emissions, starts * rate, ends * rate, truth, used, count)
