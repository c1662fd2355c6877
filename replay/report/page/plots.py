"""Curves, courses and rounds as fields."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from replay.charts.course import Course, Round
from replay.charts.curves import Curve
from replay.charts.shades import Shade
from replay.report.numbers import ms
from replay.report.page import cells, fields
from replay.report.page.axes import Axis, Tick, close, level, linear, logarithmic
from replay.report.page.cells import Row
from replay.report.page.fields import Band, Dot, Field, Label, Path
from replay.statistics import QUANTILES, Floats

_CURVES, _COURSE, _ROUNDS = 230, 240, 200
#: More points than this are drawn finer.
_MANY = 1500
_MARKED = ("p50", "p95", "p99")
_SHARES = tuple(Tick(1 - share / 4, f"{share * 25} %") for share in range(5))


@dataclass(frozen=True, slots=True)
class Side:
    """One side's sample of a measure. `send`: None where only the plan's is known."""

    label: str
    plan: Curve
    send: Curve | None = None


@dataclass(frozen=True, slots=True)
class Tab:
    """One measure. `notes`: what has to be known to read its plots."""

    name: str
    title: str
    linear: Field
    log: Field | None
    rows: list[Row]
    notes: list[str]


# ------------------------------------------------------------------ distributions


def tab(name: str, title: str, sides: Sequence[Side]) -> Tab:
    """The curves of a measure; `sides` has at least one value in it."""
    curves = [curve for _, _, curve in _each(sides)]
    values = [value for curve in curves for value in (curve.x[:1] + curve.x[-1:])]
    positive = [value for curve in curves for value in curve.x if value > 0]
    plot = _curves(title, sides, close(min(values), max(values)))
    logged = logarithmic(min(positive), max(positive)) if positive else None
    return Tab(
        name=name,
        title=title,
        linear=plot,
        log=None if logged is None else _curves(title, sides, logged),
        rows=[cells.row(label, curve.distribution) for label, _, curve in _each(sides)],
        notes=list(_curve_notes(sides)),
    )


def _each(sides: Sequence[Side]) -> Iterator[tuple[str, str, Curve]]:
    """Label, classes and curve of all that is drawn."""
    for number, side in enumerate(sides, 1):
        lead = f"{side.label}, " if len(sides) > 1 else ""
        yield f"{lead}from plan", f"side-{number} plan", side.plan
        if side.send is not None:
            yield f"{lead}from send", f"side-{number} send", side.send


def _curves(title: str, sides: Sequence[Side], axis: Axis) -> Field:
    drawn = Field(
        title=f"Share of all values at or below a latency: {title}",
        height=_CURVES,
        x=axis.ticks(),
        y=_SHARES,
        axis=axis,
        across="ms, logarithmic" if axis.log else "ms",
        kind="curves",
    )
    for label, kind, curve in reversed(list(_each(sides))):
        if area := fields.band(curve, axis, _CURVES):
            drawn.paths.append(Path(area, f"unsure {kind}"))
        drawn.paths.append(Path(fields.steps(curve, axis, _CURVES), f"curve {kind}", label))
    for number, side in enumerate(sides, 1):
        _mark(drawn, side.plan, number, written=len(sides) == 1)
    return drawn


def _mark(drawn: Field, curve: Curve, number: int, *, written: bool) -> None:
    """The percentiles that the sample carries, as points on its curve."""
    for name in _MARKED:
        value = getattr(curve.distribution, name)
        if value is None or not drawn.axis.inside(value):
            continue
        at, y = drawn.axis.at(value), (1 - QUANTILES[name]) * _CURVES
        text = f"{name} {ms(value)} ms"
        drawn.dots.append(Dot(at, y, f"mark side-{number}", text))
        if written:
            end = at > 0.7
            lift = -6.0 if name == "p99" else 15.0
            drawn.labels.append(
                Label(at + (-0.01 if end else 0.01), y + lift, text, "end" if end else "start")
            )


def _curve_notes(sides: Sequence[Side]) -> Iterator[str]:
    for side in sides:
        lead = f"{side.label}: " if len(sides) > 1 else ""
        curve = side.plan
        if curve.negative:
            yield (
                f"{lead}{cells.plural(curve.negative, 'value')} below zero: told before the word "
                "had ended. They are in the curve; a logarithmic axis cannot show them."
            )
        if curve.distribution.censored:
            yield (
                f"{lead}{curve.distribution.censored:,} never came. They count in n; the shaded "
                "area is where the curve may run if they had come after what they were waited for."
            )


# ------------------------------------------------------------------ along a session


def course_field(found: Course, *, log: bool = False) -> Field | None:
    """First and final latency of each word along the session; None without any word."""
    known = np.concatenate((found.first, found.final))
    known = known[~np.isnan(known)]
    if log:
        known = known[known > 0]
    if not len(known):
        return None
    low, high = float(known.min()), float(known.max())
    down = logarithmic(low, high) if log else linear(min(low, 0.0), high)
    across = Axis(0.0, max(found.over, 1.0))
    drawn = Field(
        title="Latency of each word from the plan, along the session",
        height=_COURSE,
        x=across.clock_ticks(),
        y=_upward(down),
        axis=across,
        across="where the word ends, from the beginning of the session",
        down="ms",
        kind="course",
        bands=list(bands(found.shades, across)),
    )
    where = [across.at(each) for each in found.at]
    for values, kind, label in ((found.final, "final", "final"), (found.first, "first", "shown")):
        path = fields.dots(where, _heights(values, down), _COURSE)
        many = " many" if len(known) > _MANY else ""
        drawn.paths.append(Path(path, f"points {kind}{many}", label))
        column = 1 if kind == "first" else 2
        trend = [where for where in found.trend if not np.isnan(where[column])]
        if trend:
            along = fields.line(
                [across.at(float(each[0])) for each in trend],
                [1 - down.at(float(each[column])) for each in trend],
                _COURSE,
            )
            drawn.paths.append(Path(along, f"trend {kind}"))
    return drawn


def _heights(values: Floats, down: Axis) -> list[float]:
    """From the top, 0 to 1; off the field for what is not there."""
    return [-1.0 if math.isnan(each) else 1 - down.at(float(each)) for each in values]


def _upward(axis: Axis) -> list[Tick]:
    return [Tick(1 - tick.at, tick.label) for tick in axis.ticks(5)]


def bands(shades: Iterable[Shade], across: Axis) -> Iterator[Band]:
    """Outages as stretches, faults as stretches or lines."""
    for each in shades:
        begin, end = across.at(each.begun), across.at(each.over)
        if end >= 0 and begin <= 1:
            yield Band(max(begin, 0.0), min(end, 1.0), each.kind, each.text)


# ------------------------------------------------------------------ from round to round


def rounds_field(title: str, sides: Sequence[tuple[str, Sequence[Round]]]) -> Field | None:
    """The median of each session, round by round, and of all of a round together."""
    numbers = sorted({each.number for _, rounds in sides for each in rounds})
    values = [one.p50 for _, rounds in sides for each in rounds for one in each.sessions]
    if not values:
        return None
    down = level(values)
    across = Axis(-0.5, len(numbers) - 0.5)
    places = {number: across.at(k) for k, number in enumerate(numbers)}
    drawn = Field(
        title=f"Median of each session, round by round: {title}",
        height=_ROUNDS,
        x=[Tick(places[k], f"{k}" if k > 0 else f"w{1 - k}") for k in numbers],
        y=_upward(down),
        axis=across,
        across="round; w: warm-up, played and not counted",
        down="ms",
        kind="rounds",
        bands=list(_warm_ups(sides, places, across)),
    )
    for side, (label, rounds) in enumerate(sides, 1):
        _rounds(drawn, rounds, places, down, (label, side, len(sides)))
    return drawn


def _rounds(
    drawn: Field,
    rounds: Sequence[Round],
    places: dict[int, float],
    down: Axis,
    which: tuple[str, int, int],
) -> None:
    label, side, sides = which
    # Sides stand beside each other within a round.
    shift = (side - (sides + 1) / 2) * 0.22 / max(len(places), 1)
    for each in rounds:
        at = places[each.number] + shift
        for one in each.sessions:
            kind = f"session side-{side}" + ("" if each.counts else " warm-up")
            title = f"{label} {one.recording}: {ms(one.p50)} ms, n = {one.n}"
            drawn.dots.append(Dot(at, (1 - down.at(one.p50)) * _ROUNDS, kind, title))
    counted = [each for each in rounds if each.counts and each.p50 is not None]
    along = fields.line(
        [places[each.number] + shift for each in counted],
        [1 - down.at(each.p50 or 0.0) for each in counted],
        _ROUNDS,
    )
    drawn.paths.append(Path(along, f"middle side-{side}", label))


def _warm_ups(
    sides: Sequence[tuple[str, Sequence[Round]]], places: dict[int, float], across: Axis
) -> Iterator[Band]:
    half = 0.5 / (across.high - across.low)
    warm = sorted({each.number for _, rounds in sides for each in rounds if not each.counts})
    for number in warm:
        yield Band(places[number] - half, places[number] + half, "warm-up", "not counted")
