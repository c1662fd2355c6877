"""A sample as the curve of its distribution: what share of it lies at or below each value."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from replay.statistics import QUANTILES, Distribution, Floats, Series, quantile

#: A longer sample is thinned out to about so many steps, evenly by share; no share is then further
#: off than one over this.
STEPS = 400
#: Of the ends of a thinned sample so many values are kept: tails are what one looks at.
_ENDS = 25


class Curve(Struct, kw_only=True):
    """From `x[k]` on, up to the next, a share of at least `share[k]` of all `n` lies at or below,
    and of at most `most[k]`: what never came counts in `n`, and might have come from its bound on.

    Values in the sample's unit. `negative`: how many lie below zero.
    """

    distribution: Distribution
    x: list[float]
    share: list[float]
    most: list[float]
    negative: int


def curve(series: Series) -> Curve:
    """The curve of a sample; what does not apply (NaN) is not of it."""
    known = np.sort(series.values[~np.isnan(series.values)])
    bounds = np.sort(series.censored[~np.isnan(series.censored)])
    both = np.sort(np.concatenate((known, bounds)))
    n = len(both)
    kept = both[_kept(n)]
    # Of equal values the last has the whole share.
    x = np.unique(np.concatenate((kept, bounds[:1]))) if n else both
    below = np.searchsorted(known, x, side="right")
    return Curve(
        distribution=series.distribution(),
        x=_round(x, 3),
        share=_round(below / max(n, 1), 5),
        most=_round((below + np.searchsorted(bounds, x, side="right")) / max(n, 1), 5),
        negative=int(np.searchsorted(known, 0.0, side="left")),
    )


def _kept(n: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The ranks, from 0, that stay of `n` sorted values."""
    if n <= STEPS:
        return np.arange(n)
    ranks = np.arange(n, dtype=np.float64)
    marks = [int(quantile(ranks, q)) for q in QUANTILES.values()]
    even = np.linspace(0, n - 1, STEPS).round().astype(np.int64)
    ends = np.concatenate((np.arange(_ENDS), np.arange(n - _ENDS, n)))
    return np.unique(np.concatenate((even, ends, marks)))


def _round(values: Floats, digits: int) -> list[float]:
    return [float(each) for each in np.round(values, digits)]
