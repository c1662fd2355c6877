"""The finals of a session: as they were told, as the result has them, as controls have them.

Two finals say the same when they lie in the same time and have the same words, whatever their
case and punctuation; a service may cut the same speech into other utterances each time, so the
words of a final are looked for in all finals that lie about there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from replay import journal
from replay.align import fold, matched
from replay.faults import UP
from replay.faults.kinds import JOIN_SECONDS
from replay.judge.case import CATCHES_UP, NS, Case, delay
from replay.statistics import Floats
from replay.timeline import Timeline
from replay.wire.config import SessionConfig
from replay.wire.http import Job
from replay.wire.messages import Transcript, Utterance

#: Words are looked for among those that lie so near in time, in seconds.
_NEAR = 0.75
#: A final of which fewer of the words are found has been lost, not changed.
_LOST_BELOW = 0.5
#: An attempt that fails within so many ns has met nobody.
_AT_ONCE = NS // 4
#: Nobody can time a final better than this, in seconds.
_MARGIN = 0.5


@dataclass(frozen=True, slots=True)
class Final:
    """One final. `start` and `end`: seconds of audio as the client counts; `recorded`: the same as
    the service counts, None where no service of this run did."""

    text: str
    start: float
    end: float
    channel: int = 0
    id: str = ""
    t: int = 0
    connection: int = 0
    words: tuple[str, ...] = field(default=(), compare=False)
    recorded: tuple[float, float] | None = field(default=None, compare=False)


def final(text: str, start: float, end: float, channel: int = 0, **where: object) -> Final:
    """A final with its words folded."""
    words = tuple(filter(None, map(fold, text.split())))
    return Final(text.strip(), start, end, channel, words=words, **where)  # type: ignore[arg-type]


def told(timeline: Timeline) -> list[Final]:
    """Every final as it came, those that came twice included."""
    came = [each for each in timeline.messages(Transcript) if each[1].data.is_final]
    axis = _axis(timeline, [message.data.utterance for _, message in came])
    return [
        final(
            message.data.utterance.text,
            *span,
            message.data.utterance.channel,
            id=message.data.id,
            t=heard.t,
            connection=heard.connection,
            recorded=(message.data.utterance.start, message.data.utterance.end),
        )
        for (heard, message), span in zip(came, axis, strict=True)
    ]


def filed(timeline: Timeline, job: Job | None) -> list[Final] | None:
    """The utterances of the job's result; None without one."""
    if job is None or not job.result:
        return None
    said = job.result.transcription.utterances
    axis = _axis(timeline, said)
    return [
        final(each.text, *span, each.channel, recorded=(each.start, each.end))
        for each, span in zip(said, axis, strict=True)
    ]


def _axis(timeline: Timeline, said: Sequence[Utterance]) -> list[tuple[float, float]]:
    """Where utterances begin and end on the client's axis, in seconds. Where acknowledgements were
    lost, an end may come out before its beginning: then the length by the service counts."""
    rate = timeline.format.bytes_per_second
    starts = timeline.offset_of([each.start for each in said]) / rate
    ends = timeline.offset_of([each.end for each in said]) / rate
    lengths = np.array([each.end - each.start for each in said], dtype=np.float64)
    ends = np.where(ends < starts, starts + lengths, ends)
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def once(finals: Sequence[Final]) -> list[Final]:
    """Each utterance as it was told last, in the order of speech."""
    kept = {(each.channel, each.id or each.text, each.text, each.start): each for each in finals}
    return sorted(kept.values(), key=lambda each: (each.channel, each.start))


def missing(expected: Sequence[Final], found: Sequence[Final]) -> tuple[list[Final], list[Final]]:
    """Those of `expected` that are not among `found`, and those that are there in other words."""
    lost, changed = [], []
    about = _About(found)
    for each in expected:
        share = _share(each, about.words(each))
        if share < _LOST_BELOW:
            lost.append(each)
        elif share < 1:
            changed.append(each)
    return lost, changed


