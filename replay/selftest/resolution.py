"""What differences of latencies this machine can resolve.

A comparison takes one measurement from another. What both are off by alike, the way through the
instrument, cancels; what differs from one to the next does not. So the rounds of the constant
trial, which all have the same truth, are held against each other. Of each round the errors of all
answers (measured less true) are taken, and of these the median and the 99th percentile. Their
standard deviation s over the rounds, times √2 for a difference of two, times Student's t for so few
rounds, is what 19 of 20 differences between two such rounds stay below although nothing changed.

And it is never better than the player keeps its own plan: the lateness of our own chunks at the
same percentile is the least that is claimed, and p99 is never claimed to be told better than p50.

It speaks of one session of some hundreds of answers. A benchmark of several rounds over many
recordings resolves less than that, and tells itself how much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from replay.selftest.measured import Measured
from replay.selftest.result import Resolution
from replay.selftest.truth import ANSWERS, Truth
from replay.statistics import Floats, quantile

#: Student's t, 95 % on both sides, by degrees of freedom from 1.
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
_STEP_MS = 0.1


def resolve(truth: Truth, measured: Measured, lateness: Floats) -> Resolution | None:
    """From the rounds of one trial; None where they are too few, or values are missing.

    `lateness`: of our own chunks, in ms.
    """
    true = np.concatenate([truth.series[name] for name in ANSWERS])
    rounds = measured.answers
    if len(rounds) < 2 or any(len(each) != len(true) for each in rounds) or not len(lateness):
        return None
    errors = [np.sort(each - true) for each in rounds]
    late = np.sort(lateness)
    p50, p99 = (
        max(_spread([quantile(each, q) for each in errors]), quantile(late, q)) for q in (0.5, 0.99)
    )
    return Resolution(p50_ms=_up(p50), p99_ms=_up(max(p50, p99)))


def _spread(values: Sequence[float]) -> float:
    freedom = min(len(values) - 1, len(_STUDENT))
    return float(np.std(values, ddof=1)) * math.sqrt(2) * _STUDENT[freedom - 1]


def _up(ms: float) -> float:
    """To the next tenth; nobody reads more of it."""
    return round(math.ceil(ms / _STEP_MS) * _STEP_MS, 1)
