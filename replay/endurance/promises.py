"""Conditions on a soak: `recover.p95 < 3s`, `rss.slope < 1KiB/reconnect`, `lost_bytes == 0`.

A figure is held as everywhere else. A slope is an interval: it holds when all of it does, fails
when none of it does, and is unknown in between, or where there is too little to tell. That of a
process is held for every process.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from replay import units
from replay.catalogue import PER_HOUR, PER_RECONNECT, SOAK, Figure
from replay.checks import Checked, State, check
from replay.conditions import OPERATORS, Condition, parse_condition
from replay.endurance.growth import AGAIN
from replay.endurance.trend import Trend
from replay.errors import ConditionError
from replay.figures import Figures

_SLOPE = re.compile(r"\s*(?P<name>\w+)\.slope\b\s*(?P<rest>.*?)\s*")
_REST = re.compile(
    r"(?P<op><=|>=|==|!=|<|>)\s*(?P<sign>[+-]?)\s*(?P<number>\d+(?:\.\d*)?|\.\d+)\s*"
    r"(?P<unit>[A-Za-z]*)\s*(?P<per>/\s*\w+)?"
)
_SIGNED = re.compile(r"[<>=]\s*[+-]")
_EXAMPLES = {
    "rss": "rss.slope < 1KiB/reconnect",
    "fds": "fds.slope < 0.01/reconnect",
    "threads": "threads.slope < 0.01/reconnect",
    "tasks": "tasks.slope < 0.01/reconnect",
    "ack": "ack.slope < 5ms/h",
    "word_final": "word_final.slope < 50ms/h",
    "recover": "recover.slope < 1s/h",
}
_TITLES = {"rss": "memory", "fds": "open files", "threads": "threads", "tasks": "tasks"}


def parse(text: str) -> Condition:
    """Read a condition on a soak; a slope's value is in bytes, ones or ms.

    Raises:
        ConditionError: it cannot be read; the message says what would be.
    """
    match = _SLOPE.fullmatch(text)
    if match is not None:
        return _slope(text.strip(), match["name"], match["rest"])
    if _SIGNED.search(text):
        raise ConditionError(
            f"condition {text!r}: a soak has no baseline to change from: write the value without "
            "a sign"
        )
    return parse_condition(text, SOAK)


def _slope(text: str, name: str, rest: str) -> Condition:
    example = _EXAMPLES.get(name)
    if example is None:
        which = ", ".join(f"{each}.slope" for each in (*PER_RECONNECT, *PER_HOUR))
        raise ConditionError(f"condition {text!r}: nothing tells how {name} grows; use {which}")
    match = _REST.fullmatch(rest)
    if match is None or match["sign"]:
        raise ConditionError(f"condition {text!r} cannot be read: write it like {example}")
    if match["op"] in ("==", "!="):
        raise ConditionError(f"condition {text!r}: a slope is held against <, <=, > or >=")
    per = (match["per"] or "").replace(" ", "")
    wanted = "/reconnect" if name in PER_RECONNECT else "/h"
    if per != wanted:
        what = f"{per!r} is not what it is counted by" if per else f"there is no {wanted!r}"
        raise ConditionError(f"condition {text!r}: {what}: write it like {example}")
    try:
        value = _value(name, match["number"], match["unit"])
    except ValueError as error:
        raise ConditionError(f"condition {text!r}: {error}; write it like {example}") from None
    return Condition(
        text=text, figure=_figure(name), statistic="slope", operator=match["op"], value=value
    )


def _figure(name: str) -> Figure:
    if name in PER_HOUR:
        return SOAK[name]
    unit = "bytes" if name == "rss" else "count"
    return Figure(name, _TITLES[name], "instrument", unit)  # type: ignore[arg-type]


def _value(name: str, number: str, unit: str) -> float:
    if name == "rss":
        return float(units.size(number + unit))
    if name in PER_RECONNECT:
        if unit:
            raise ValueError(f"{number}{unit} is no count")
        return float(number)
    if not unit:
        raise ValueError(f"{number} has no unit")
    return float(units.duration(number + unit) * 1000)


def hold(condition: Condition, figures: Figures, trends: Sequence[Trend]) -> Checked:
    """Hold a condition against figures, or the trends that it names. What is missing is never a
    pass."""
    if condition.statistic != "slope":
        return check(condition, figures)
    mine = [each for each in trends if each.of == condition.figure.name]
    if condition.figure.name in PER_HOUR:
        mine = [each for each in mine if not each.who]
    found = Checked(
        text=condition.text, figure=condition.figure.name, statistic="slope", state="unknown"
    )
    if not mine:
        found.why = "not measured"
        return found
    states = [_state(condition, each) for each in mine]
    found.state = _together(mine, states)
    deciding = [each for each, state in zip(mine, states, strict=True) if state == found.state]
    worst = max(deciding, key=lambda each: _bad(condition, each))
    found.measured = worst.slope
    found.why = _why(worst, found.state)
    return found


def is_final(condition: Condition, checked: Checked) -> bool:
    """Whether one that failed has failed for good: what is counted never becomes less, nor the
    largest smaller or the smallest larger, while a quantile may yet come down. A slope has failed
    with all of its interval, like a leak."""
    if condition.statistic == "slope":
        return True
    beyond = {"<": True, "<=": True, "==": (checked.measured or 0.0) > condition.value}
    if condition.figure.single or condition.statistic in ("max", "n", "censored"):
        return beyond.get(condition.operator, False)
    return condition.statistic == "min" and condition.operator in (">", ">=")


def _together(trends: Sequence[Trend], states: Sequence[State]) -> State:
    """Of a process that was started again, one long life tells enough: the short ones may not."""
    if "fail" in states:
        return "fail"
    told: dict[str, bool] = {}
    for trend, state in zip(trends, states, strict=True):
        who = trend.who.partition(AGAIN)[0]
        told[who] = told.get(who, False) or state == "pass"
    return "pass" if all(told.values()) else "unknown"


def _state(condition: Condition, trend: Trend) -> State:
    if trend.slope is None:
        return "unknown"
    ends = (
        -math.inf if trend.low is None else trend.low,
        math.inf if trend.high is None else trend.high,
    )
    holds = [OPERATORS[condition.operator](each, condition.value) for each in ends]
    if not any(holds):
        return "unknown" if _settling(trend) else "fail"
    return "pass" if all(holds) else "unknown"


def _settling(trend: Trend) -> bool:
    """It rose by more than is borne, and yet is not called growth: too short a time, say."""
    return trend.state == "unknown" and trend.low is not None and trend.low > trend.bound


def _bad(condition: Condition, trend: Trend) -> float:
    slope = -math.inf if trend.slope is None else trend.slope
    return slope if condition.operator in ("<", "<=") else -slope


def _why(trend: Trend, state: State) -> str:
    who = f"{trend.who}: " if trend.who else ""
    if trend.slope is None:
        return f"{who}{trend.why}"
    low = "-∞" if trend.low is None else f"{trend.low:.4g}"
    high = "∞" if trend.high is None else f"{trend.high:.4g}"
    interval = f"{who}99 % interval {low} to {high} {trend.unit}"
    if state != "unknown":
        return interval
    return f"{interval}, but {trend.why}" if _settling(trend) else f"{interval} holds the limit"
