"""Values of two sides, paired: the same item of the same audio, on each side in every round.

Against true word times an item is a word of the reference. Where the service's own times stand for
the truth, each run's words are aligned with those of one run, and an item is a word of that run.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from replay.align import align
from replay.samples import AT_ONSET, BY_RUN, BY_UTTERANCE, BY_WORD, RATES, Sample
from replay.statistics import Floats
from replay.timeline import Ints


@dataclass(frozen=True, slots=True)
class Take:
    """One run that counts. `recording`: what says that audio is the same (its sha256)."""

    recording: str
    round: int
    sample: Sample


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: every run of it that counts."""

    label: str
    takes: Sequence[Take]

    @property
    def rounds(self) -> list[int]:
        return sorted({take.round for take in self.takes})

    @property
    def recordings(self) -> set[str]:
        return {take.recording for take in self.takes}


@dataclass(frozen=True, slots=True)
class Pairs:
    """One measure's values that are there on both sides.

    Attributes:
        base, new: (items, rounds), NaN where an item has none in a round.
        cluster: (items): of which recording each is; of one recording alone, of which utterance.
        items: how many there were on either side; those beyond the rows are not on both.
    """

    base: Floats
    new: Floats
    cluster: Ints
    items: int

    @property
    def count(self) -> int:
        return len(self.cluster)


@dataclass(frozen=True, slots=True)
class Counts:
    """One ratio's counts on both sides: (recordings, rounds) each, NaN where there is none."""

    base_top: Floats
    base_bottom: Floats
    new_top: Floats
    new_bottom: Floats


#: (measure, recording, item) of a value.
_Key = tuple[str, str, int]


def pair(base: Side, new: Side) -> dict[str, Pairs]:
    """Every measure that has values on both sides."""
    names = _numbers(base, new)
    left, right = _collect(base, names), _collect(new, names)
    place = _clusters(base, new, names)
    found = {}
    for measure in (*BY_WORD, *BY_UTTERANCE, *BY_RUN):
        mine = {key for key in left if key[0] == measure}
        theirs = {key for key in right if key[0] == measure}
        both = sorted(mine & theirs)
        if both:
            found[measure] = Pairs(
                base=_table(left, both, base.rounds),
                new=_table(right, both, new.rounds),
                cluster=np.array([place(recording, item) for _, recording, item in both]),
                items=len(mine | theirs),
            )
    return found


def _clusters(base: Side, new: Side, names: dict[int, list[int]]) -> Callable[[str, int], int]:
    """Says which cluster an item of a recording belongs to."""
    both = sorted(base.recordings & new.recordings)
    if len(both) != 1:
        return lambda recording, _: both.index(recording)
    first = next(take.sample for take in base.takes if take.recording == both[0])
    closes = sorted(place for place in first.last_word if place >= 0)
    utterances = {
        item: bisect_left(closes, place) for place, item in enumerate(names[id(first)]) if item >= 0
    }
    return lambda _, item: utterances.get(item, len(closes))


def counts(base: Side, new: Side) -> dict[str, Counts]:
    """Every ratio whose counts are there on both sides, of recordings that are on both."""
    found = {}
    for name in RATES:
        left, right = _rates(base, name), _rates(new, name)
        both = sorted({key[0] for key in left} & {key[0] for key in right})
        if not both:
            continue
        parts = [
            np.array(
                [[table.get((key, n), (np.nan, np.nan))[which] for n in rounds] for key in both],
                dtype=np.float64,
            )
            for table, rounds in ((left, base.rounds), (right, new.rounds))
            for which in (0, 1)
        ]
        found[name] = Counts(*parts)
    return found


def _rates(side: Side, name: str) -> dict[tuple[str, int], tuple[int, int]]:
    return {
        (take.recording, take.round): take.sample.rates[name]
        for take in side.takes
        if name in take.sample.rates
    }


def _numbers(base: Side, new: Side) -> dict[int, list[int]]:
    """Of each sample, by its identity, the item that each of its words is; -1 for none."""
    by_recording: dict[str, list[Sample]] = {}
    for take in (*base.takes, *new.takes):
        by_recording.setdefault(take.recording, []).append(take.sample)
    numbers = {}
    for samples in by_recording.values():
        leader = samples[0]
        for sample in samples:
            if sample.anchor == "words":
                numbers[id(sample)] = sample.truth
            else:
                numbers[id(sample)] = _aligned(leader.word, sample.word)
    return numbers


def _aligned(leader: list[str], words: list[str]) -> list[int]:
    if leader == words:
        return list(range(len(words)))
    found = [-1] * len(words)
    for i, j in align(leader, words):
        found[j] = i
    return found


def _collect(side: Side, names: dict[int, list[int]]) -> dict[_Key, dict[int, float]]:
    """Every value by what it is of, and by round."""
    found: dict[_Key, dict[int, float]] = {}
    for take in side.takes:
        for measure, item, value in _values(take.sample, names[id(take.sample)]):
            found.setdefault((measure, take.recording, item), {})[take.round] = value
    return found


def _values(sample: Sample, numbers: list[int]) -> Iterator[tuple[str, int, float]]:
    for measure, values in sample.words.items():
        yield from _known(measure, numbers, values)
    for measure, values in sample.utterances.items():
        places = sample.first_word if measure in AT_ONSET else sample.last_word
        items = [numbers[place] if place >= 0 else -1 for place in places]
        yield from _known(measure, items, values)
    for measure, value in sample.values.items():
        yield measure, 0, value


def _known(
    measure: str, items: Iterable[int], values: Iterable[float | None]
) -> Iterator[tuple[str, int, float]]:
    for item, value in zip(items, values, strict=True):
        if item >= 0 and value is not None:
            yield measure, item, value


def _table(values: dict[_Key, dict[int, float]], keys: list[_Key], rounds: list[int]) -> Floats:
    return np.array(
        [[values[key].get(number, np.nan) for number in rounds] for key in keys], dtype=np.float64
    )
