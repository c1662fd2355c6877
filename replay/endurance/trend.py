"""Robust slopes that say how sure they are.

The slope is Theil's and Sen's: the median of the slopes of all pairs. Its interval is Sen's (1968),
from Kendall's variance: of the N slopes, sorted, those at ranks (N ± z·s)/2, with
s² = n(n-1)(2n+5)/18 less what ties in x take away. That asks for points that are independent, so
series are reduced to blocks first (`growth` says to which).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
from msgspec import Struct

from replay.statistics import Floats

#: Of the normal distribution, both sides together 1 %: a soak asks of many trends at once.
_Z = 2.5758
#: Points below which nothing is said.
FEWEST = 10
#: What each half must show of the slope of the whole.
_GOING_ON = 0.4

State = Literal["flat", "grows", "unknown"]


class Trend(Struct, kw_only=True, omit_defaults=True):
    """How one measure went on.

    of: what was measured ("rss", "recover" …). who: the process, or the kind of fault, "" for all.
    unit: of the slope: "bytes/reconnect", "1/reconnect", "ms/h". slope, low, high: None where there
    are too few points. n: samples it stands on; blocks: points that they were reduced to. span:
    of x: reconnections, or hours. bound: what is borne, in the slope's unit. low, high: also None
    where they are without end. state: flat: the whole interval is within the bound; grows: all of
    it lies beyond, and it goes on; else unknown. why: of unknown.
    """

    of: str
    who: str = ""
    unit: str
    slope: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    blocks: int = 0
    span: float = 0.0
    bound: float
    state: State = "unknown"
    why: str = ""


@dataclass(frozen=True, slots=True)
class Slope:
    """A slope and its interval, in y per x."""

    slope: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Rule:
    """What makes a slope a trend.

    Attributes:
        bound: growth per x that is borne.
        least: growth over the whole that is borne anyhow.
        span: of x, below which growth is not called a trend.
    """

    bound: float
    least: float = 0.0
    span: float = 0.0


def theil_sen(x: Floats, y: Floats) -> Slope | None:
    """The slope of `y` over `x` with its interval of 99 %; None for points that lie at one x."""
    n = len(x)
    first, second = np.triu_indices(n, 1)
    run = x[second] - x[first]
    apart = run != 0
    slopes = np.sort((y[second] - y[first])[apart] / run[apart])
    if not len(slopes):
        return None
    ties = np.unique(x, return_counts=True)[1].astype(np.float64)
    variance = _kendall(float(n)) - float(_kendall(ties).sum())
    reach = _Z * math.sqrt(max(variance, 0.0))
    low = math.floor((len(slopes) - reach) / 2)
    high = math.ceil((len(slopes) + reach) / 2)
    return Slope(
        slope=float(np.median(slopes)),
        low=float(slopes[low]) if low >= 0 else -math.inf,
        high=float(slopes[high]) if high < len(slopes) else math.inf,
    )


@overload
def _kendall(n: float) -> float: ...
@overload
def _kendall(n: Floats) -> Floats: ...
def _kendall(n: float | Floats) -> float | Floats:
    return n * (n - 1) * (2 * n + 5) / 18


def judge(trend: Trend, x: Floats, y: Floats, rule: Rule) -> Trend:
    """Fill in the slope of `y` over `x` (sorted upwards), and what it says.

    It grows when the whole interval lies beyond the bound, what it came to is more than is borne
    anyhow, and it went on: the points of each half alone rise by at least two fifths of the slope.
    What rose once and stayed there, or settles, is no growth that goes on.
    """
    trend.blocks = len(x)
    if len(x) < FEWEST:
        trend.why = f"{len(x)} points are too few: it takes {FEWEST}"
        return trend
    found = theil_sen(x, y)
    if found is None:
        trend.why = "nothing happened meanwhile"
        return trend
    trend.span = round(float(x[-1] - x[0]), 4)
    trend.slope = found.slope
    trend.low = found.low if math.isfinite(found.low) else None
    trend.high = found.high if math.isfinite(found.high) else None
    if found.high <= rule.bound:
        trend.state = "flat"
    elif found.low <= rule.bound:
        trend.why = "its interval holds both what is borne and what is not"
    elif trend.span < rule.span:
        trend.why = f"it takes {rule.span:g} to tell, and there were {trend.span:g}"
    elif found.slope * trend.span < rule.least:
        trend.why = "it came to too little to tell a leak from a habit"
    elif not _went_on(x, y, found.slope):
        trend.why = "it rose, and did not go on rising"
    else:
        trend.state = "grows"
    return trend


def _went_on(x: Floats, y: Floats, slope: float) -> bool:
    half = len(x) // 2
    halves = theil_sen(x[:half], y[:half]), theil_sen(x[half:], y[half:])
    return all(each is not None and each.slope >= _GOING_ON * slope for each in halves)


def minima(x: Floats, y: Floats, blocks: int) -> tuple[Floats, Floats]:
    """At most `blocks` stretches of neighbours: the middle of their x, and their smallest y."""
    return _reduced(x, y, blocks, np.min)


def medians(x: Floats, y: Floats, blocks: int) -> tuple[Floats, Floats]:
    """As `minima`, of the medians."""
    return _reduced(x, y, blocks, np.median)


def _reduced(
    x: Floats, y: Floats, blocks: int, of: Callable[[Floats], Any]
) -> tuple[Floats, Floats]:
    if not len(x):
        return x, y
    cuts = np.linspace(0, len(x), min(blocks, len(x)) + 1).astype(int)[1:-1]
    return (
        np.array([each.mean() for each in np.split(x, cuts)]),
        np.array([float(of(each)) for each in np.split(y, cuts)]),
    )
