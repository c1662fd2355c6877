"""How loud audio is along the plan: a waveform small enough for a page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replay.pcm import to_floats
from replay.statistics import Floats
from replay.timeline import Timeline

#: At most so many buckets, none shorter than this; in an hour they are 50 ms long.
BUCKETS = 72_000
SHORTEST_MS = 5.0
#: So many bytes are decoded at once.
_BLOCK = 1 << 22
#: Loudness is told in so many steps of the loudest sample.
FULL = 255


@dataclass(frozen=True, slots=True)
class Loudness:
    """Buckets of `step` ms from the plan's zero, of all channels together.

    peak, rms: (buckets) the loudest sample and the root of the mean square, 0 to `FULL`, of the
    loudest sample of all.
    """

    step: float
    peak: npt.NDArray[np.uint8]
    rms: npt.NDArray[np.uint8]


def loudness(timeline: Timeline, audio: memoryview) -> Loudness | None:
    """Of what was played. None where there is no plan to lay it along, or nothing of it."""
    fmt = timeline.format
    size = fmt.align(min(len(audio), timeline.produced))
    over = float(timeline.due([size])[0]) - timeline.zero if size else 0.0
    if not over > 0:
        return None
    step = max(SHORTEST_MS, np.ceil(over / 1e6 / BUCKETS))
    count = int(np.ceil(over / 1e6 / step))
    times = timeline.zero + np.arange(count + 1) * step * 1e6
    cuts = np.round(timeline.spoken(times) * fmt.sample_rate).astype(np.int64)
    cuts[-1] = size // fmt.frame_bytes
    peak, square = _measure(timeline, audio, np.minimum(np.maximum.accumulate(cuts), cuts[-1]))
    loudest = max(float(peak.max()), 1e-9)
    return Loudness(step, _steps(peak / loudest), _steps(np.sqrt(square) / loudest))


def _measure(
    timeline: Timeline, audio: memoryview, cuts: npt.NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """The loudest sample, and the mean of the squares, between each cut (in frames) and the next.

    In blocks of whole buckets: an hour as floats at once would be half a gigabyte.
    """
    fmt = timeline.format
    peak, square = np.zeros(len(cuts) - 1), np.zeros(len(cuts) - 1)
    first = 0
    while first < len(peak):
        room = cuts[first] + _BLOCK // fmt.frame_bytes
        last = max(first + 1, int(np.searchsorted(cuts, room, side="right")) - 1)
        begin, end = int(cuts[first]), int(cuts[last])
        block = to_floats(audio[begin * fmt.frame_bytes : end * fmt.frame_bytes], fmt)
        level = np.abs(block).max(axis=1, initial=0)
        own = np.flatnonzero(np.diff(cuts[first : last + 1]))  # an empty bucket is silent
        if len(own):
            starts = cuts[first + own] - begin
            peak[first + own] = np.maximum.reduceat(level, starts)
            sizes = np.diff(cuts[first : last + 1])[own]
            square[first + own] = np.add.reduceat(level.astype(np.float64) ** 2, starts) / sizes
        first = last
    return peak, square


def _steps(values: Floats) -> npt.NDArray[np.uint8]:
    return np.round(np.clip(values, 0, 1) * FULL).astype(np.uint8)
