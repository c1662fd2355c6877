"""How well the run kept to its own plan."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from replay.statistics import Distribution, Floats, distribution, slope
from replay.timeline import Timeline

_NS_PER_MS = 1e6


class Pacing(Struct, kw_only=True):
    """`lateness_ms`: when each chunk was there, less when it was due. `drift_ppm`: how much
    later per million the chunks came as time went on; None with fewer than two."""

    phase: str
    chunk_ms: float
    speed: float
    chunks: int
    lateness_ms: Distribution
    drift_ppm: float | None


def measure(timeline: Timeline) -> Pacing:
    plan = timeline.header.plan
    late = lateness_ms(timeline)
    drift = None
    if plan.speed > 0:
        drift = slope(timeline.chunks.due / _NS_PER_MS, late)
    return Pacing(
        phase=plan.phase,
        chunk_ms=plan.chunk_ns / _NS_PER_MS,
        speed=plan.speed,
        chunks=len(late),
        # An unpaced run has nothing to be late against.
        lateness_ms=distribution(late) if plan.speed > 0 else Distribution(),
        drift_ppm=None if drift is None else round(drift * 1e6, 3),
    )


def lateness_ms(timeline: Timeline) -> Floats:
    """Lateness of every chunk, in order."""
    return np.asarray((timeline.chunks.t - timeline.chunks.due) / _NS_PER_MS)
