"""Whether the figures of a run say something about the service, or about the instrument.

A run is invalid when its own disturbances reach the size of what it claims to measure, and
suspect when they could colour it. The bound is a tenth of the smallest transcript latency
measured at the median, but not under 5 ms, below which no claim is made.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from msgspec import Struct

from replay import pacing
from replay.cadence import Cadence
from replay.counter import COUNTER
from replay.journal import Interrupted, Stall
from replay.latency import Latency
from replay.network import round_trips
from replay.statistics import quantile, smallest_sample
from replay.timeline import Timeline

_NS_PER_MS = 1e6
_FLOOR_MS = 5.0
_SHARE = 0.1
#: A loop that stood still for this share of the run measured mostly itself.
_STALLED_SHARE = 0.01
#: A run is looked at in so many parts for a way that has changed.
_PARTS = 4
#: Steps of partials below so many chunks are the chunks'.
_GRID_CHUNKS = 1.5

Verdict = Literal["valid", "suspect", "invalid"]


class Validity(Struct, kw_only=True):
    """`bound_ms`: the own lateness that this run could bear. `notes`: what is no fault of the
    measurement, and has to be known to read its figures."""

    verdict: Verdict
    reasons: list[str]
    notes: list[str]
    bound_ms: float


def judge(timeline: Timeline, latency: Latency, cadence: Cadence) -> Validity:
    """Weigh everything that the journal knows about the instrument itself."""
    bound = bound_ms(latency)
    invalid = [*_pace(timeline, bound), *_stalled(timeline), *_silence(timeline, latency)]
    suspect = [
        *_speed(timeline),
        *_disturbed(timeline, bound),
        *_moved(timeline, bound),
        *_sample(latency),
        *_ending(timeline),
    ]
    verdict: Verdict = "invalid" if invalid else "suspect" if suspect else "valid"
    return Validity(
        verdict=verdict,
        reasons=invalid + suspect,
        notes=_grid(timeline, cadence),
        bound_ms=round(bound, 3),
    )


def bound_ms(latency: Latency) -> float:
    """The own lateness that a run with these latencies can bear."""
    plan = latency.from_plan
    claims = (plan.first_partial, plan.partial_lag, plan.word_first, plan.word_final, plan.final)
    medians = [claim.p50 for claim in claims if claim.p50 is not None]
    return max(_FLOOR_MS, _SHARE * min(medians, default=0.0))


def _pace(timeline: Timeline, bound: float) -> list[str]:
    if timeline.header.vantage == "proxy":
        return []  # whose client it is, whose pace it is
    if not len(timeline.chunks.t):
        return ["no audio was played"]
    if timeline.header.plan.speed == 0:
        return ["played without pacing: not a latency measurement"]
    late = np.sort(pacing.lateness_ms(timeline))
    # The highest percentile that the sample can carry: in a short run, p99 is a chunk or two.
    q = next(q for q in (0.99, 0.95, 0.9, 0.5) if len(late) >= smallest_sample(q))
    if quantile(late, q) > bound:
        how = f"{quantile(late, q):.1f} ms late (p{q * 100:.0f})"
        return [f"own chunks were up to {how}; this run bears {bound:.1f} ms"]
    return []


def _stalls(timeline: Timeline) -> list[int]:
    """How long each stall of the event loop was, in ns; setting up is not measured by anybody."""
    return [stall.lasted for stall in timeline.all(Stall) if stall.t > timeline.zero]


def _stalled(timeline: Timeline) -> list[str]:
    total = sum(_stalls(timeline))
    if total > _STALLED_SHARE * max(timeline.last - timeline.zero, 1):
        return [f"the event loop stood still for {total / _NS_PER_MS:.0f} ms in all"]
    return []


def _speed(timeline: Timeline) -> list[str]:
    speed = timeline.header.plan.speed
    if speed in (0, 1):
        return []
    return [f"played at {speed:g} times real time, which no live speaker does"]


def _disturbed(timeline: Timeline, bound: float) -> list[str]:
    found = []
    latest = pacing.lateness_ms(timeline).max(initial=0)
    if latest > bound and timeline.header.plan.speed and not _pace(timeline, bound):
        found.append(f"one own chunk was {latest:.1f} ms late; this run bears {bound:.1f} ms")
    longest = max(_stalls(timeline), default=0) / _NS_PER_MS
    if longest > bound and not _stalled(timeline):
        found.append(f"the event loop stood still for {longest:.1f} ms at once")
    held = np.sort(timeline.frames.done - timeline.frames.t) / _NS_PER_MS
    if len(held) and quantile(held, 0.99) > bound:
        found.append(f"the socket held frames back for up to {quantile(held, 0.99):.1f} ms (p99)")
    return found


def _moved(timeline: Timeline, bound: float) -> list[str]:
    """A way that became longer or shorter in the middle of the run made it two measurements."""
    took = round_trips(timeline).took / _NS_PER_MS
    if len(took) < _PARTS * smallest_sample(0.9):
        return []
    usual = [float(np.median(part)) for part in np.array_split(took, _PARTS)]
    if max(usual) - min(usual) <= bound:
        return []
    first, last = (usual.index(pick(usual)) + 1 for pick in (min, max))
    where = f"medians of quarters {first} and {last} of the run"
    return [f"the round trip moved from {min(usual):.1f} to {max(usual):.1f} ms ({where})"]


def _grid(timeline: Timeline, cadence: Cadence) -> list[str]:
    """Partials that follow our own chunks are on no grid of the service's."""
    chunk = timeline.header.plan.chunk_ns / _NS_PER_MS / (timeline.speed or 1)
    if cadence.grid_ms is None or cadence.grid_ms < _GRID_CHUNKS * chunk:
        return []
    return [
        f"partials come on a grid of {cadence.grid_ms:g} ms: times of first words are its steps"
    ]


def _silence(timeline: Timeline, latency: Latency) -> list[str]:
    """A recording in which nothing was heard measures nothing; a counting source says nothing."""
    if timeline.header.vantage == "proxy":
        return []  # nothing is claimed of a client that nobody here paces
    if timeline.header.source.codec == COUNTER or latency.from_plan.word_final.n:
        return []
    return ["no word was measured"]


def _sample(latency: Latency) -> list[str]:
    found = []
    if latency.negative:
        what = "true" if latency.reference == "words" else "the service's own"
        found.append(f"{latency.negative} word times lie before {what} end of the word")
    n = latency.from_plan.word_final.n
    if 0 < n < smallest_sample(0.9):
        found.append(f"only {n} words were measured: too few for any percentile but the median")
    return found


def _ending(timeline: Timeline) -> list[str]:
    if not timeline.finished:
        return ["the journal was cut short"]
    return ["the run was interrupted"] * bool(timeline.all(Interrupted))
