"""The plain ways of what is done fast: walks through everything, and tables in full.

What measuring and judging find by indexes, or by arithmetic on columns, must be what these find.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from replay import journal as j
from replay import outages
from replay.judge import acks
from replay.judge.case import Case
from replay.judge.told import _NEAR, Final
from replay.lags import partial_lags
from replay.statistics import quantile
from replay.timeline import Timeline
from replay.utterances import Utterances
from replay.wire.messages import Transcript

EDIT = 1 << 20


def pairs(a: Sequence[str], b: Sequence[str], *, open_end: bool) -> list[tuple[int, int]]:
    """`align._exact` by two full tables: edits first, runs second."""
    n, m = len(a), len(b)
    never = EDIT * (n + m + 2)
    gap = [[k * EDIT for k in range(m + 1)]] + [[never] * (m + 1) for _ in range(n)]
    run = [[never] * (m + 1) for _ in range(n + 1)]
    for i in range(1, n + 1):
        gap[i][0] = i * EDIT
        for k in range(1, m + 1):
            before = [t[i - x][k - y] for t in (gap, run) for x, y in ((1, 1), (1, 0), (0, 1))]
            gap[i][k] = min(before) + EDIT
            if a[i - 1] == b[k - 1]:
                run[i][k] = min(run[i - 1][k - 1], gap[i - 1][k - 1] + 1)
    best = [min(gap[n][k], run[n][k]) for k in range(m + 1)]
    return _trace(gap, run, n, best.index(min(best)) if open_end else m)


def _trace(gap: list[list[int]], run: list[list[int]], i: int, k: int) -> list[tuple[int, int]]:
    found = []
    in_run = run[i][k] <= gap[i][k]
    while i and k:
        if in_run:
            in_run = run[i - 1][k - 1] <= gap[i - 1][k - 1] + 1 and i > 1 and k > 1
            i, k = i - 1, k - 1
            found.append((i, k))
            continue
        cost = gap[i][k] - EDIT
        steps = ((i - 1, k - 1), (i - 1, k), (i, k - 1))
        i, k = next(at for at in steps if min(gap[at[0]][at[1]], run[at[0]][at[1]]) == cost)
        in_run = run[i][k] <= gap[i][k]
    return found[::-1]


def near(wanted: Final, found: Sequence[Final]) -> list[str]:
    """What was said about where a final lies."""
    return [
        word
        for each in found
        if each.channel == wanted.channel
        and each.end >= wanted.start - _NEAR
        and each.start <= wanted.end + _NEAR
        for word in each.words
    ]


def account(case: Case) -> acks.Account:
    """`judge.acks.account`, one acknowledgement after another."""
    found = acks.Account()
    expected = 0 if case.opened_here else None
    for number in sorted({each.connection for each in case.timeline.all(j.Connected)}):
        expected = _connection(case, found, number, expected)
    return found


def _connection(case: Case, found: acks.Account, number: int, expected: int | None) -> int | None:
    frames = [each for each in case.timeline.all(j.Frame) if each.connection == number]
    base = None
    told = known = 0
    limit = acks._heard_before(case, number)
    for ack in case.timeline.all(j.Ack):
        if ack.connection != number:
            continue
        if ack.end < ack.start or ack.start < 0:
            text = f"acknowledged {ack.start}..{ack.end}"
            found.findings.append(acks._broken(case, ack.t, number, text))
            continue
        if base is None:
            base = ack.start
            acks._first(case, found, number, ack.t, ack.start, expected)
        elif ack.start != expected:
            found.findings.append(acks._out_of_line(case, ack.t, number, ack.start, expected or 0))
        expected = ack.end
        out = sum(each.size for each in frames if each.t <= ack.t)
        if ack.end - base > out:
            text = f"acknowledged {ack.end - base - out} bytes more than were sent"
            found.findings.append(acks._broken(case, ack.t, number, text))
        told = max(told, min(ack.end - base, out))
        known = told if ack.t < limit else known
    found.open += sum(each.size for each in frames) - told
    found.untold += told - known
    return expected


def lost(timeline: Timeline, utterances: Utterances) -> list[outages.Outage]:
    """`outages.measure`, every outage by a walk through the journal."""
    times, lags = partial_lags(timeline, utterances, timeline.spoken)
    found = []
    for each in outages.losses(timeline):
        outage = outages.Outage(
            connection=each.connection,
            cause=each.cause,
            fault=outages._fault(timeline, each),
            detect_ms=_ms(_last_sign(timeline, each), each.t),
        )
        found.append(outage)
        back = next((e for e in timeline.all(j.Connected) if e.t >= each.t), None)
        until = back.t if back else timeline.last
        outage.backoff_ms, outage.connect_ms = _waits(timeline, each.t, until)
        if back is None:
            continue
        new = back.connection
        outage.down_ms = _ms(each.t, back.t)
        caught = (e.t for e in timeline.all(j.CaughtUp) if e.connection == new)
        outage.flush_ms = _ms(back.t, next(caught, None))
        acked = (e.t for e in timeline.all(j.Ack) if e.connection == new)
        outage.first_ack_ms = _ms(back.t, next(acked, None))
        heard = (
            h.t for h in timeline.heard if h.connection == new and isinstance(h.message, Transcript)
        )
        outage.first_transcript_ms = _ms(back.t, next(heard, None))
        before = np.sort(lags[times < each.t])
        if len(before):
            usual = quantile(before, 0.95) + 1e-9
            settled = [
                t for t, lag in zip(times, lags, strict=True) if t >= back.t and lag <= usual
            ]
            outage.caught_up_ms = _ms(back.t, int(settled[0]) if settled else None)
        outage.resent_bytes = _resent(timeline, new)
    return found


def _last_sign(timeline: Timeline, each: j.Lost) -> int | None:
    acked = [e.t for e in timeline.all(j.Ack) if e.connection == each.connection]
    signs = [
        *(e.t for e in timeline.all(j.Connected) if e.connection == each.connection),
        *(h.t for h in timeline.heard if h.connection == each.connection),
        *acked[-1:],
    ]
    return max((t for t in signs if t <= each.t), default=None)


def _waits(timeline: Timeline, start: int, end: int) -> tuple[float, float]:
    attempts = [e.t for e in timeline.all(j.Connecting) if start <= e.t <= end]
    results = [
        *(e.t for e in timeline.all(j.ConnectRefused) if start <= e.t <= end),
        *(e.t for e in timeline.all(j.Connected) if start <= e.t <= end),
        end,
    ]
    trying = sum(min(t for t in results if t >= begun) - begun for begun in attempts)
    waiting = 0
    for entry in timeline.all(j.Backoff):
        if start <= entry.t <= end:
            over = min([entry.until, end, *(t for t in attempts if t >= entry.t)])
            waiting += max(over - entry.t, 0)
    return round(waiting / 1e6, 3), round(trying / 1e6, 3)


def _resent(timeline: Timeline, connection: int) -> int:
    frames = timeline.all(j.Frame)
    earlier = [e.offset + e.size for e in frames if e.connection < connection]
    reached = max(earlier, default=0)
    mine = [e for e in frames if e.connection == connection]
    return sum(max(min(e.offset + e.size, reached) - e.offset, 0) for e in mine)


def _ms(start: int | None, end: int | None) -> float | None:
    return None if start is None or end is None else round((end - start) / 1e6, 3)
