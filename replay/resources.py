"""What the client's own process took."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from replay import journal
from replay.statistics import slope
from replay.timeline import Timeline


class Slopes(Struct, kw_only=True):
    """Growth per reconnection (Theil-Sen); None with too few reconnections to tell."""

    rss_bytes: float | None = None
    fds: float | None = None
    tasks: float | None = None


class Resources(Struct, kw_only=True):
    """Peaks, and the share of one core taken on average; None when nothing was sampled."""

    rss_bytes: int | None = None
    fds: int | None = None
    threads: int | None = None
    tasks: int | None = None
    cpu_share: float | None = None
    slopes: Slopes


def measure(timeline: Timeline) -> Resources:
    samples = timeline.all(journal.Resources)
    if not samples:
        return Resources(slopes=Slopes())
    first, last = samples[0], samples[-1]
    return Resources(
        rss_bytes=max(sample.rss_bytes for sample in samples),
        fds=max(sample.fds for sample in samples),
        threads=max(sample.threads for sample in samples),
        tasks=max(sample.tasks for sample in samples),
        cpu_share=round((last.cpu_ns - first.cpu_ns) / (last.t - first.t), 4)
        if last.t > first.t
        else None,
        slopes=_slopes(timeline, samples),
    )


def _slopes(timeline: Timeline, samples: list[journal.Resources]) -> Slopes:
    opened = np.array([entry.t for entry in timeline.all(journal.Connected)])
    if len(opened) < 3:
        return Slopes()
    count = np.searchsorted(opened, [sample.t for sample in samples]).astype(np.float64)

    def per_reconnection(values: list[int]) -> float | None:
        found = slope(count, np.array(values, dtype=np.float64))
        return None if found is None else round(found, 3)

    return Slopes(
        rss_bytes=per_reconnection([sample.rss_bytes for sample in samples]),
        fds=per_reconnection([sample.fds for sample in samples]),
        tasks=per_reconnection([sample.tasks for sample in samples]),
    )
