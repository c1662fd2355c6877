"""Figures as people and lines of text have them: one way of writing each, in every report."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import UNSET

from replay.compare.changes import Change
from replay.statistics import QUANTILES, RULE, Distribution

#: What stands where there is no figure.
NONE = "–"


def number(value: float | str | None) -> str:
    """A value as it stands in a line."""
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def ms(value: float | None) -> str:
    """Milliseconds as they stand in a table."""
    return NONE if value is None else f"{value:,.0f}" if abs(value) >= 10 else f"{value:.1f}"


def fine(value: float | None) -> str:
    """Milliseconds where their hundredths matter."""
    return NONE if value is None else f"{value:.2f}"


def share(value: float | None) -> str:
    """A ratio in per cent."""
    return NONE if value is None else f"{value:.1%}"


def figure_line(dist: Distribution) -> str:
    """A distribution as `figure=value` pairs."""
    return " ".join(
        f"{k}={_figure(v)}" for k, v in msgspec.structs.asdict(dist).items() if v is not UNSET
    )


def _figure(value: float | dict[str, float] | None) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}:{number(each)}" for name, each in value.items())
    return number(value)


def count(dist: Distribution) -> str:
    """How many values, and how many of them never came."""
    return f"{dist.n} ({dist.censored} never)" if dist.censored else str(dist.n)


def cell(dist: Distribution, statistic: str) -> str:
    """One figure of a distribution in ms; its lower bound where what never came decides it."""
    value: float | None = getattr(dist, statistic)
    bound = None if dist.at_least is UNSET else dist.at_least.get(statistic)
    return f"≥{ms(bound)}" if value is None and bound is not None else ms(value)


def rule(dists: Iterable[Distribution]) -> str:
    """The percentile rule, and how to read what stands in place of a figure in these."""
    every = list(dists)
    needed = {
        name: n for each in every if each.needed is not UNSET for name, n in each.needed.items()
    }
    text = f"percentiles: {RULE}"
    if needed:
        takes = ", ".join(f"{name} {needed[name]}" for name in QUANTILES if name in needed)
        text += f"; {NONE} takes more values: {takes}"
    if any(each.at_least is not UNSET for each in every):
        text += "; ≥ is decided by what never came"
    return text


def of_change(each: Change, value: float, sign: str = "") -> str:
    """A value of a change, in its unit; `sign` "+" where the direction is to be seen."""
    if each.unit == "ratio":
        return f"{value:{sign}.1%}"
    return f"{value:{sign},.1f}" if abs(value) < 100 else f"{value:{sign},.0f}"
