"""Conditions on figures, as they are written: `word_final.p50 > +8%`, `final.p95 < 800ms`.

    FIGURE[.STATISTIC] OPERATOR [+|-]NUMBER[UNIT]

A number with a sign is a change from a baseline, in per cent of it or in the figure's own unit; one
without is the figure itself.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from replay import units
from replay.catalogue import CATALOGUE, STATISTICS, Figure
from replay.errors import ConditionError

_FORM = re.compile(
    r"\s*(?P<name>[A-Za-z_][\w.]*)\s*(?P<op><=|>=|==|!=|<|>)\s*(?P<sign>[+-]?)\s*"
    r"(?P<number>\d+(?:\.\d*)?|\.\d+)\s*(?P<unit>%|[A-Za-z]*)\s*"
)
_HOW = "write FIGURE.STATISTIC OPERATOR VALUE, such as word_final.p50 > +8% or final.p95 < 800ms"

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """Attributes:
    text: as it was written.
    statistic: empty for a figure that is one number.
    value: in the figure's unit; with `percent` a share of the baseline.
    relative: it is a change from a baseline; `percent`: as a share of it.
    """

    text: str
    figure: Figure
    statistic: str
    operator: str
    value: float
    relative: bool = False
    percent: bool = False

    @property
    def name(self) -> str:
        """The figure with its statistic."""
        return f"{self.figure.name}.{self.statistic}" if self.statistic else self.figure.name

    def holds(self, measured: float) -> bool:
        """Of a measured figure, or of a change when it is relative."""
        return OPERATORS[self.operator](measured, self.value)


def parse_condition(text: str, figures: Mapping[str, Figure] = CATALOGUE) -> Condition:
    """Read a condition on one of `figures`.

    Raises:
        ConditionError: it cannot be read; the message says what would be.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ConditionError(f"condition {text!r} cannot be read: {_HOW}")
    name, _, statistic = match["name"].partition(".")
    figure = _figure(text, name, figures)
    _check_statistic(text, figure, statistic)
    relative = bool(match["sign"])
    if relative and match["op"] in ("==", "!="):
        raise ConditionError(f"condition {text!r}: a change is held against <, <=, > or >=")
    if relative and statistic not in figure.changes:
        what = ", ".join(f"{figure.name}.{each}".rstrip(".") for each in figure.changes)
        told = f"of it only {what}" if what else "none of it"
        raise ConditionError(f"condition {text!r}: changes are told of pairs, {told}")
    percent = match["unit"] == "%" and relative
    counted = statistic in ("n", "censored")
    value = _value(text, figure, match["number"], match["unit"], percent=percent, counted=counted)
    return Condition(
        text=text.strip(),
        figure=figure,
        statistic=statistic,
        operator=match["op"],
        value=-value if match["sign"] == "-" else value,
        relative=relative,
        percent=percent,
    )


def _figure(text: str, name: str, figures: Mapping[str, Figure]) -> Figure:
    figure = figures.get(name)
    if figure is None:
        near = get_close_matches(name, figures, n=3)
        known = f"did you mean {' or '.join(near)}?" if near else f"use {', '.join(figures)}"
        raise ConditionError(f"condition {text!r}: there is no figure {name!r}; {known}")
    return figure


def _check_statistic(text: str, figure: Figure, statistic: str) -> None:
    if figure.single and statistic:
        raise ConditionError(f"condition {text!r}: {figure.name} is one number, without a dot")
    if not figure.single and statistic not in STATISTICS:
        what = f"has no {statistic!r}" if statistic else "is a distribution"
        options = ", ".join(f"{figure.name}.{each}" for each in STATISTICS)
        raise ConditionError(f"condition {text!r}: {figure.name} {what}; use {options}")


def _value(
    text: str, figure: Figure, number: str, unit: str, *, percent: bool, counted: bool
) -> float:
    if percent:
        return float(number) / 100
    try:
        if counted or figure.unit == "count":
            if unit:
                raise ValueError(f"{number}{unit!r} is no count: write a number")
            return float(number)
        if figure.unit == "ratio":
            return _ratio(number, unit)
        if figure.unit == "bytes":
            return float(units.size(number + unit))
        if not unit:
            raise ValueError(f"{number} has no unit: write {number}ms or {number}s")
        return float(units.duration(number + unit) * 1000)
    except ValueError as error:
        raise ConditionError(f"condition {text!r}: {error}") from None


def _ratio(number: str, unit: str) -> float:
    if unit not in ("", "%"):
        raise ValueError(f"{number}{unit} is no ratio: write 0.05 or 5%")
    return float(number) / (100 if unit else 1)
