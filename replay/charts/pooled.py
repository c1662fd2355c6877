"""The values of many sessions as one sample of each measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from replay.charts.recordings import values
from replay.samples import BY_UTTERANCE, BY_WORD, Sample
from replay.statistics import Series, pool


def of_samples(samples: Sequence[Sample]) -> dict[str, Series]:
    """From the plan, of every measure that a sample has item by item."""
    found = {
        name: pool([Series(values(sample, name)) for sample in samples])
        for name in (*BY_WORD, *BY_UTTERANCE)
    }
    waited = np.array([each for sample in samples for each in sample.censored], dtype=np.float64)
    found["final"] = Series(found["final"].values, waited)
    return found


def of_runs(runs: Sequence[Mapping[str, Series]]) -> dict[str, Series]:
    """Of series by measure, as `latency.series` makes them."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: pool([run[name] for run in runs if name in run]) for name in names}
