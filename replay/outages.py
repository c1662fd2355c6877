"""What each lost connection cost, step by step."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from msgspec import Struct

from replay import journal
from replay.lags import partial_lags
from replay.statistics import Floats, quantile
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
    return [_outage(timeline, lost, lags) for lost in losses(timeline)]


def losses(timeline: Timeline) -> list[journal.Lost]:
    """The losses that interrupted the session: not its own end, nor what came after that."""
    over = timeline.first(journal.Ended)
    return [
        lost
        for lost in timeline.all(journal.Lost)
        if not (lost.cause == "ended" or (over and lost.t > over.t))
        and not (lost.cause == "closed" and on_close(lost.code) is not Close.RECONNECT)
    ]


def _outage(timeline: Timeline, lost: journal.Lost, lags: tuple[Floats, Floats]) -> Outage:
    outage = Outage(
        connection=lost.connection,
        cause=lost.cause,
        fault=_fault(timeline, lost),
        detect_ms=_ms(_last_sign(timeline, lost), lost.t),
    )
    back = _after(timeline.all(journal.Connected), lost.t)
    until = back.t if back else timeline.last
    outage.backoff_ms, outage.connect_ms = _waits(timeline, lost.t, until)
    if back is None:
        return outage
    again = back.connection
    outage.down_ms = _ms(lost.t, back.t)
    caught = [e for e in timeline.all(journal.CaughtUp) if e.connection == again]
    outage.flush_ms = _ms(back.t, caught[0].t if caught else None)
    acked = timeline.acks.t[timeline.acks.connection == again]
    outage.first_ack_ms = _ms(back.t, int(acked[0]) if len(acked) else None)
    heard = (h.t for h, _ in timeline.messages(Transcript) if h.connection == again)
    outage.first_transcript_ms = _ms(back.t, next(heard, None))
    outage.caught_up_ms = _caught_up(lost.t, back.t, *lags)
    outage.resent_bytes = _resent(timeline, again)
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
    acks = timeline.acks.t[timeline.acks.connection == lost.connection]
    signs = [
        *(e.t for e in timeline.all(journal.Connected) if e.connection == lost.connection),
        *(h.t for h in timeline.heard if h.connection == lost.connection),
        *acks[-1:].tolist(),
    ]
    return max((t for t in signs if t <= lost.t), default=None)


def _waits(timeline: Timeline, start: int, end: int) -> tuple[float, float]:
    """Time spent waiting for the next attempt, and in attempts, within an outage, in ms."""
    attempts = sorted(
        entry.t for entry in timeline.all(journal.Connecting) if start <= entry.t <= end
    )
    results = [
        *(e.t for e in timeline.all(journal.ConnectRefused) if start <= e.t <= end),
        *(e.t for e in timeline.all(journal.Connected) if start <= e.t <= end),
        end,
    ]
    trying = sum(min(t for t in results if t >= begun) - begun for begun in attempts)
    waiting = 0
    for entry in timeline.all(journal.Backoff):
        if start <= entry.t <= end:
            over = min([entry.until, end, *(t for t in attempts if t >= entry.t)])
            waiting += max(over - entry.t, 0)
    return round(waiting / _NS_PER_MS, 3), round(trying / _NS_PER_MS, 3)


def _caught_up(lost: int, back: int, times: Floats, lags: Floats) -> float | None:
    before = np.sort(lags[times < lost])
    if not len(before):
        return None
    usual = quantile(before, 0.95)
    # Lags are differences of floats: a nanosecond is not a matter of being back or not.
    settled = times[(times >= back) & (lags <= usual + 1e-9)]
    return _ms(back, int(settled[0])) if len(settled) else None


def _resent(timeline: Timeline, connection: int) -> int:
    frames = timeline.frames
    mine = frames.connection == connection
    earlier = frames.connection < connection
    reached = int((frames.offset + frames.size)[earlier].max(initial=0))
    ends = np.minimum(frames.offset + frames.size, reached)
    return int(np.maximum(ends - frames.offset, 0)[mine].sum())


def _after(entries: Iterable[journal.Connected], t: int) -> journal.Connected | None:
    return next((entry for entry in entries if entry.t >= t), None)


def _ms(start: int | None, end: int | None) -> float | None:
    return None if start is None or end is None else round((end - start) / _NS_PER_MS, 3)
