"""The figures of the catalogue, of one run or pooled over many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from replay import cadence, latency, network
from replay import pacing as own_pace
from replay import waterfall as steps
from replay.reading import Reading
from replay.samples import Sample
from replay.statistics import Distribution, Series, pool
from replay.summary import Summary

Figures = Mapping[str, Distribution | float | None]

_STEP = "step_"
_CONNECT = "connect_"
_RECOVERY = ("detect", "down", "first_ack", "first_transcript", "caught_up")


@dataclass(frozen=True, slots=True)
class Values:
    """What runs are pooled from: `series` of single values, `rates` of ratios, and sums."""

    series: dict[str, Series]
    rates: dict[str, tuple[int, int]] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=dict)


def values(reading: Reading, summary: Summary, sample: Sample) -> Values:
    """Everything of one run that can be pooled with other runs'."""
    found = latency.series(reading, plan=True)
    found["partial_gap"] = cadence.gaps(reading.utterances)
    found |= network.series(reading.timeline, reading.utterances, reading.split)
    found |= {
        _STEP + name: Series(reading.steps.took[:, column])
        for column, name in enumerate(steps.STEPS)
    }
    found |= {name: _single(value) for name, value in _once(summary).items()}
    for name in _RECOVERY:
        took = [getattr(each, f"{name}_ms") for each in summary.outages]
        found[name] = Series(np.array([each for each in took if each is not None], dtype=float))
    found["lateness"] = Series(own_pace.lateness_ms(reading.timeline))
    sums = {
        name: value
        for name in ("lost_bytes", "repeated_bytes")
        if (value := getattr(summary.audio, name)) is not None
    }
    rates = dict(sample.rates)
    if reading.words.used is not None:
        total = reading.words.total
        rates["words_used"] = (round(reading.words.used * total), total)
    return Values(found, rates, sums)


def pooled(runs: Sequence[Values], failed: int = 0) -> dict[str, Distribution | float | None]:
    """The figures of several runs together. `failed`: how many runs besides came to nothing."""
    figures: dict[str, Distribution | float | None] = {}
    for name in {name for run in runs for name in run.series}:
        figures[name] = pool(
            [run.series[name] for run in runs if name in run.series]
        ).distribution()
    for name in {name for run in runs for name in run.rates}:
        tops, bottoms = zip(*(run.rates[name] for run in runs if name in run.rates), strict=True)
        figures[name] = round(sum(tops) / sum(bottoms), 4)
    for name in {name for run in runs for name in run.sums}:
        figures[name] = sum(run.sums[name] for run in runs if name in run.sums)
    figures["failed_runs"] = failed
    return figures


def _once(summary: Summary) -> dict[str, float | None]:
    took = summary.latency.connect
    return {
        **{_CONNECT + name: getattr(took, name) for name in took.__struct_fields__},
        "first_text": summary.latency.first_text_ms,
        "end_of_session": summary.latency.end_of_session_ms,
    }


def _single(value: float | None) -> Series:
    return Series(np.array([] if value is None else [value], dtype=np.float64))
