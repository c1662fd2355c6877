"""How far something must lie from nothing to count: critical values for several measures at once.

A comparison looks at more than one measure, and each look is a chance for a false alarm. They are
held together by the distribution of the largest of all their t values, with the correlation that
their rounds show: partials and finals of a slow round are slow together, so that two looks are
hardly more than one. Drawn with a fixed seed: the same comparison has the same critical value
everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from replay.statistics import Floats

#: Of comparisons of a thing with itself, at most so many are called worse, and as many better.
FALSE_ALARMS = 0.02
#: And a change of the size that is given as detectable is found in so many.
POWER = 0.8

_DRAWS = 200_000
#: More degrees of freedom than this are as good as endless.
_MANY = 10_000


@dataclass(frozen=True, slots=True)
class Levels:
    """In standard errors. `critical`: an estimate beyond it counts; `detectable`: a true change of
    that size is found with `POWER`."""

    critical: float
    detectable: float


def levels(freedom: float, correlation: Floats) -> Levels:
    """For as many measures as `correlation` has rows, (k, k)."""
    return _levels(round(min(max(freedom, 1.0), _MANY), 1), _Key(correlation))


class _Key:
    """A matrix that can be looked up."""

    def __init__(self, matrix: Floats) -> None:
        self.matrix = np.round(matrix, 2)
        self._bytes = self.matrix.tobytes()

    def __hash__(self) -> int:
        return hash(self._bytes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._bytes == other._bytes


@lru_cache(maxsize=64)
def _levels(freedom: float, key: _Key) -> Levels:
    rng = np.random.default_rng(1)
    values, vectors = np.linalg.eigh(key.matrix)
    root = vectors * np.sqrt(np.maximum(values, 0))
    normal = rng.standard_normal((_DRAWS, len(values))) @ root.T
    scale = np.sqrt(rng.chisquare(freedom, _DRAWS) / freedom)
    critical = float(np.quantile((normal / scale[:, None]).max(axis=1), 1 - FALSE_ALARMS))
    single = rng.standard_normal(_DRAWS) / scale
    return Levels(critical, critical + float(np.quantile(single, POWER)))


def correlation(offsets: Sequence[Floats]) -> Floats:
    """How rounds of several measures move together; those that cannot be told do on their own."""
    found = np.eye(len(offsets))
    for row, mine in enumerate(offsets):
        for column, other in enumerate(offsets[:row]):
            if len(mine) == len(other) and np.ptp(mine) > 0 and np.ptp(other) > 0:
                found[row, column] = found[column, row] = np.corrcoef(mine, other)[0, 1]
    return found
