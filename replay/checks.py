"""Conditions held against figures: pass, fail, or unknown where the figure is not known."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct

from replay.conditions import Condition
from replay.figures import Figures
from replay.statistics import Distribution

State = Literal["pass", "fail", "unknown"]


class Checked(Struct, kw_only=True):
    """What came of a condition. `measured`: what it was held against, in the figure's unit, or the
    change as a share of the baseline where the condition names one; `why`: what decides, in words.
    """

    text: str
    figure: str
    statistic: str
    state: State
    measured: float | None = None
    why: str = ""


def check(condition: Condition, figures: Figures) -> Checked:
    """Hold a condition that must be true against figures. One that is missing is never a pass."""
    figure = figures.get(condition.figure.name)
    if isinstance(figure, Distribution):
        measured, bound, why = _of(figure, condition.statistic)
    else:
        measured, bound, why = figure, None, "not measured"
    found = Checked(
        text=condition.text,
        figure=condition.figure.name,
        statistic=condition.statistic,
        state="unknown",
        measured=measured,
    )
    if measured is not None:
        found.state = "pass" if condition.holds(measured) else "fail"
    elif bound is not None and _decided(condition, bound):
        found.state = "pass" if condition.holds(bound) else "fail"
        found.measured, found.why = bound, "at least this: something never came"
    else:
        found.why = why
    return found


def _decided(condition: Condition, bound: float) -> bool:
    """Does "at least `bound`" say enough, whatever it would have come to?"""
    if condition.operator in ("<", "<="):
        return not condition.holds(bound)
    return condition.operator in (">", ">=") and condition.holds(bound)


def _of(figure: Distribution, statistic: str) -> tuple[float | None, float | None, str]:
    """The statistic, else a lower bound if there is one, else why there is none."""
    value: float | None = getattr(figure, statistic)
    bound = None if figure.at_least is UNSET else figure.at_least.get(statistic)
    needed = None if figure.needed is UNSET else figure.needed.get(statistic)
    if needed is not None:
        return None, None, f"{statistic} needs {needed} values, there are {figure.n}"
    if bound is not None:
        return value, bound, "decided by what never came"
    return value, None, "not measured"
