"""What processes that were watched took more of with each reconnection, in lines."""

from __future__ import annotations

from collections.abc import Sequence

from replay.endurance.trend import Trend

_NAMES = {"rss": "memory", "fds": "files", "threads": "threads", "tasks": "tasks"}
_SAID = {"grows": "leaks", "flat": "flat", "unknown": "unknown"}


def lines(trends: Sequence[Trend], who: str) -> list[str]:
    """A line for each measure of one process."""
    mine = [each for each in trends if each.who == who]
    return [_line(each) for each in mine] or ["it was gone before anything was seen of it"]


def _line(trend: Trend) -> str:
    said = _SAID[trend.state] + (f": {trend.why}" if trend.why else "")
    name = _NAMES[trend.of]
    if trend.slope is None:
        return f"{name}: {said}"
    low, high = _amount(trend, trend.low, "-∞"), _amount(trend, trend.high, "∞")
    slope = _amount(trend, trend.slope, "")
    return f"{name}: {slope} a reconnection (99 %: {low} to {high}): {said}"


def _amount(trend: Trend, value: float | None, endless: str) -> str:
    if value is None:
        return endless
    return f"{value / 1024:,.3g} KiB" if trend.of == "rss" else f"{value:,.3g}"
