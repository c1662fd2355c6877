"""Rows of bars: words taken apart into steps, changes with their intervals, recordings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from replay.catalogue import CATALOGUE
from replay.charts import forest as charts
from replay.charts.falls import Fall
from replay.charts.recordings import Difference
from replay.compare.changes import Change
from replay.report.numbers import ms
from replay.report.page.axes import Axis, Tick, clock, linear
from replay.report.page.cells import plural
from replay.statistics import Distribution
from replay.waterfall import STEPS

TITLES = {
    "rest": "rest of the utterance",
    "frame": "waiting for the frame",
    "uplink": "uplink",
    "endpointing": "endpointing",
    "decoding": "decoding",
    "downlink": "downlink",
}
#: Borders of these steps are the service's stamps, put beside our clock.
ESTIMATED = ("uplink", "endpointing", "decoding", "downlink")
#: An interval that reaches further than this many times the middle one runs off the axis.
_FAR = 4.0


@dataclass(frozen=True, slots=True)
class Segment:
    """From `begin` to `end`, 0 to 1; `back`: it runs backwards, since its step is negative."""

    begin: float
    end: float
    kind: str
    title: str
    back: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """`note`: where and when; `value`: its whole length."""

    label: str
    note: str
    value: str
    segments: list[Segment]


@dataclass(frozen=True, slots=True)
class Bars:
    ticks: Sequence[Tick]
    rows: list[Bar]


def falls(found: Sequence[tuple[int, Fall]], names: Sequence[str]) -> tuple[Bars, Bars]:
    """The slowest words, and the others, both on one axis. `names`: of the runs, by their numbers;
    empty of a single one."""
    reach = [end for _, each in found for end in (*_borders(each.took), 0.0)]
    axis = linear(min(reach, default=0.0), max(reach, default=1.0))
    parts = [[pair for pair in found if pair[1].slow is slow] for slow in (True, False)]
    slow, others = (
        Bars(axis.ticks(), [_fall(axis, each, names[run] if names else "") for run, each in part])
        for part in parts
    )
    return slow, others


def _fall(axis: Axis, each: Fall, name: str) -> Bar:
    return Bar(
        label=each.word,
        note=f"{clock(each.at)} {name}",
        value=ms(each.total),
        segments=_segments(axis, each.took),
    )


def medians(figures: Iterable[tuple[str, Distribution]]) -> Bars:
    """The steps' medians, one after the other."""
    took = dict(figures)
    values = [took[name].p50 if name in took else None for name in STEPS]
    axis = linear(min([*_borders(values), 0.0]), max([*_borders(values), 1.0]))
    bar = Bar("median of each step", "", "", _segments(axis, values))
    return Bars(axis.ticks(), [bar])


def _borders(took: Sequence[float | None]) -> list[float]:
    ends, sum_ = [], 0.0
    for each in took:
        sum_ += each or 0.0
        ends.append(sum_)
    return ends


def _segments(axis: Axis, took: Sequence[float | None]) -> list[Segment]:
    found = []
    for name, each, end in zip(STEPS, took, _borders(took), strict=True):
        if each is None:
            continue
        low, high = sorted((end - each, end))
        title = f"{TITLES[name]}: {ms(each)} ms"
        found.append(Segment(axis.at(low), axis.at(high), name, title, back=each < 0))
    return found


# ------------------------------------------------------------------ changes


@dataclass(frozen=True, slots=True)
class Interval:
    """One change on its axis, 0 to 1.

    noise: the inner part of the interval. least: around zero, what is too little to matter.
    detectable: on both sides of zero, as far as the axis goes. off: where the change runs off the
    axis: "", "low", "high".
    """

    label: str
    name: str
    verdict: str
    decides: bool
    at: float
    low: float
    high: float
    noise: tuple[float, float]
    least: tuple[float, float]
    detectable: list[float]
    limits: list[float]
    off: str
    base: str
    new: str
    change: str
    interval: str
    could_find: str
    pairs: str


@dataclass(frozen=True, slots=True)
class Intervals:
    title: str
    unit: str
    zero: float
    ticks: Sequence[Tick]
    rows: list[Interval]


def intervals(title: str, rows: Sequence[charts.Row]) -> list[Intervals]:
    """Changes on one axis each for times and for ratios."""
    found = []
    for unit in ("ms", "ratio"):
        mine = [row for row in rows if row.change.unit == unit]
        if mine:
            axis = _common(mine)
            found.append(
                Intervals(
                    title=title,
                    unit="ms" if unit == "ms" else "percentage points",
                    zero=axis.at(0.0),
                    ticks=axis.ticks(5) if unit == "ms" else _points(axis),
                    rows=[_interval(row, axis) for row in mine],
                )
            )
    return found


