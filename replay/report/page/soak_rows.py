"""Rows of a soak's page: what recoveries are made of, and slopes against what is borne."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from replay.charts import soak as charts
from replay.endurance.summary import SoakSummary
from replay.endurance.trend import Trend
from replay.report.numbers import ms
from replay.report.page.axes import Axis, Tick, linear
from replay.report.page.bars import Bar, Bars, Segment
from replay.report.page.cells import plural
from replay.report.soak_words import STEPS, TRENDS, interval, kind, slope

#: An interval that reaches further than this many times what is borne runs off the axis.
_FAR = 3.0
_KIB = 1024


def budget(summary: SoakSummary) -> Bars | None:
    """The medians of the steps of a recovery, by the kind of fault."""
    made = [(each, charts.budget(each)) for each in summary.recoveries]
    made = [(each, steps) for each, steps in made if steps]
    if not made:
        return None
    axis = linear(0.0, max(until for _, steps in made for *_, until in steps) or 1.0)
    rows = [
        Bar(
            label=kind(each.kind),
            note=plural(each.outages, "loss", "losses"),
            value=ms(steps[-1][2]),
            segments=[
                Segment(
                    axis.at(begun),
                    axis.at(until),
                    f"step-{name}",
                    f"{STEPS[name]}: {ms(getattr(each, name).p50)} ms",
                )
                for name, begun, until in steps
            ],
        )
        for each, steps in made
    ]
    return Bars(axis.ticks(), rows)


# ------------------------------------------------------------------ slopes


@dataclass(frozen=True, slots=True)
class Slope:
    """One trend on its axis, 0 to 1; `open_low`, `open_high`: the interval goes on beyond it."""

    label: str
    state: str
    at: float | None
    low: float
    high: float
    open_low: bool
    open_high: bool
    slope: str
    interval: str
    told: str
    why: str


@dataclass(frozen=True, slots=True)
class Slopes:
    """Trends on one axis. `borne`: the band of what is borne; None where each has its own."""

    title: str
    unit: str
    opened: bool
    zero: float
    borne: tuple[float, float] | None
    ticks: Sequence[Tick]
    rows: list[Slope]


def slopes(summary: SoakSummary) -> list[Slopes]:
    """Memory; files, threads and tasks; latency and recovery."""
    memory = [each for each in summary.trends if each.of == "rss"]
    counts = [each for each in summary.trends if each.of != "rss"]
    times = summary.drifts
    made = (
        ("Memory, a reconnection", "KiB a reconnection", memory, _KIB, True),
        ("Files, threads and tasks, a reconnection", "a reconnection", counts, 1, False),
        ("Latency and recovery, an hour", "ms an hour", times, 1, True),
    )
    return [
        _slopes(title, unit, trends, scale, opened=opened or not _flat(trends))
        for title, unit, trends, scale, opened in made
        if trends
    ]


def _flat(trends: Sequence[Trend]) -> bool:
    return all(each.state == "flat" for each in trends)


def _slopes(
    title: str, unit: str, trends: Sequence[Trend], scale: float, *, opened: bool
) -> Slopes:
    axis = _axis(trends, scale)
    bounds = {each.bound for each in trends}
    alike = len(bounds) == 1
    borne = min(bounds) / scale
    return Slopes(
        title=title,
        unit=unit,
        opened=opened,
        zero=axis.at(0.0),
        borne=(0.0, _held(axis.at(borne))) if alike else None,
        ticks=axis.ticks(5),
        rows=[_slope(each, axis, scale) for each in _ordered(trends)],
    )


def _ordered(trends: Sequence[Trend]) -> list[Trend]:
    return sorted(trends, key=lambda each: ("grows", "unknown", "flat").index(each.state))


def _axis(trends: Sequence[Trend], scale: float) -> Axis:
    """Around zero and what is borne, and as far as slopes and most intervals reach."""
    borne = max(each.bound for each in trends)
    middles = [each.slope for each in trends if each.slope is not None]
    far = _FAR * max([borne, *(abs(each) for each in middles)])
    ends = [
        end
        for each in trends
        for end in (each.low, each.high)
        if end is not None and abs(end) <= far
    ]
    values = [0.0, borne * 1.15, *middles, *ends]
    low, high = min(values) / scale, max(values) / scale
    room = 0.05 * (high - low)
    return linear(low - room, high + room)


def _slope(trend: Trend, axis: Axis, scale: float) -> Slope:
    low = 0.0 if trend.low is None else axis.at(trend.low / scale)
    high = 1.0 if trend.high is None else axis.at(trend.high / scale)
    return Slope(
        label=f"{trend.who} {TRENDS[trend.of]}".strip(),
        state=trend.state,
        at=None if trend.slope is None else axis.at(trend.slope / scale),
        low=_held(low),
        high=_held(high),
        open_low=low < 0 or trend.low is None,
        open_high=high > 1 or trend.high is None,
        slope=slope(trend, trend.slope),
        interval=interval(trend),
        told=f"borne {slope(trend, trend.bound, '')}; {plural(trend.n, 'value')}",
        why=trend.why,
    )


def _held(at: float) -> float:
    return min(max(at, 0.0), 1.0)


def steps_of(bars: Bars | None) -> Iterator[tuple[str, str]]:
    """The steps that are drawn, for the key: class and name."""
    kinds = {each.kind for row in bars.rows for each in row.segments} if bars else set()
    return ((f"step-{name}", STEPS[name]) for name in charts.BUDGET if f"step-{name}" in kinds)
