"""What each lost connection cost, step by step."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate

import numpy as np
from msgspec import Struct

from replay import journal
from replay.lags import partial_lags
from replay.statistics import Floats, rank
from replay.timeline import Timeline
from replay.utterances import Utterances
from replay.wire.closing import Close, on_close
from replay.wire.messages import Transcript

_NS_PER_MS = 1e6
#: A loss may be put down so much before the fault that brought it, in ns.
_TOGETHER = 50_000_000


class Outage(Struct, kw_only=True):
    """One loss of a connection, in ms; None for a step that was never reached.

    connection: the one that was lost; cause: how that was noticed; fault: the last one that had
    been done to it, if any. detect: from the last sign of
    life to the loss. down: from the loss to the next open connection, of which backoff was spent
    waiting and connect in attempts. From the new connection's opening: flush until everything
    spoken had been sent again, first_ack, first_transcript, and caught_up until the lag of partials
    was back within the 95th percentile of what it was before. resent_bytes: sent a second time.
    """

    connection: int
    cause: str
    fault: str | None = None
    down_ms: float | None = None
    detect_ms: float | None = None
    backoff_ms: float | None = None
    connect_ms: float | None = None
    flush_ms: float | None = None
    first_ack_ms: float | None = None
    first_transcript_ms: float | None = None
    caught_up_ms: float | None = None
    resent_bytes: int = 0


def measure(timeline: Timeline, utterances: Utterances) -> list[Outage]:
    """Every loss that the client did not bring about by ending the session."""
    lags = partial_lags(timeline, utterances, timeline.spoken)
    events = _Events(timeline)
    return [_outage(timeline, events, lost, lags) for lost in losses(timeline)]


def losses(timeline: Timeline) -> list[journal.Lost]:
    """The losses that interrupted the session: not its own end, nor what came after that."""
    over = timeline.first(journal.Ended)
    return [
        lost
        for lost in timeline.all(journal.Lost)
        if not (lost.cause == "ended" or (over and lost.t > over.t))
        and not (lost.cause == "closed" and on_close(lost.code) is not Close.RECONNECT)
    ]


class _Events:
    """What outages are told by, so that each is found without a walk through all.

    Attributes:
        caught, told: by connection, when it had first caught up and first brought a transcript.
        attempts, results: when attempts to connect began, and ended, sorted.
        backoffs: when pauses began, and until when they were to last, sorted.
        reached: by connection, how far the audio of all before it went.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._opened = timeline.all(journal.Connected)
        self._opened_by = list(accumulate((each.t for each in self._opened), max))
        self.caught: dict[int, int] = {}
        for each in timeline.all(journal.CaughtUp):
            self.caught.setdefault(each.connection, each.t)
        self.told: dict[int, int] = {}
        for heard, _ in timeline.messages(Transcript):
            self.told.setdefault(heard.connection, heard.t)
        self.attempts = sorted(each.t for each in timeline.all(journal.Connecting))
        ended = (*timeline.all(journal.ConnectRefused), *self._opened)
        self.results = sorted(each.t for each in ended)
        self.backoffs = sorted((each.t, each.until) for each in timeline.all(journal.Backoff))
        ends = timeline.frames.offset + timeline.frames.size
        self.reached: dict[int, int] = {}
        furthest = 0
        for connection, rows in timeline.frames_of.items():
            self.reached[connection] = furthest
            furthest = max(furthest, int(ends[rows].max()))

    def opened_after(self, t: int) -> journal.Connected | None:
        """The first connection, in the journal's order, that opened then or later."""
        at = bisect_left(self._opened_by, t)
        return self._opened[at] if at < len(self._opened) else None


def _outage(
    timeline: Timeline, events: _Events, lost: journal.Lost, lags: tuple[Floats, Floats]
) -> Outage:
    outage = Outage(
        connection=lost.connection,
        cause=lost.cause,
        fault=_fault(timeline, lost),
        detect_ms=_ms(_last_sign(timeline, lost), lost.t),
    )
    back = events.opened_after(lost.t)
    until = back.t if back else timeline.last
    outage.backoff_ms, outage.connect_ms = _waits(events, lost.t, until)
    if back is None:
        return outage
    again = back.connection
    outage.down_ms = _ms(lost.t, back.t)
    outage.flush_ms = _ms(back.t, events.caught.get(again))
    acked = timeline.acks_of.get(again)
    outage.first_ack_ms = _ms(back.t, None if acked is None else int(timeline.acks.t[acked[0]]))
    outage.first_transcript_ms = _ms(back.t, events.told.get(again))
    outage.caught_up_ms = _caught_up(lost.t, back.t, *lags)
    outage.resent_bytes = _resent(timeline, events, again)
    return outage


