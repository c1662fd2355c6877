"""The service's own account of the audio, held against what was sent to it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from replay import journal
from replay.continuity import Finding
from replay.faults import DOWN
from replay.judge.case import Case, Outcome, judged, not_applicable, took_ack

#: Faults that change what acknowledgements say, or which of them arrive.
_EDITING = ("dupack", "regressack")
#: Faults that do away with the acknowledgement that is passing.
_AT_HAND = ("loseacks", "corrupt")
#: Faults that keep acknowledgements from a client.
_EATING = (*_EDITING, *_AT_HAND, "blackhole", "hold", "delay", "throttle", "coalesce")
#: A frame, and what was done to it, are written down so shortly after each other, in ns.
_SAME_FRAME = 10_000_000
_NONE = np.empty(0, dtype=np.int64)
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
    timeline = case.timeline
    frames, acks = timeline.frames, timeline.acks
    mine = timeline.frames_of.get(number, _NONE)
    order = mine[np.argsort(frames.t[mine], kind="stable")]
    total = np.concatenate(([0], np.cumsum(frames.size[order])))
    here = timeline.acks_of.get(number, _NONE)
    ranges = (acks.end[here] >= acks.start[here]) & (acks.start[here] >= 0)
    whole = here[ranges]
    reached = acks.end[whole] - acks.start[whole[:1]]
    sent = total[np.searchsorted(frames.t[order], acks.t[whole], side="right")]
    due = np.concatenate(([expected or 0], acks.end[whole]))
    # Few of an hour's acknowledgements say anything that was not expected of them.
    odd = (acks.start[whole] != due[:-1]) | (reached > sent)
    odd[:1] = True
    for row in np.sort(np.concatenate((here[~ranges], whole[odd]))).tolist():
        at, first, last = int(acks.t[row]), int(acks.start[row]), int(acks.end[row])
        k = int(np.searchsorted(whole, row))
        if k == len(whole) or whole[k] != row:
            found.findings.append(_broken(case, at, number, f"acknowledged {first}..{last}"))
            continue
        if k == 0:
            _first(case, found, number, at, first, expected)
        elif first != due[k]:
            found.findings.append(_out_of_line(case, at, number, first, int(due[k])))
        if reached[k] > sent[k]:
            text = f"acknowledged {int(reached[k] - sent[k])} bytes more than were sent"
            found.findings.append(_broken(case, at, number, text))
    told = np.concatenate(([0], np.maximum.accumulate(np.minimum(reached, sent))))
    heard = np.flatnonzero(acks.t[whole] < _heard_before(case, number))
    found.open += int(total[-1] - told[-1])
    found.untold += int(told[-1] - told[heard[-1] + 1 if len(heard) else 0])
    return int(due[-1]) if len(whole) else expected


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


def _heard_before(case: Case, number: int) -> float:
    """Before when acknowledgements of a connection surely reached the client: at that very moment
    one may be too late."""
    if not case.foreign:
        return float("inf")
    lost = [e.t - _ON_ITS_WAY for e in case.losses if e.connection == number]
    eaten = [_before(case, e, number) for e in case.fired if _eats(e) and case.befalls(e, number)]
    return min([float("inf"), *lost, *eaten])


def _eats(fired: journal.FaultFired) -> bool:
    """Whether acknowledgements may not reach a client because of it. A client whose way down has
    ended hears nothing, while the target goes on."""
    ended = fired.fault == "halfclose" and fired.direction == DOWN
    return ended or fired.fault in _EATING or took_ack(fired)


def _before(case: Case, fired: journal.FaultFired, number: int) -> int:
    """Before when acknowledgements reached the client, for a fault. One that does away with the
    frame at hand is written down right after that frame, which never arrived."""
    if fired.fault not in _AT_HAND and not took_ack(fired):
        return fired.t
    acks = case.timeline.acks
    near = (acks.connection == number) & (acks.t <= fired.t) & (acks.t > fired.t - _SAME_FRAME)
    return int(acks.t[near][-1]) if near.any() else fired.t


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
