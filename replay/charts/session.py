"""One session on one axis of time: everything that a person zooms into to see why it was late.

All times are whole ticks of a tenth of a millisecond from the plan's zero, -1 standing for none
where that is said. Columns of long lists are differences: each from the one before, the first from
zero, which a page can pack far smaller.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from replay import journal
from replay.charts.flicker import Edit, edits
from replay.charts.loudness import loudness
from replay.charts.shades import Shade, shades
from replay.network import round_trips
from replay.reading import Reading
from replay.statistics import Floats
from replay.timeline import Timeline
from replay.utterances import Utterance, Version
from replay.wire.messages import SpeechEnd, SpeechStart

TICK_NS = 100_000
#: Where a moment is not known.
NONE = -(1 << 40)
#: A stall of the event loop shorter than this disturbs nothing that is claimed.
_STALL_NS = 5_000_000


class Frames(Struct, kw_only=True):
    """Audio handed to a socket, in order. `due`: differences of when the plan had it spoken;
    `late`: how much after that it was sent; `again`: from which to which (exclusive) were sent
    before; `connections`: pairs of a frame and the connection that begins with it."""

    due: list[int]
    late: list[int]
    again: list[tuple[int, int]]
    connections: list[tuple[int, int]]


class Acks(Struct, kw_only=True):
    """`t`: differences of when each came; `took`: since its frame was sent, -1 where that is not
    known."""

    t: list[int]
    took: list[int]


class Told(Struct, kw_only=True):
    """One version of an utterance.

    t: when it came; start, end: where in the plan its audio lies. kept: so many first words are
    written as in the version before, `words` the others, with two times each in `at`: where they
    begin and end, no times where the service gave none. back: numbers of the words, counted from
    the first, that the next version changed or dropped. via: the connection.
    """

    t: int
    start: int
    end: int
    kept: int
    words: list[str]
    at: list[int]
    back: list[int]
    via: int


class Heard(Struct, kw_only=True):
    """An utterance. `told`: its versions; `final`: the last of them is final; `words`: the first
    of `Words` that is its own, and how many are; none without a final."""

    channel: int
    told: list[Told]
    final: bool
    words: tuple[int, int] = (0, 0)


class Words(Struct, kw_only=True):
    """The words of the finals, as columns: where each was said, and when it was shown, stood still
    and was final; `NONE` where the place is not known."""

    start: list[int]
    end: list[int]
    first: list[int]
    stable: list[int]
    final: list[int]


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
    spoken = _heard(reading)
    stop, ended = timeline.first(journal.StopSent), timeline.final(journal.Ended)
    return Session(
        name=timeline.header.name,
        zero=timeline.header.created_at,
        begun=min([0, *(_tick(timeline, each.t) for each in timeline.all(journal.Connecting))]),
        over=_tick(timeline, ended.t if ended else timeline.last),
        channels=max([timeline.format.channels, *(each.channel + 1 for each in spoken)]),
        late=round(late_ms * 1e6 / TICK_NS),
        loud=_loud(timeline, audio),
        frames=_frames(timeline),
        acks=_acks(timeline),
        unsent=_unsent(timeline),
        speech=_speech(timeline),
        utterances=spoken,
        words=_words(reading),
        anchor=reading.words.reference,
        connections=_connections(timeline),
        shades=shades(reading),
        stalls=[
            (_tick(timeline, each.t - each.lasted), _tick(timeline, each.t))
            for each in timeline.all(journal.Stall)
            if each.t > timeline.zero and each.lasted >= _STALL_NS
        ],
        stop=None if stop is None else _tick(timeline, stop.t),
        ended=None if ended is None else _tick(timeline, ended.t),
    )


# ------------------------------------------------------------------ audio on its way


def _frames(timeline: Timeline) -> Frames:
    frames = timeline.frames
    due = _ticks(timeline, timeline.due(frames.offset + frames.size))
    sent = _ticks(timeline, frames.t)
    ends = frames.offset + frames.size
    again = ends <= np.concatenate(([0], np.maximum.accumulate(ends)[:-1])) if len(ends) else ends
    turns = np.flatnonzero(np.diff(frames.connection, prepend=-1))
    return Frames(
        due=_differences(due),
        late=(sent - due).tolist(),
        again=_runs(again > 0),
        connections=[(int(k), int(frames.connection[k])) for k in turns],
    )


def _acks(timeline: Timeline) -> Acks:
    trips = round_trips(timeline)
    took = dict(zip(trips.received.tolist(), trips.took.tolist(), strict=True))
    times = timeline.acks.t.tolist()
    return Acks(
        t=_differences(_ticks(timeline, timeline.acks.t)),
        took=[round(took[t] / TICK_NS) if t in took else -1 for t in times],
    )


def _unsent(timeline: Timeline) -> tuple[int, int] | None:
    if timeline.sent >= timeline.produced:
        return None
    begin, end = _ticks(timeline, timeline.due([timeline.sent, timeline.produced])).tolist()
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
                opened=_tick(timeline, each.t),
                lost=_tick(timeline, timeline.last if over is None else over.t),
                why="" if over is None else f"{over.cause}, {over.code}",
            )
        )
    return found


# ------------------------------------------------------------------ what was said


def _heard(reading: Reading) -> list[Heard]:
    """Utterances in the order of `Utterances.finished`, then those without a final."""
    finished = [each for each, _ in reading.utterances.finished]
    open_ = [each for each in reading.utterances.all if each.final is None]
    changes = [edits(each) for each in (*finished, *open_)]
    places = _Places(reading.timeline, changes)
    found, first = [], 0
    for utterance, edited in zip((*finished, *open_), changes, strict=True):
        own = 0 if utterance.final is None else len(utterance.final.words)
        told = [places.told(each) for each in edited]
        found.append(_one(utterance, told, (first, own)))
        first += own
    return found


def _one(utterance: Utterance, told: list[Told], words: tuple[int, int]) -> Heard:
    return Heard(
        channel=utterance.channel,
        told=told,
        final=utterance.final is not None,
        words=words if utterance.final else (0, 0),
    )


class _Places:
    """Where in the plan the times of versions lie: worked out at once, taken one by one."""

    def __init__(self, timeline: Timeline, changes: list[list[Edit]]) -> None:
        self._timeline = timeline
        seconds: list[float] = []
        for edited in changes:
            for each in edited:
                seconds += _seconds(each.version, each.kept)
        spoken = timeline.due(timeline.offset_of(np.array(seconds, dtype=np.float64)))
        self._ticks = iter(_ticks(timeline, spoken).tolist())

    def told(self, edit: Edit) -> Told:
        version = edit.version
        ticks = [next(self._ticks) for _ in _seconds(version, edit.kept)]
        return Told(
            t=_tick(self._timeline, version.t),
            start=ticks[0],
            end=ticks[1],
            kept=edit.kept,
            words=list(version.raw[edit.kept :]),
            at=ticks[2:],
            back=edit.taken_back,
            via=version.connection,
        )


def _seconds(version: Version, kept: int) -> list[float]:
    pairs = zip(version.starts[kept:], version.ends[kept:], strict=True)
    return [version.start, version.end, *(each for pair in pairs for each in pair)]


def _words(reading: Reading) -> Words:
    timeline, words = reading.timeline, reading.words
    return Words(
        start=_ticks(timeline, timeline.due(words.starts)).tolist(),
        end=_ticks(timeline, timeline.due(words.ends)).tolist(),
        first=_ticks(timeline, words.column("first")).tolist(),
        stable=_ticks(timeline, words.column("stable")).tolist(),
        final=_ticks(timeline, words.column("final")).tolist(),
    )


def _speech(timeline: Timeline) -> list[Speech]:
    starts, ends = timeline.messages(SpeechStart), timeline.messages(SpeechEnd)
    events = [(heard.t, said.data.time, True, said.data.channel) for heard, said in starts]
    events += [(heard.t, said.data.time, False, said.data.channel) for heard, said in ends]
    events.sort(key=lambda each: each[0])
    places = timeline.due(timeline.offset_of([each[1] for each in events]))
    ticks = _ticks(timeline, places).tolist()
    return [
        Speech(t=_tick(timeline, t), at=at, begins=begins, channel=channel)
        for (t, _, begins, channel), at in zip(events, ticks, strict=True)
    ]


# ------------------------------------------------------------------ ticks


def _tick(timeline: Timeline, t: int) -> int:
    return round((t - timeline.zero) / TICK_NS)


def _ticks(timeline: Timeline, times: npt.ArrayLike) -> npt.NDArray[np.int64]:
    values: Floats = np.asarray(times, dtype=np.float64)
    ticks = np.round((values - timeline.zero) / TICK_NS)
    return np.where(np.isfinite(ticks), ticks, NONE).astype(np.int64)


def _differences(column: npt.NDArray[np.int64]) -> list[int]:
    return [int(each) for each in np.diff(column, prepend=0)]


def _runs(marks: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """From which to which (exclusive) all are true."""
    edges = np.flatnonzero(np.diff(marks.astype(np.int8), prepend=0, append=0))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