def windows(timeline: Timeline, found: list[Outage]) -> list[tuple[int, int]]:
    """From when to when each outage disturbed the session, in journal ns: from the last sign of
    life until the transcript had caught up, or else the audio, or to the end of it all."""
    spans = []
    for lost, outage in zip(losses(timeline), found, strict=True):
        begun = lost.t - round((outage.detect_ms or 0) * _NS_PER_MS)
        settled = outage.caught_up_ms if outage.caught_up_ms is not None else outage.flush_ms
        if outage.down_ms is None or settled is None:
            spans.append((begun, timeline.last))
        else:
            spans.append((begun, lost.t + round((outage.down_ms + settled) * _NS_PER_MS)))
    return spans


def unended(timeline: Timeline, utterances: Utterances, found: list[Outage]) -> list[float | None]:
    """How long each outage lasted at least, in ms, that was never seen to end: there was no
    connection again, and the session did not come to its result without one; or partials came
    again, and their lag was never back. None for all others."""
    times, _ = partial_lags(timeline, utterances, timeline.spoken)
    over = timeline.first(journal.Ended)
    came = over is not None and over.outcome in ("complete", "recovered")
    bounds: list[float | None] = []
    for lost, outage in zip(losses(timeline), found, strict=True):
        if outage.down_ms is None:
            bounds.append(None if came else _ms(lost.t, timeline.last))
            continue
        back = lost.t + round(outage.down_ms * _NS_PER_MS)
        told = len(times) > 0 and bool(times[0] < lost.t) and bool(times[-1] >= back)
        lagging = told and outage.caught_up_ms is None
        bounds.append(_ms(lost.t, int(times[-1])) if lagging else None)
    return bounds


def _fault(timeline: Timeline, lost: journal.Lost) -> str | None:
    """The last fault before a loss, on its connection or on the whole way."""
    done = [
        each.text
        for each in timeline.all(journal.FaultFired)
        if each.t <= lost.t + _TOGETHER and each.connection in (0, lost.connection)
    ]
    return done[-1] if done else None


def _last_sign(timeline: Timeline, lost: journal.Lost) -> int | None:
    """When this connection last brought anything, its own opening included."""
    acked = timeline.acks_of.get(lost.connection)
    signs = [] if acked is None else [int(timeline.acks.t[acked[-1]])]
    told = timeline.told_by(lost.connection, lost.t)
    signs += [] if told is None else [told]
    return max((t for t in signs if t <= lost.t), default=None)


def _waits(events: _Events, start: int, end: int) -> tuple[float, float]:
    """Time spent waiting for the next attempt, and in attempts, within an outage, in ms."""
    attempts = _within(events.attempts, start, end)
    results = [*_within(events.results, start, end), end]
    trying = sum(results[bisect_left(results, begun)] - begun for begun in attempts)
    waiting = 0
    first = bisect_left(events.backoffs, (start,))
    for t, until in events.backoffs[first : bisect_left(events.backoffs, (end + 1,))]:
        following = attempts[bisect_left(attempts, t) :][:1]
        waiting += max(min([until, end, *following]) - t, 0)
    return round(waiting / _NS_PER_MS, 3), round(trying / _NS_PER_MS, 3)


def _within(times: list[int], start: int, end: int) -> list[int]:
    return times[bisect_left(times, start) : bisect_right(times, end)]


def _caught_up(lost: int, back: int, times: Floats, lags: Floats) -> float | None:
    before = lags[: np.searchsorted(times, lost)]
    if not len(before):
        return None
    at = rank(len(before), 0.95)
    usual = np.partition(before, at)[at]
    # Lags are differences of floats: a nanosecond is not a matter of being back or not.
    settled = times[(times >= back) & (lags <= usual + 1e-9)]
    return _ms(back, int(settled[0])) if len(settled) else None


def _resent(timeline: Timeline, events: _Events, connection: int) -> int:
    rows = timeline.frames_of.get(connection)
    if rows is None:
        return 0
    starts = timeline.frames.offset[rows]
    ends = np.minimum(starts + timeline.frames.size[rows], events.reached[connection])
    return int(np.maximum(ends - starts, 0).sum())


def _ms(start: int | None, end: int | None) -> float | None:
    return None if start is None or end is None else round((end - start) / _NS_PER_MS, 3)