def _points(axis: Axis) -> list[Tick]:
    hundred = Axis(axis.low * 100, axis.high * 100)
    return hundred.ticks(5)


def _common(rows: Sequence[charts.Row]) -> Axis:
    """All of most rows, with zero; a row that is far out of them does not squeeze the others."""
    reach = sorted(max(abs(row.change.low), abs(row.change.high)) for row in rows)
    far = _FAR * reach[len(reach) // 2] if len(reach) > 2 else reach[-1]
    far = max(far, 2 * min(row.least for row in rows))
    kept = [row.change for row in rows if max(abs(row.change.low), abs(row.change.high)) <= far]
    spans = [each for change in kept for each in (change.low, change.high)]
    spans += [side * row.least * 1.5 for row in rows for side in (-1, 1) if row.least <= far]
    low, high = min([0.0, *spans]), max([0.0, *spans])
    room = 0.06 * (high - low)
    return linear(low - room, high + room)


def _interval(row: charts.Row, axis: Axis) -> Interval:
    change = row.change

    def around(size: float, middle: float = 0.0) -> tuple[float, float]:
        return _held(axis.at(middle - size)), _held(axis.at(middle + size))

    off = "low" if axis.at(change.change) < 0 else "high" if axis.at(change.change) > 1 else ""
    return Interval(
        label=CATALOGUE[change.figure].title,
        name=f"{change.figure}.{change.statistic}" if change.statistic else change.figure,
        verdict=change.verdict,
        decides=row.decides,
        at=_held(axis.at(change.change)),
        low=_held(axis.at(change.low)),
        high=_held(axis.at(change.high)),
        noise=around(change.noise, change.change),
        least=around(row.least),
        detectable=[
            axis.at(each) for each in (-change.detectable, change.detectable) if axis.inside(each)
        ],
        limits=[axis.at(each) for each in row.limits if axis.inside(each)],
        off=off,
        base=_value(change, change.base),
        new=_value(change, change.new),
        change=_value(change, change.change, "+") + _share(change),
        interval=f"{_value(change, change.low, '+')} to {_value(change, change.high, '+')}",
        could_find=_value(change, change.detectable, "+").lstrip("+"),
        pairs=_pairs(change),
    )


def _held(at: float) -> float:
    return min(max(at, 0.0), 1.0)


def _value(change: Change, value: float, sign: str = "") -> str:
    if change.unit == "ratio":
        return f"{value * 100:{sign}.1f} points" if sign else f"{value:.1%}"
    return f"{value:{sign},.1f} ms" if abs(value) < 1000 else f"{value:{sign},.0f} ms"


def _share(change: Change) -> str:
    known = change.change_share is not None and change.unit == "ms"
    return f" ({change.change_share:+.1%})" if known else ""


def _pairs(change: Change) -> str:
    alone = f", {change.unpaired} on one side only" if change.unpaired else ""
    return f"{plural(change.pairs, 'pair')} in {plural(change.clusters, 'cluster')}{alone}"


# ------------------------------------------------------------------ recordings


@dataclass(frozen=True, slots=True)
class Moved:
    """Paired differences of one recording on the axis."""

    label: str
    low: float
    at: float
    high: float
    value: str
    spread: str
    n: str


@dataclass(frozen=True, slots=True)
class Moves:
    measure: str
    zero: float
    ticks: Sequence[Tick]
    rows: list[Moved]


def moves(measure: str, found: Sequence[Difference], names: Mapping[str, str]) -> Moves:
    """`names`: of recordings, by what they go by in a comparison."""
    spans = [each for one in found for each in (one.p10, one.p90)]
    low, high = min([0.0, *spans]), max([0.0, *spans])
    room = 0.06 * (high - low)
    axis = linear(low - room, high + room)
    return Moves(
        measure=CATALOGUE[measure].title,
        zero=axis.at(0.0),
        ticks=axis.ticks(5),
        rows=[
            Moved(
                label=names.get(each.recording, each.recording[:12]),
                low=axis.at(each.p10),
                at=axis.at(each.p50),
                high=axis.at(each.p90),
                value=f"{each.p50:+,.1f} ms",
                spread=f"{each.p10:+,.1f} to {each.p90:+,.1f}",
                n=f"{each.n:,}",
            )
            for each in found
        ],
    )