class _About:
    """Finds what was said about a time."""

    def __init__(self, finals: Sequence[Final]) -> None:
        self._finals = finals
        self._channel = np.array([each.channel for each in finals], dtype=np.int64)
        self._start = np.array([each.start for each in finals], dtype=np.float64)
        self._end = np.array([each.end for each in finals], dtype=np.float64)

    def words(self, wanted: Final) -> list[str]:
        """All words of the finals that lie about where this one does, on its channel."""
        near = (
            (self._channel == wanted.channel)
            & (self._end >= wanted.start - _NEAR)
            & (self._start <= wanted.end + _NEAR)
        )
        found = np.flatnonzero(near).tolist()
        return [word for index in found for word in self._finals[index].words]


def _share(wanted: Final, near: Sequence[str]) -> float:
    """How much of a final's words stand, in order, in what was said about there."""
    return matched(wanted.words, near) / len(wanted.words) if wanted.words else 1.0


def doubled(finals: Sequence[Final]) -> list[tuple[Final, Final]]:
    """Finals that say again, in the same time, what an earlier one said: the earlier, the later."""
    pairs = []
    for index, later in enumerate(finals):
        for earlier in finals[max(0, index - 50) : index]:
            same = earlier.words == later.words and earlier.channel == later.channel
            if same and _same_time((earlier.start, earlier.end), (later.start, later.end)):
                pairs.append((earlier, later))
                break
    return pairs


def recorded_twice(one: Final, other: Final) -> bool:
    """Are these of the same audio, which the service has twice?"""
    if one.recorded is None or other.recorded is None:
        return False
    return not _same_time(one.recorded, other.recorded)


def _same_time(one: tuple[float, float], other: tuple[float, float]) -> bool:
    common = min(one[1], other[1]) - max(one[0], other[0])
    return common > 0.5 * min(one[1] - one[0], other[1] - other[0]) or one == other


@dataclass(frozen=True, slots=True)
class Difference:
    """What a run's finals have otherwise than a control's."""

    lost: list[Final]
    changed: list[Final]
    extra: list[Final]


def difference(control: Sequence[Final], run: Sequence[Final]) -> Difference:
    lost, changed = missing(control, run)
    return Difference(lost, changed, missing(run, control)[0])


def controls(timeline: Timeline) -> list[list[Final]]:
    """The finals of every control that the journal holds."""
    return [
        [final(each.text, each.start, each.end, each.channel) for each in entry.finals]
        for entry in timeline.all(journal.Control)
    ]


def spread(runs: Sequence[Sequence[Final]]) -> tuple[int, int, int]:
    """How many finals controls have lost, changed and added among themselves, at most."""
    between = [difference(one, other) for one, other in permutations(runs, 2)]
    return (
        max((len(each.lost) for each in between), default=0),
        max((len(each.changed) for each in between), default=0),
        max((len(each.extra) for each in between), default=0),
    )


def on_its_way(case: Case, unheard: Final, finals: Sequence[Final]) -> bool:
    """May this final have been under way when a connection broke, and been lost with it?

    A service cannot know that it did not arrive: messages have no acknowledgement. It was due as
    long after its audio as the others, between the quickest and the common of them; any audio
    arrived some time between its first sending and its acknowledgement. Its audio may end with the
    silence that ends an utterance, and that may have come much later.
    """
    after_sending, after_ack = _delays(case, finals)
    (sent, _), (_, acked) = _came(case, np.array([unheard.end, unheard.end + _silence(case)]))
    if unheard.recorded is not None:
        since, until = _recorded(case, unheard.recorded[1])
        sent, acked = min(sent, since), max(acked, until)
    earliest = sent + min([*after_ack[after_ack >= 0], *after_sending], default=0.0)
    # Where no other final came, nobody knows how long they take.
    latest = acked + (float(np.median(after_sending)) if len(after_sending) else np.inf)
    margin = _MARGIN * NS
    return any(
        earliest - margin <= until and since <= latest + margin for since, until in _in_doubt(case)
    )


