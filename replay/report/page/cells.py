"""Figures as they stand in a page: with their unit, and where there is none, why not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec import UNSET

from replay.report.numbers import NONE, ms
from replay.statistics import Distribution

STATISTICS = ("min", "p50", "p90", "p95", "p99", "max")


@dataclass(frozen=True, slots=True)
class Cell:
    """`kind`: "" for a figure, `bound` for a lower bound of one, `need` for none; `title`: more."""

    text: str
    kind: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    label: str
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Fact:
    """`kind`: how it is to be taken: good, bad, doubt, or nothing of these."""

    label: str
    value: str
    note: str = ""
    kind: str = ""


def count(dist: Distribution) -> Cell:
    """How many values there are, and how many of them never came."""
    if not dist.censored:
        return Cell(f"{dist.n:,}")
    title = "counted, but they never came: only a lower bound of each is known"
    return Cell(f"{dist.n:,} ({dist.censored:,} never came)", title=title)


def statistic(dist: Distribution, name: str, *, estimated: bool = False) -> Cell:
    """One figure of a distribution, or what keeps it from being one."""
    value = getattr(dist, name)
    if value is not None:
        if round(value, 1) >= 0:
            return Cell(ms(abs(value)))
        if estimated:
            return Cell(ms(value), "", "negative, as an estimate near zero may be")
        return Cell(ms(value), "early", "negative: it came before what it is counted from")
    if dist.at_least is not UNSET and name in dist.at_least:
        title = "decided by what never came: it is at least this"
        return Cell(f"≥ {ms(dist.at_least[name])}", "bound", title)
    if dist.needed is not UNSET and name in dist.needed:
        needed = dist.needed[name]
        return Cell(f"n ≥ {needed}", "need", f"{name} takes {needed} values, there are {dist.n}")
    return Cell(NONE, "need")


def row(label: str, dist: Distribution, *, estimated: bool = False) -> Row:
    """The whole distribution."""
    figures = [statistic(dist, name, estimated=estimated) for name in STATISTICS]
    return Row(label, [count(dist), *figures])


def short(dist: Distribution, names: Iterable[str] = ("p50", "p95")) -> str:
    """A few figures in a line: `p50 185 ms, p95 2,253 ms`."""
    cells = ((name, statistic(dist, name)) for name in names)
    return ", ".join(
        f"{name} takes {cell.text}" if cell.kind == "need" else f"{name} {cell.text} ms"
        for name, cell in cells
    )


def percent(value: float | None, digits: int = 1) -> str:
    return NONE if value is None else f"{value:.{digits}%}"


def plural(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"
