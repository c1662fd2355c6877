"""Leaks and drifts: what grows with every reconnection, and what with every hour.

Processes: the smallest value of each of at most 40 stretches of equally many samples (at least four
a stretch), over the reconnections by then. What comes and goes lies above the smallest, and minutes
apart it hardly knows of its neighbour, which is what the interval asks for. Samples from before the
load had settled are left out, and nothing is said of memory before 200 reconnections: until then
caches that fill look like leaks. Of every session that is over a process may keep 24 KiB (a sandbox
was seen to keep 10 to 25: the job can still be asked for), so that where sessions are short more
growth per reconnection is borne.

Latency and recovery: medians. Of latency, the minute's median of what no outage touched; of
recovery, medians of at most 40 stretches of losses. They drift when they certainly gain more than a
tenth, and more than a floor, from the beginning to the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from replay.endurance.resources import MEASURES, History, Track
from replay.endurance.trend import FEWEST, Rule, Trend, judge, medians, minima
from replay.statistics import Floats

_BLOCKS, _A_BLOCK = 40, 4
_HOUR = 3600.0
#: What lies within so many hours has no slope by the hour: after a common cut, say.
_MOMENT = 0.05

#: Growth per reconnection that is borne, and the growth in all below which nothing is said.
LEAKS = {
    "rss": Rule(bound=3 << 10, least=3 << 19, span=200),
    "fds": Rule(bound=0.02, least=4),
    "threads": Rule(bound=0.02, least=4),
    "tasks": Rule(bound=0.02, least=4),
}
#: Bytes that may be kept of a session that is over.
_KEPT = 24 << 10
#: Of a drift, from beginning to end: the share of the median that is borne, and ms.
_SHARE = 0.1
FLOORS_MS = {"ack": 5.0, "word_final": 30.0, "recover": 100.0}

#: Between the name of a process that was started again and how often it was.
AGAIN = " (started again, "
RSS_UNIT, COUNT_UNIT, TIME_UNIT = "bytes/reconnect", "1/reconnect", "ms/h"


def leaks(history: History, settled: float = 0.0) -> list[Trend]:
    """The slope of everything that every process took, per reconnection.

    Args:
        settled: the soak's clock when the load had settled: nothing before it counts.
    """
    found = []
    for (who, generation), track in sorted(history.tracks.items()):
        name = who if generation == 0 else f"{who}{AGAIN}{generation})"
        found += [_leak(track, name, of, settled) for of in MEASURES if _known(track, of)]
    return found


def _known(track: Track, of: str) -> bool:
    return not bool(np.isnan(track.column(of)).all())


def _leak(track: Track, who: str, of: str, settled: float) -> Trend:
    t, x, y = track.column("t"), track.column("reconnects"), track.column(of)
    settled = max(settled, warm_up(t[-1] - t[0], 0.0) + t[0])  # its own, when it began later
    counted = (t >= settled) & ~np.isnan(y)
    x, y, over = x[counted], y[counted], track.column("sessions")[counted]
    rule = LEAKS[of]
    if of == "rss" and len(x) and x[-1] > x[0]:
        kept = _KEPT * float(over[-1] - over[0]) / float(x[-1] - x[0])
        rule = replace(rule, bound=round(rule.bound + kept, 1))
    trend = Trend(
        of=of,
        who=who,
        unit=RSS_UNIT if of == "rss" else COUNT_UNIT,
        n=len(x),
        bound=rule.bound,
    )
    return judge(trend, *minima(x, y, min(_BLOCKS, max(len(x) // _A_BLOCK, 1))), rule)


def warm_up(elapsed: float, begun: float) -> float:
    """When a load counts as settled: two minutes after the last of its sessions first began, or
    after the first quarter where that is sooner.

    Args:
        elapsed: seconds so far. begun: when every session had begun.
    """
    return min(begun + 120.0, elapsed / 4)


def drift(of: str, who: str, t: Iterable[float], ms: Iterable[float]) -> Trend:
    """The slope of a time, per hour.

    Args:
        of: "ack", "word_final" or "recover".
        t: seconds of the soak's clock, of each value `ms`.
    """
    x, y = np.array([*t], dtype=np.float64) / _HOUR, np.array([*ms], dtype=np.float64)
    order = np.lexsort((y, x))
    x, y = x[order], y[order]
    trend = Trend(of=of, who=who, unit=TIME_UNIT, n=len(x), bound=0.0)
    if len(x) and x[-1] - x[0] < _MOMENT:
        trend.why = f"all of it lay within {(x[-1] - x[0]) * _HOUR:.0f} s"
        return trend
    at, level = medians(x, y, min(_BLOCKS, max(len(x) // _A_BLOCK, 1)) if of == "recover" else 240)
    rule = _borne(of, at, level)
    trend.bound = round(rule.bound, 6)
    return judge(trend, at, level, rule)


def _borne(of: str, at: Floats, level: Floats) -> Rule:
    if len(at) < FEWEST or at[-1] <= at[0]:
        return Rule(0.0)
    borne = max(_SHARE * float(np.median(level)), FLOORS_MS[of])
    return Rule(borne / float(at[-1] - at[0]))


def sure(trends: Sequence[Trend]) -> list[Trend]:
    """Those that grow."""
    return [each for each in trends if each.state == "grows"]
