"""How often partials come, and whether they come on a grid.

A service that looks at the audio every half second shows every word at the next of its looks: times
of first words are then steps of half a second, and no better figure is in them (the trap is
measuring.md's 2.7.7: whoever shifts the audio by a little moves the figure by a lot).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from msgspec import Struct

from replay.statistics import Distribution, Floats, Series
from replay.utterances import Utterances

#: Gaps this near to a multiple of the grid, as a share of it, are on it.
_NEAR = 0.1
#: And so many of all have to be, of at least so many, to call it a grid.
_SHARE = 0.9
_GAPS = 10


class Cadence(Struct, kw_only=True):
    """`gaps_ms`: between the partials of one utterance. `grid_ms`: the step on which they come;
    None when they come freely, or are too few to tell."""

    partials: int
    gaps_ms: Distribution
    grid_ms: float | None = None


def measure(utterances: Utterances) -> Cadence:
    """Of all utterances, with a final or without."""
    between = gaps(utterances)
    return Cadence(
        partials=sum(len(each.partials) for each in utterances.all),
        gaps_ms=between.distribution(),
        grid_ms=_grid(between.values),
    )


def gaps(utterances: Utterances) -> Series:
    """Between each partial and the next of its utterance."""
    return Series.of_ns(
        np.array(
            [
                after.t - before.t
                for each in utterances.all
                for before, after in pairwise(each.partials)
            ],
            dtype=np.float64,
        )
    )


def _grid(gaps: Floats) -> float | None:
    if len(gaps) < _GAPS:
        return None
    step = float(np.median(gaps))
    times = np.round(gaps / step) if step > 0 else np.zeros(len(gaps))
    on = (times >= 1) & (np.abs(gaps - times * step) <= _NEAR * step)
    return round(step, 1) if on.mean() >= _SHARE else None
