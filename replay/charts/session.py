"""One session on one axis of time: everything that a person zooms into to see why it was late.

All times are ticks (`ticks`). Columns of long lists are differences: each from the one before, the
first from zero, which a page can pack far smaller.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from replay import journal
from replay.charts.loudness import loudness
from replay.charts.shades import Shade, shades
from replay.charts.ticks import TICK_NS, differences, tick, ticks
from replay.charts.told import Heard, Words, heard, words
from replay.network import round_trips
from replay.reading import Reading
from replay.timeline import Timeline
from replay.wire.messages import SpeechEnd, SpeechStart

#: A stall of the event loop shorter than this disturbs nothing that is claimed.
_STALL_NS = 5_000_000


class Frames(Struct, kw_only=True):
    """Audio handed to a socket, in order. `due`: differences of when the plan had it spoken;
    `late`: how much after that it was sent; `again`: from which to which (exclusive) carry what was
    sent before; `connections`: pairs of a frame and the connection that begins with it."""

    due: list[int]
    late: list[int]
    again: list[tuple[int, int]]
    connections: list[tuple[int, int]]


class Acks(Struct, kw_only=True):
    """`t`: differences of when each came; `took`: since its frame was sent, -1 where that is not
    known."""

    t: list[int]
    took: list[int]


class Speech(Struct, kw_only=True):
    """What the service said of speech: `at` where in the plan it begins or ends."""

    t: int
    at: int
    begins: bool
    channel: int


class Connection(Struct, kw_only=True):
    number: int
    opened: int
    lost: int
    why: str


class Loud(Struct, kw_only=True):
    """A waveform: buckets of `step` ticks, 0 to 255."""

    step: int
    peak: bytes
    rms: bytes


class Session(Struct, kw_only=True):
    """Attributes:
    zero: the plan's zero by the wall clock, ISO 8601. begun, over: the first and the last moment.
    late: a frame that is later than this is so by the instrument's own doing, or for an outage.
    unsent: from when to when in the plan the audio was spoken that no socket ever got, if any.
    stalls: from when to when the event loop stood still.
    """

    name: str
    zero: str
    begun: int
    over: int
    channels: int
    late: int
    loud: Loud | None
    frames: Frames
    acks: Acks
    unsent: tuple[int, int] | None
    speech: list[Speech]
    utterances: list[Heard]
    words: Words
    anchor: Literal["words", "service"]
    connections: list[Connection]
    shades: list[Shade]
    stalls: list[tuple[int, int]]
    stop: int | None
    ended: int | None


def session(reading: Reading, audio: memoryview | None, late_ms: float) -> Session:
    """Fold a run.

    Args:
        audio: what was played, if it is there.
        late_ms: how late a frame may be before it is marked.
    """
    timeline = reading.timeline
    spoken = heard(reading)
    stop, ended = timeline.first(journal.StopSent), timeline.final(journal.Ended)
    return Session(
        name=timeline.header.name,
        zero=timeline.header.created_at,
        begun=min([0, *(tick(timeline, each.t) for each in timeline.all(journal.Connecting))]),
        over=tick(timeline, ended.t if ended else timeline.last),
        channels=max([timeline.format.channels, *(each.channel + 1 for each in spoken)]),
        late=round(late_ms * 1e6 / TICK_NS),
        loud=_loud(timeline, audio),
        frames=_frames(timeline),
        acks=_acks(timeline),
        unsent=_unsent(timeline),
        speech=_speech(timeline),
        utterances=spoken,
        words=words(reading),
        anchor=reading.words.reference,
        connections=_connections(timeline),
        shades=shades(reading),
        stalls=[
            (tick(timeline, each.t - each.lasted), tick(timeline, each.t))
            for each in timeline.all(journal.Stall)
            if each.t > timeline.zero and each.lasted >= _STALL_NS
        ],
        stop=None if stop is None else tick(timeline, stop.t),
        ended=None if ended is None else tick(timeline, ended.t),
    )


# ------------------------------------------------------------------ audio on its way


def _frames(timeline: Timeline) -> Frames:
    frames = timeline.frames
    due = ticks(timeline, timeline.due(frames.offset + frames.size))
    sent = ticks(timeline, frames.t)
    ends = frames.offset + frames.size
    again = frames.offset < np.concatenate(([0], np.maximum.accumulate(ends)))[:-1]
    turns = np.flatnonzero(np.diff(frames.connection, prepend=-1))
    return Frames(
        due=differences(due),
        late=(sent - due).tolist(),
        again=_runs(again),
        connections=[(int(k), int(frames.connection[k])) for k in turns],
    )


def _acks(timeline: Timeline) -> Acks:
    trips = round_trips(timeline)
    took = dict(zip(trips.received.tolist(), trips.took.tolist(), strict=True))
    times = timeline.acks.t.tolist()
    return Acks(
        t=differences(ticks(timeline, timeline.acks.t)),
        took=[round(took[t] / TICK_NS) if t in took else -1 for t in times],
    )


def _unsent(timeline: Timeline) -> tuple[int, int] | None:
    if timeline.sent >= timeline.produced:
        return None
    begin, end = ticks(timeline, timeline.due([timeline.sent, timeline.produced])).tolist()
    return begin, end


def _loud(timeline: Timeline, audio: memoryview | None) -> Loud | None:
    found = None if audio is None else loudness(timeline, audio)
    if found is None:
        return None
    step = round(found.step * 1e6 / TICK_NS)
    return Loud(step=step, peak=found.peak.tobytes(), rms=found.rms.tobytes())


def _connections(timeline: Timeline) -> list[Connection]:
    lost = {each.connection: each for each in reversed(timeline.all(journal.Lost))}
    found = []
    for each in timeline.all(journal.Connected):
        over = lost.get(each.connection)
        found.append(
            Connection(
                number=each.connection,
                opened=tick(timeline, each.t),
                lost=tick(timeline, timeline.last if over is None else over.t),
                why="" if over is None else f"{over.cause}, {over.code}",
            )
        )
    return found


def _speech(timeline: Timeline) -> list[Speech]:
    starts, ends = timeline.messages(SpeechStart), timeline.messages(SpeechEnd)
    events = [(each.t, said.data.time, True, said.data.channel) for each, said in starts]
    events += [(each.t, said.data.time, False, said.data.channel) for each, said in ends]
    events.sort(key=lambda each: each[0])
    places = timeline.due(timeline.offset_of([each[1] for each in events]))
    return [
        Speech(t=tick(timeline, t), at=at, begins=begins, channel=channel)
        for (t, _, begins, channel), at in zip(
            events, ticks(timeline, places).tolist(), strict=True
        )
    ]


def _runs(marks: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """From which to which (exclusive) all are true."""
    edges = np.flatnonzero(np.diff(marks.astype(np.int8), prepend=0, append=0))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
