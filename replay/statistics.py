"""The one quantile rule, distributions that say how much they know, and robust slopes.

Quantiles are nearest-rank: of n sorted values, the q-quantile is the one at rank ceil(q·n), so
every figure shown is a value that happened. One is only given when the sample can carry it: the
two-sided 95 % confidence interval of a quantile has an upper end at all only if 1 - q^n >= 0.975
(order statistics, no assumption about the distribution), which asks for 36 values at p90, 72 at
p95 and 368 at p99. The median is always given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from msgspec import UNSET, Struct, UnsetType

Floats = npt.NDArray[np.float64]

RULE = "nearest-rank"

_NS_PER_MS = 1e6
_DIGITS = 3


#: The figures that a distribution gives of its order, by name.
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


class Distribution(Struct, kw_only=True):
    """A sample in figures; None where it is too small, or where a censored value decides.

    `n` counts censored values too: things that never came, of which only a lower bound is known.
    `needed`: how many values each figure takes that is None for want of them. `at_least`: lower
    bounds of the figures that a censored value decides.
    """

    n: int = 0
    min: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    mean: float | None = None
    censored: int = 0
    needed: dict[str, int] | UnsetType = UNSET
    at_least: dict[str, float] | UnsetType = UNSET


def smallest_sample(q: float) -> int:
    """How many values the `q`-quantile takes before its 95 % interval has an upper end."""
    return 1 if q <= 0.5 else math.ceil(math.log(0.025) / math.log(q))


def quantile(ordered: Sequence[float] | Floats, q: float) -> float:
    """The nearest-rank quantile of values sorted upwards; there must be at least one."""
    return float(ordered[rank(len(ordered), q)])


def rank(n: int, q: float) -> int:
    """Which of `n` sorted values, counted from 0, is their nearest-rank quantile."""
    # The subtraction keeps ranks such as 0.95 * 20 from being rounded up by a stray last bit.
    return max(math.ceil(q * n - 1e-9), 1) - 1


def distribution(
    values: Sequence[float] | Floats, censored: Sequence[float] | Floats = ()
) -> Distribution:
    """Sum up a sample, in its own unit, rounded to three digits.

    Args:
        values: what was measured; NaN stands for "does not apply" and is left out.
        censored: lower bounds of what never came. They stand in the order at their bound, and
            no figure is given that one of them could still move.
    """
    known = _clean(values)
    bounds = _clean(censored)
    n = len(known) + len(bounds)
    if n == 0:
        return Distribution()
    ordered = np.sort(np.concatenate((known, bounds)))
    found = Distribution(n=n, censored=len(bounds))
    limit = float(bounds.min()) if len(bounds) else math.inf
    needed, at_least = {}, {}
    for name, q in QUANTILES.items():
        if n < smallest_sample(q):
            needed[name] = smallest_sample(q)
            continue
        value = quantile(ordered, q)
        if value < limit:
            setattr(found, name, round(value, _DIGITS))
        else:
            at_least[name] = round(value, _DIGITS)
    if ordered[0] < limit:
        found.min = round(float(ordered[0]), _DIGITS)
    if len(bounds):
        at_least["max"] = round(float(ordered[-1]), _DIGITS)
    else:
        found.max = round(float(ordered[-1]), _DIGITS)
        found.mean = round(float(known.mean()), _DIGITS)
    found.needed, found.at_least = needed or UNSET, at_least or UNSET
    return found


@dataclass(frozen=True, slots=True)
class Series:
    """Every single value of a measure, in ms, NaN where it does not apply; and lower bounds of
    what never came."""

    values: Floats
    censored: Floats = field(default_factory=lambda: np.empty(0))

    @classmethod
    def of_ns(cls, values: Floats, censored: Floats | None = None) -> Series:
        """From durations in ns."""
        bounds = np.empty(0) if censored is None else censored
        return cls(np.asarray(values / _NS_PER_MS), np.asarray(bounds / _NS_PER_MS))

    def distribution(self) -> Distribution:
        return distribution(self.values, self.censored)


def pool(several: Sequence[Series]) -> Series:
    """All values of several runs as one sample."""
    return Series(
        np.concatenate([each.values for each in several] or [np.empty(0)]),
        np.concatenate([each.censored for each in several] or [np.empty(0)]),
    )


def milliseconds(nanoseconds: Floats, censored: Floats | Sequence[float] = ()) -> Distribution:
    """The distribution, in ms, of durations in ns."""
    bounds = np.asarray(censored, dtype=np.float64) / _NS_PER_MS
    return distribution(np.asarray(nanoseconds, dtype=np.float64) / _NS_PER_MS, bounds)


def slope(x: Floats, y: Floats, blocks: int = 300) -> float | None:
    """The Theil-Sen slope of `y` over `x`: the median of the slopes of all pairs.

    Long series are first reduced to the medians of at most `blocks` runs of neighbours, so that
    the pairs stay few. None when all `x` are the same.
    """
    if len(x) > blocks:
        cuts = np.linspace(0, len(x), blocks + 1).astype(int)
        spans = list(pairwise(cuts))
        x, y = _medians(x, spans), _medians(y, spans)
    first, second = np.triu_indices(len(x), 1)
    run = x[second] - x[first]
    rise = (y[second] - y[first])[run != 0]
    run = run[run != 0]
    return float(np.median(rise / run)) if len(run) else None


def _medians(values: Floats, spans: Sequence[tuple[int, int]]) -> Floats:
    """The median of each stretch from `a` to `b`; none is empty."""
    begins, ends = np.array(spans).T
    stretch = np.repeat(np.arange(len(begins)), ends - begins)
    ordered = values[np.lexsort((values, stretch))]
    low, high = (begins + ends - 1) // 2, (begins + ends) // 2
    return np.asarray((ordered[low] + ordered[high]) / 2, dtype=np.float64)


def _clean(values: Sequence[float] | Floats) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    return array[~np.isnan(array)]
