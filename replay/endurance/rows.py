"""A soak by stretches of time, for its charts and for what drifts.

Stretches are a minute long, and twice as long again whenever there would be too many: their length
is told by the latest minute alone, so that parts add up in any order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from replay.endurance.histogram import Encoded, Histogram
from replay.endurance.outcome import MINUTE_DIGITS, Outcome

#: No more stretches than this: a day by the minute.
MOST = 1440
_MINUTE, _MINUTE_MS = 60.0, 60_000

#: Values that a stretch must have for its median to count.
_ENOUGH = 10

_MEASURES = ("ack", "word_final", "clear_ack", "clear_word_final", "recover")


def _empty() -> dict[str, Histogram]:
    return {name: Histogram(MINUTE_DIGITS) for name in _MEASURES}


@dataclass
class Stretch:
    """What happened in one. played: ms that sessions were under way in it, in sum; measures: by
    name, in ms, of what was spoken in it; `clear_…` of what no outage touched."""

    played: int = 0
    ended: int = 0
    failed: int = 0
    reconnects: int = 0
    faults: int = 0
    measures: dict[str, Histogram] = field(default_factory=_empty)

    def merge(self, other: Stretch) -> None:
        self.played += other.played
        self.ended += other.ended
        self.failed += other.failed
        self.reconnects += other.reconnects
        self.faults += other.faults
        for name, each in other.measures.items():
            self.measures[name].merge(each)


class Rows:
    """Attributes:
    minutes: how long a stretch is.
    """

    def __init__(self) -> None:
        self.minutes = 1
        self._rows: dict[int, Stretch] = {}

    @property
    def rows(self) -> list[tuple[int, Stretch]]:
        """Every stretch in which anything happened, by the minute with which it begins."""
        return [(at * self.minutes, self._rows[at]) for at in sorted(self._rows)]

    def add(self, outcome: Outcome) -> None:
        """One more session."""
        failed = outcome.verdict == "fail"
        begun, over = round(outcome.place.began * 1000), round(outcome.ended * 1000)
        self._fit(max([over // _MINUTE_MS, *(each.at for each in outcome.minutes)]))
        long = self.minutes * _MINUTE_MS
        for at in range(begun // long, over // long + 1):
            part = min(over, (at + 1) * long) - max(begun, at * long)
            self._row(at * self.minutes).played += part
        ended = self._row(over // _MINUTE_MS)
        ended.ended += 1
        ended.failed += failed
        for each in outcome.outages:
            row = self._row(int(each.at // _MINUTE))
            row.reconnects += each.down is not None
            if each.recover is not None:
                row.measures["recover"].add([each.recover])
        for window in outcome.windows:
            self._row(int(window.begun // _MINUTE)).faults += 1
        for minute in outcome.minutes:
            measures = self._row(minute.at).measures
            clear = minute.undisturbed if outcome.outages else minute.latency
            _merge(measures, minute.latency, "")
            _merge(measures, clear, "clear_")

    def merge(self, other: Rows) -> None:
        """All of another."""
        self._fit(max(other._rows, default=0) * other.minutes)
        self._widen(other.minutes)
        for at, row in other.rows:
            self._row(at).merge(row)

    def _row(self, minute: int) -> Stretch:
        return self._rows.setdefault(minute // self.minutes, Stretch())

    def _fit(self, minute: int) -> None:
        width = self.minutes
        while minute // width >= MOST:
            width *= 2
        self._widen(width)

    def _widen(self, minutes: int) -> None:
        if minutes <= self.minutes:
            return
        before, self._rows, self.minutes = self.rows, {}, minutes
        for at, row in before:
            self._row(at).merge(row)


def _merge(into: dict[str, Histogram], several: dict[str, Encoded], prefix: str) -> None:
    for name, each in several.items():
        into[prefix + name].merge(Histogram.decoded(each))


def middle(
    rows: Iterable[tuple[int, Stretch]], minutes: int, name: str
) -> tuple[list[float], list[float]]:
    """When each stretch lay, in seconds, and its median of a measure, where there are enough."""
    found = [
        ((at + minutes / 2) * _MINUTE, row.measures[name].quantile(0.5))
        for at, row in rows
        if row.measures[name].n >= _ENOUGH
    ]
    known = [(at, value) for at, value in found if value is not None]
    return [at for at, _ in known], [value for _, value in known]
