"""What was understood in a session: every version of every utterance, and every word of the finals.

All times are ticks (`ticks`), `ticks.NONE` where one is not known.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from replay.charts.flicker import Edit, edits
from replay.charts.ticks import tick, ticks
from replay.reading import Reading
from replay.timeline import Timeline
from replay.utterances import Utterance, Version


class Told(Struct, kw_only=True):
    """One version of an utterance.

    t: when it came; start, end: where in the plan its audio lies. kept: so many first words are
    written as in the version before, `words` the others, with two times each in `at`: where they
    begin and end, no times where the service gave none. back: numbers of the words, counted from
    the first, that the next version changed or dropped. via: the connection.
    """

    t: int
    start: int
    end: int
    kept: int
    words: list[str]
    at: list[int]
    back: list[int]
    via: int


class Heard(Struct, kw_only=True):
    """An utterance. `told`: its versions; `final`: the last of them is final; `words`: the first
    of `Words` that is its own, and how many are; none without a final."""

    channel: int
    told: list[Told]
    final: bool
    words: tuple[int, int] = (0, 0)


class Words(Struct, kw_only=True):
    """The words of the finals, as columns: where each was said, and when it was shown, stood still
    and was final; `NONE` where the place is not known."""

    start: list[int]
    end: list[int]
    first: list[int]
    stable: list[int]
    final: list[int]


def heard(reading: Reading) -> list[Heard]:
    """Utterances in the order of `Utterances.finished`, then those without a final."""
    finished = [each for each, _ in reading.utterances.finished]
    open_ = [each for each in reading.utterances.all if each.final is None]
    changes = [edits(each) for each in (*finished, *open_)]
    places = _Places(reading.timeline, changes)
    found, first = [], 0
    for utterance, edited in zip((*finished, *open_), changes, strict=True):
        own = 0 if utterance.final is None else len(utterance.final.words)
        told = [places.told(each) for each in edited]
        found.append(_one(utterance, told, (first, own)))
        first += own
    return found


def _one(utterance: Utterance, told: list[Told], words: tuple[int, int]) -> Heard:
    return Heard(
        channel=utterance.channel,
        told=told,
        final=utterance.final is not None,
        words=words if utterance.final else (0, 0),
    )


class _Places:
    """Where in the plan the times of versions lie: worked out at once, taken one by one."""

    def __init__(self, timeline: Timeline, changes: list[list[Edit]]) -> None:
        self._timeline = timeline
        seconds: list[float] = []
        for edited in changes:
            for each in edited:
                seconds += _seconds(each.version, each.kept)
        spoken = timeline.due(timeline.offset_of(np.array(seconds, dtype=np.float64)))
        self._left = iter(ticks(timeline, spoken).tolist())

    def told(self, edit: Edit) -> Told:
        version = edit.version
        places = [next(self._left) for _ in _seconds(version, edit.kept)]
        return Told(
            t=tick(self._timeline, version.t),
            start=places[0],
            end=places[1],
            kept=edit.kept,
            words=list(version.raw[edit.kept :]),
            at=places[2:],
            back=edit.taken_back,
            via=version.connection,
        )


def _seconds(version: Version, kept: int) -> list[float]:
    pairs = zip(version.starts[kept:], version.ends[kept:], strict=True)
    return [version.start, version.end, *(each for pair in pairs for each in pair)]


def words(reading: Reading) -> Words:
    """Every word of the finals, in the order of `Words.emissions`."""
    timeline, said = reading.timeline, reading.words
    return Words(
        start=ticks(timeline, timeline.due(said.starts)).tolist(),
        end=ticks(timeline, timeline.due(said.ends)).tolist(),
        first=ticks(timeline, said.column("first")).tolist(),
        stable=ticks(timeline, said.column("stable")).tolist(),
        final=ticks(timeline, said.column("final")).tolist(),
    )