def _recorded(case: Case, end: float) -> tuple[float, float]:
    """Between which times, in ns, the service has come to record so many seconds: by the last
    acknowledgement of less, and the first of as much with the silence behind it. It also holds
    where connections recorded something that was never acknowledged to them."""
    acks, rate = case.timeline.acks, case.timeline.format.bytes_per_second
    top = np.maximum.accumulate(acks.end)
    before = int(np.searchsorted(top, end * rate, side="left")) - 1
    after = int(np.searchsorted(top, (end + _silence(case)) * rate, side="left"))
    since = float(acks.t[before]) - _MARGIN * NS if before >= 0 else 0.0
    return since, float(acks.t[after] if after < len(top) else case.timeline.last)


def _silence(case: Case) -> float:
    """Seconds without speech after which this service makes a final."""
    asked = case.timeline.header.config.get("endpointing")
    return float(asked) if isinstance(asked, int | float) else SessionConfig().endpointing


def _delays(case: Case, finals: Sequence[Final]) -> tuple[Floats, Floats]:
    """From the sending of each final's audio, and from its acknowledgement, to the final, in ns."""
    sent, acked = _came(case, np.array([each.end for each in finals], dtype=np.float64))
    told_at = np.array([each.t for each in finals], dtype=np.float64)
    first, last = told_at - sent, told_at - acked
    # Nothing is told before it is sent: where it seems so, one of the two times is not known.
    return first[first >= 0], last[~np.isnan(last)]


def _came(case: Case, ends: Floats) -> tuple[Floats, Floats]:
    """When the audio up to `ends` (seconds) was sent first, and when it was acknowledged, in ns."""
    timeline = case.timeline
    offsets = np.minimum(ends * timeline.format.bytes_per_second, timeline.sent)
    acked = timeline.acknowledged(offsets)
    acked = np.where(np.isnan(acked), float(timeline.last), acked)
    return timeline.first_sent(offsets), acked


def _in_doubt(case: Case) -> list[tuple[float, float]]:
    """Spans in which what the service told may not have arrived: from a connection's last sign of
    life to its loss, attempts that the service may have taken for connections, and the moments at
    which a fault of ours spoilt a message."""
    spans: list[tuple[int, int]] = []
    for lost in case.timeline.all(journal.Lost):
        since = _last_sign(case, lost)
        spans.append((since - _late(case, since, lost.t), lost.t))
    spans += [
        (each.t, each.failed_at)
        for each in case.attempts
        if each.opened_at is None
        and each.status is None
        and each.failed_at is not None
        and each.failed_at - each.t > _AT_ONCE
    ]
    spans += [(each.t, each.t) for each in case.fired if each.fault == "corrupt"]
    return [(float(since), float(until)) for since, until in spans]


def _late(case: Case, since: int, until: int) -> int:
    """How late, in ns, what came then may have been by our own faults on its way, or by one that
    was over just before: what waited comes at once then."""
    late = 0
    for fired in case.fired:
        over = case.until(fired)
        if fired.direction == UP or fired.t > until or over < since - CATCHES_UP:
            continue
        match fired.fault:
            case "delay":
                late = max(late, delay(fired))
            case "throttle" | "hold":
                late = max(late, since - fired.t)
            case "coalesce":
                late = max(late, round(JOIN_SECONDS * NS))
    return late


def _last_sign(case: Case, lost: journal.Lost) -> int:
    """When a connection last brought anything, its own opening included."""
    acks, until = case.timeline.acks, lost.t
    acked = acks.t[(acks.connection == lost.connection) & (acks.t <= until)][-1:].tolist()
    told = case.timeline.told_by(lost.connection, until)
    return max([*acked, *([] if told is None else [told])], default=until)
