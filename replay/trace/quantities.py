"""What can be counted while a session runs, over time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from replay import journal
from replay.lags import partial_lags
from replay.reading import Reading
from replay.statistics import Floats
from replay.timeline import Ints, Timeline
from replay.trace.tracks import CLIENT, SERVICE, Counter


def counters(reading: Reading) -> Iterator[Counter]:
    timeline = reading.timeline
    if len(timeline.chunks.t):
        times = np.unique(np.concatenate((timeline.chunks.t, timeline.frames.t)))
        made = np.searchsorted(timeline.chunks.t, times, side="right")
        produced = np.append(
            0, np.maximum.accumulate(timeline.chunks.offset + timeline.chunks.size)
        )
        behind = produced[made] - _sent_by(timeline, times)
        per_ms = timeline.format.bytes_per_second / 1e3
        yield _counter(CLIENT, "audio not sent yet, ms", times, behind / per_ms)
    if len(timeline.frames.t):
        times = np.unique(np.concatenate((timeline.frames.t, timeline.acks.t)))
        acked = np.append(0, np.maximum.accumulate(timeline.acks.upto))
        answered = acked[np.searchsorted(timeline.acks.t, times, side="right")]
        open_bytes = _sent_by(timeline, times) - answered
        yield _counter(CLIENT, "unacknowledged bytes", times, open_bytes)
    used = timeline.all(journal.Resources)
    if used:
        at = [each.t for each in used]
        yield Counter(CLIENT, "resident memory, bytes", at, [each.rss_bytes for each in used])
    came, lags = partial_lags(timeline, reading.utterances, timeline.spoken)
    if not np.isnan(lags).all():
        yield _counter(SERVICE, "partial lag, ms", came, lags * 1e3)


def _sent_by(timeline: Timeline, times: Ints) -> Ints:
    """How far into the audio frames had reached by each time."""
    frames = timeline.frames
    reached = np.append(0, np.maximum.accumulate(frames.offset + frames.size))
    return np.asarray(reached[np.searchsorted(frames.t, times, side="right")])


def _counter(group: str, name: str, times: Ints | Floats, values: Ints | Floats) -> Counter:
    """Where it is known: a proxy knows no plan, and nothing that is counted from one."""
    known = ~np.isnan(values)
    return Counter(
        group,
        name,
        np.asarray(times[known]).astype(np.int64).tolist(),
        np.round(np.asarray(values[known], dtype=np.float64), 3).tolist(),
    )
