"""The service's own account of the audio, held against what was sent to it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from replay import journal
from replay.continuity import Finding
from replay.faults.moments import BETWEEN
from replay.judge.case import Case, Outcome, judged, not_applicable
from replay.timeline import Ints

#: Faults that change what acknowledgements say, or which of them arrive.
_EDITING = ("dupack", "regressack")
#: Faults that do away with the acknowledgement that is passing.
_AT_HAND = ("loseacks", "corrupt")
#: Faults that keep acknowledgements from a client.
_EATING = (*_EDITING, *_AT_HAND, "blackhole", "hold", "delay", "throttle", "coalesce")
#: A frame, and what was done to it, are written down so shortly after each other, in ns.
_SAME_FRAME = 10_000_000
#: An acknowledgement that went out so shortly before a loss may not have arrived, in ns.
_ON_ITS_WAY = 100_000_000


@dataclass(slots=True)
class Account:
    """What a walk along all acknowledgements shows.

    Attributes:
        arrived: of each connection that was acknowledged, the bytes that the service had recorded
            on earlier ones without having told.
        untold: bytes that were recorded, but whose acknowledgement the client may not have had.
        open: bytes sent whose fate no later acknowledgement has told.
    """

    findings: list[Finding] = field(default_factory=list)
    arrived: dict[int, int] = field(default_factory=dict)
    untold: int = 0
    open: int = 0


def account(case: Case) -> Account:
    """Fold all acknowledgements, connection by connection."""
    found = Account()
    expected = 0 if case.opened_here else None
    for number in sorted({each.connection for each in case.timeline.all(journal.Connected)}):
        expected = _connection(case, found, number, expected)
    return found


def _connection(case: Case, found: Account, number: int, expected: int | None) -> int | None:
    frames, acks = case.timeline.frames, case.timeline.acks
    mine = frames.connection == number
    order = np.argsort(frames.t[mine], kind="stable")
    times, total = frames.t[mine][order], np.cumsum(frames.size[mine][order])
    here = acks.connection == number
    base: int | None = None
    told = known = 0
    limit = _heard_until(case, number)
    for t, start, end in zip(acks.t[here], acks.start[here], acks.end[here], strict=True):
        at, first, last = int(t), int(start), int(end)
        if last < first or first < 0:
            found.findings.append(_broken(case, at, number, f"acknowledged {first}..{last}"))
            continue
        if base is None:
            base = first
            _first(case, found, number, at, first, expected)
        elif first != expected:
            found.findings.append(_out_of_line(case, at, number, first, expected or 0))
        expected = last
        out = _sent_by(times, total, at)
        if last - base > out:
            more = last - base - out
            text = f"acknowledged {more} bytes more than were sent"
            found.findings.append(_broken(case, at, number, text))
        told = max(told, min(last - base, out))
        known = told if at <= limit else known
    found.open += (int(total[-1]) if len(total) else 0) - told
    found.untold += told - known
    return expected


def unacknowledged(case: Case, before: int) -> int:
    """Bytes that connections before this one brought, and that were not acknowledged on them."""
    frames, acks = case.timeline.frames, case.timeline.acks
    total = 0
    for number in {each.connection for each in case.timeline.all(journal.Connected)}:
        if number < before:
            mine = acks.connection == number
            told = int(acks.end[mine].max() - acks.start[mine][0]) if mine.any() else 0
            total += max(int(frames.size[frames.connection == number].sum()) - told, 0)
    return total


def _heard_until(case: Case, number: int) -> float:
    """Until when acknowledgements of a connection surely reached the client."""
    if not case.foreign:
        return float("inf")
    lost = [e.t - _ON_ITS_WAY for e in case.losses if e.connection == number]
    eaten = [
        _before(case, e, number)
        for e in case.fired
        if e.connection in (0, number) and (e.fault in _EATING or _at_ack(e))
    ]
    return min([float("inf"), *lost, *eaten])


def _at_ack(fired: journal.FaultFired) -> bool:
    """It struck an acknowledgement that was recorded, and did not go on to the client."""
    return str(fired.at.get("trigger", "")).startswith(BETWEEN)


def _before(case: Case, fired: journal.FaultFired, number: int) -> int:
    """Until when acknowledgements reached the client before a fault. One that does away with the
    frame at hand is written down right after that frame, which never arrived."""
    if fired.fault not in _AT_HAND and not _at_ack(fired):
        return fired.t
    acks = case.timeline.acks
    near = (acks.connection == number) & (acks.t <= fired.t) & (acks.t > fired.t - _SAME_FRAME)
    return int(acks.t[near][-1]) - 1 if near.any() else fired.t


def _first(
    case: Case, found: Account, number: int, t: int, start: int, expected: int | None
) -> None:
    """The first acknowledgement of a connection says what had arrived before."""
    possible, found.open = found.open, 0
    if expected is None:
        return
    arrived = start - expected
    found.arrived[number] = max(arrived, 0)
    if arrived < 0:
        text = f"lost {-arrived} bytes that it had acknowledged"
    elif arrived > possible:
        text = f"counts {arrived - possible} bytes that were never sent"
    else:
        return
    found.findings.append(_broken(case, t, number, text))


def _sent_by(times: Ints, total: Ints, t: int) -> int:
    count = int(np.searchsorted(times, t, side="right"))
    return int(total[count - 1]) if count else 0


def _out_of_line(case: Case, t: int, number: int, start: int, expected: int) -> Finding:
    if start == expected + 1:
        text = f"skipped a byte at {expected}: the end of the range looks inclusive"
    elif start > expected:
        text = f"skipped {start - expected} bytes at {expected}"
    else:
        text = f"went back {expected - start} bytes from {expected}"
    return _broken(case, t, number, text)


def _broken(case: Case, t: int, connection: int, text: str) -> Finding:
    detail = f"acknowledgements: the service {text}"
    return case.finding("A3", "error", detail, t, connection=connection)


def a3(case: Case) -> Outcome:
    """See `INVARIANTS`. What the client's own account has put down already is not said again."""
    if not len(case.timeline.acks.t):
        return not_applicable("nothing was acknowledged")
    seen = any(each.invariant == "A3" for each in case.timeline.all(journal.Observation))
    return judged([] if seen else account(case).findings)
