"""Conditions on a comparison: each names what must not be, such as `word_final.p50 > +8%`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from replay.checks import Checked, check
from replay.compare.effects import Estimate
from replay.compare.levels import Levels, correlation, levels
from replay.conditions import Condition
from replay.figures import Figures

#: The change of a figure at a statistic; None where it was not measured on both sides.
Estimator = Callable[[str, str], Estimate | None]


def levels_of(estimates: Sequence[Estimate]) -> Levels:
    """One critical value for several measures that are looked at together."""
    return levels(
        min(each.freedom for each in estimates), correlation([each.offsets for each in estimates])
    )


def hold(conditions: Sequence[Condition], estimate: Estimator, figures: Figures) -> list[Checked]:
    """Hold every condition; `fail` where what must not be is.

    Args:
        figures: of the new side, for conditions that name no change.
    """
    estimates = {
        each.name: found
        for each in conditions
        if each.relative and (found := estimate(each.figure.name, each.statistic)) is not None
    }
    limits = levels_of(list(estimates.values())) if estimates else None
    checked = []
    for each in conditions:
        if not each.relative:
            checked.append(_turned(check(each, figures), each))
        elif limits is not None and each.name in estimates:
            checked.append(_changed(each, estimates[each.name], limits))
        else:
            checked.append(_unknown(each, "not measured on both sides"))
    return checked


def _turned(found: Checked, condition: Condition) -> Checked:
    """A condition that must not be true, held as one that must."""
    if found.state != "unknown":
        found.state = "fail" if found.state == "pass" else "pass"
        found.why = found.why or f"{condition.name} is {found.measured:g}"
    return found


def _unknown(condition: Condition, why: str) -> Checked:
    return Checked(
        text=condition.text,
        figure=condition.figure.name,
        statistic=condition.statistic,
        state="unknown",
        why=why,
    )


def _changed(condition: Condition, estimate: Estimate, limits: Levels) -> Checked:
    """A change that must not be.

    It fails when it is beyond the limit, and sure to be a change at all. It passes when it is not
    beyond the limit, and one as large as the limit would have been found.
    """
    size = abs(estimate.base) if condition.percent else 1.0
    if not size:
        return _unknown(
            condition, f"{condition.name} of the baseline is 0: there is no share of it"
        )
    more = condition.operator in (">", ">=")
    measured = estimate.change / size
    reach = limits.critical * estimate.error / size
    furthest = measured + reach if more else measured - reach
    form = "{:+.1%}" if condition.percent else "{:+.4g}"
    found = Checked(
        text=condition.text,
        figure=condition.figure.name,
        statistic=condition.statistic,
        state="pass",
        measured=round(measured, 4),
        why=f"{form} [{form}, {form}]".format(measured, measured - reach, measured + reach),
    )
    if condition.holds(measured):
        sure = measured > reach if more else measured < -reach
        found.state = "fail" if sure else "unknown"
        found.why += "" if sure else ", which may be none"
    elif condition.holds(furthest) and limits.detectable * estimate.error / size > abs(
        condition.value
    ):
        found.state = "unknown"
        found.why += ": a change of that size could have been missed"
    return found
