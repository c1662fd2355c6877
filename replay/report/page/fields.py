"""Plots as fields: what is drawn where, in the two units that let a picture fit any width.

Across, everything is a share of the width; down, it is in pixels. Lines are paths in a box of
`WIDE` by the height, which is stretched to the page; text and strokes are not stretched with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from replay.charts.curves import Curve
from replay.report.page.axes import Axis, Tick

WIDE = 1000


@dataclass(frozen=True, slots=True)
class Path:
    """`kind`: its classes; `label`: what it is, for the read-out under the plot."""

    d: str
    kind: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """Text at a place; `at`: 0 to 1 across; `y`: pixels; `anchor`: start, middle, end."""

    at: float
    y: float
    text: str
    anchor: str = "start"
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Dot:
    at: float
    y: float
    kind: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Band:
    """A shaded stretch, `begin` to `end` across, over the whole height; `text` is at its top."""

    begin: float
    end: float
    kind: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """Attributes:
    title: what it shows, for those who do not see it.
    x, y: ticks; of y from the top down, 0 to 1.
    unit: of the values across, for the read-out; "" for none.
    axis: across; `upward`: down, for a read-out of its values, where there is one.
    """

    title: str
    height: int
    x: Sequence[Tick]
    y: Sequence[Tick]
    axis: Axis
    across: str = ""
    down: str = ""
    kind: str = ""
    paths: list[Path] = field(default_factory=list)
    bands: list[Band] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    upward: Axis | None = None


def steps(curve: Curve, axis: Axis, height: int) -> str:
    """The path of a curve, from the left edge to the right one."""
    return _stairs(curve.x, curve.share, axis, height)


def band(curve: Curve, axis: Axis, height: int) -> str:
    """The area between the least and the most that a curve can be; empty where they are one."""
    if curve.most == curve.share:
        return ""
    upper = _corners(curve.x, curve.most, axis, height)
    lower = _corners(curve.x, curve.share, axis, height)
    return _line([*upper, *reversed(lower)]) + "Z"


def dots(across: Iterable[float], down: Iterable[float], height: int) -> str:
    """Points as one path of strokes without length, and no two at the same half pixel."""
    seen = dict.fromkeys(
        (round(x * WIDE), round(y * height * 2) / 2)
        for x, y in zip(across, down, strict=True)
        if 0 <= x <= 1 and 0 <= y <= 1
    )
    return "".join(f"M{x} {y:g}h0" for x, y in seen)


def line(across: Iterable[float], down: Iterable[float], height: int) -> str:
    """A line through points, 0 to 1."""
    return _line(
        [(x * WIDE, y * height) for x, y in zip(across, down, strict=True)],
    )


def _stairs(x: Sequence[float], share: Sequence[float], axis: Axis, height: int) -> str:
    return _line(_corners(x, share, axis, height))


def _corners(
    x: Sequence[float], share: Sequence[float], axis: Axis, height: int
) -> list[tuple[float, float]]:
    level = 0.0
    found: list[tuple[float, float]] = []
    left = True
    for value, reached in zip(x, share, strict=True):
        at = axis.at(value)
        if at > 1:
            break
        if at >= 0:
            if left:
                found.append((0.0, (1 - level) * height))
                left = False
            found += [(at * WIDE, (1 - level) * height), (at * WIDE, (1 - reached) * height)]
        level = reached
    if left:
        found.append((0.0, (1 - level) * height))
    found.append((float(WIDE), (1 - level) * height))
    return found


def _line(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.4g} {y:.4g}" for x, y in points)
