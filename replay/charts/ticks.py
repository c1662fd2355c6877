"""Moments as whole ticks of a tenth of a millisecond from the plan's zero."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from replay.statistics import Floats
from replay.timeline import Timeline

TICK_NS = 100_000
#: Where a moment is not known.
NONE = -(1 << 40)


def tick(timeline: Timeline, t: int) -> int:
    """One journal time."""
    return round((t - timeline.zero) / TICK_NS)


def ticks(timeline: Timeline, times: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Many; `NONE` for those that are not known."""
    values: Floats = np.asarray(times, dtype=np.float64)
    found = np.round((values - timeline.zero) / TICK_NS)
    return np.where(np.isfinite(found), found, NONE).astype(np.int64)


def differences(column: npt.NDArray[np.int64]) -> list[int]:
    """Each from the one before, the first from zero: far smaller once it is packed."""
    return [int(each) for each in np.diff(column, prepend=0)]
