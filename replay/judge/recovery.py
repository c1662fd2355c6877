"""R1 to R6: the client comes back, soon enough and not too wildly."""

from __future__ import annotations

from itertools import pairwise

from replay import journal
from replay.continuity import Finding
from replay.faults import UP
from replay.judge.acks import unacknowledged
from replay.judge.case import (
    NS,
    Attempt,
    Case,
    Outcome,
    judged,
    not_applicable,
    parsed,
    seconds,
    unknown,
)
from replay.wire.closing import Close, on_status
from replay.wire.http import LIVE_PATH
from replay.wire.messages import Transcript

_MINUTE = 60 * NS
#: Waits of a back-off that are alike to this, in ns, were not drawn.
_ALIKE = 10_000_000
#: A wait below this is none, and so many in a row are hammering.
_NO_WAIT, _HAMMERING = 100_000_000, 6
#: A connection that lived so long, in ns, had really come back.
_STABLE = 5 * NS
#: A client may be early by so much of what it was asked to wait, in ns.
_EARLY = 50_000_000
#: Audio that was understood and not acknowledged, in seconds, shows that a path was alive.
_UNDERSTOOD = 0.3
#: Faults after which a connection looks alive and is dead, and how they say for how long.
_DEAD = ("blackhole", "hold", "zero_window", "close_open")
#: Faults that make what a proxy has seen come later to its client.
_LATE = ("hold", "throttle", "delay", "coalesce")


def r1(case: Case) -> Outcome:
    if not case.losses:
        return not_applicable("no connection was lost")
    back = [each.t for each in case.timeline.all(journal.Connected)]
    last = case.losses[-1]
    over = case.timeline.final(journal.Lost)
    if case.foreign and over is not None and not case.complete:
        # Its client does not say what became of it: it came back, and its last connection is over.
        back, last = [], over
    ended = case.timeline.final(journal.Ended)
    if any(t >= last.t for t in back) and not (ended and _failed(ended)):
        return judged([])
    if case.complete:
        return judged([])
    if case.interrupted and not (ended and _failed(ended)):
        return unknown("the run was cut short while the connection was down")
    why = f": {ended.outcome}, {ended.detail or ended.code}" if ended else ""
    text = f"the session did not recover from the loss of connection {last.connection}{why}"
    return judged([case.finding("R1", "error", text, last.t, connection=last.connection)])


def _failed(ended: journal.Ended) -> bool:
    return ended.outcome in ("gave_up", "refused", "timeout")


def r2(case: Case) -> Outcome:
    """The client's own word, or that nothing came any more."""
    if not case.losses:
        return not_applicable("no connection was lost")
    last = case.losses[-1]
    if any(each.t >= last.t for each in case.timeline.all(journal.Connected)) or case.complete:
        return judged([])
    ended = case.timeline.final(journal.Ended)
    if ended is not None and ended.outcome == "refused":
        return not_applicable("the service refused to go on")
    tries = [each.t for each in case.attempts if each.t >= last.t]
    until = ended.t if ended else max([last.t, *tries])
    if case.interrupted and not (ended and _failed(ended)):
        return unknown("the run was cut short while the connection was down")
    if ended is None and case.timeline.last - until < case.limits.outage * NS:
        return unknown("the journal ends during the outage")
    kept = until - _outage_began(case)
    if kept >= case.limits.outage * NS:
        return judged([])
    text = f"gave up after {seconds(kept)}; an outage may take {case.limits.outage:g} s"
    return judged([case.finding("R2", "error", text, until, connection=last.connection)])


def _outage_began(case: Case) -> int:
    """The first loss since the service last gave a sign of life."""
    signs = [*case.timeline.acks.t[-1:].tolist(), *(heard.t for heard in case.timeline.heard[-1:])]
    last = max(signs, default=0)
    return next((lost.t for lost in case.losses if lost.t >= last), case.losses[-1].t)


def r3(case: Case) -> Outcome:
    dead = [each for each in case.fired if _makes_dead(case, each)]
    findings = _acknowledged_late(case)
    asked = len(findings)
    for fault in dead:
        since = _expecting(case, fault)
        over = [
            each.t
            for each in case.timeline.all(journal.Lost)
            if each.connection == fault.connection
        ]
        lost = [t for t in over if t >= fault.t]
        if since is None or len(lost) < len(over):
            continue  # the client had given it up already, and nobody had been told
        # With the fault the path lives again: what was held up on it comes, and no harm is done.
        until = case.until(fault)
        lost = [t for t in lost if t <= until]
        end = min([*lost, until, _last_seen(case, fault)])
        limit = round((case.dead_path + case.limits.slack) * NS)
        if end - since <= limit and not lost:
            continue  # too little was seen to tell
        asked += 1
        if end - max(since, _last_sign(case, fault)) > limit:
            text = f"after {fault.text} the dead path was kept for {seconds(end - since)}"
            where = {"connection": fault.connection}
            findings.append(case.finding("R3", "error", text, fault.t, **where))
    return judged(findings) if asked else not_applicable("no path went dead while audio flowed")


def _acknowledged_late(case: Case) -> list[Finding]:
    """Paths given up as dead, on which the service was alive: it told what it had understood of
    audio that it had not acknowledged."""
    found = []
    for lost in case.timeline.all(journal.Lost):
        given_up = lost in case.losses if case.foreign else lost.cause == "silence"
        if not given_up or any(
            each.connection in (0, lost.connection) and each.t <= lost.t for each in case.fired
        ):
            continue
        reached = _understood_beyond(case, lost.connection)
        if reached is not None:
            text = (
                f"connection {lost.connection} was given up for want of acknowledgements, though "
                f"the service had understood {reached:.2f} s more than it acknowledged"
            )
            where = {"connection": lost.connection}
            found.append(case.finding("R3", "error", text, lost.t, **where))
    return found


def _understood_beyond(case: Case, connection: int) -> float | None:
    """Seconds of audio that were understood on a connection before they were acknowledged."""
    rate, acks = case.timeline.format.bytes_per_second, case.timeline.acks
    told = int(acks.end[acks.connection <= connection].max(initial=0))
    # What earlier connections had brought without an acknowledgement may be understood as well.
    told += unacknowledged(case, connection)
    ends = [
        message.data.utterance.end
        for heard, message in case.timeline.messages(Transcript)
        if heard.connection == connection
    ]
    beyond = max(ends, default=0.0) - told / rate
    return beyond if beyond > _UNDERSTOOD else None


def _makes_dead(case: Case, fired: journal.FaultFired) -> bool:
    if fired.fault not in _DEAD or not fired.connection:
        return False
    if fired.fault == "close_open":
        return True
    fault = parsed(fired)
    return fault is not None and fault.seconds() > case.dead_path + case.limits.slack


def _expecting(case: Case, fired: journal.FaultFired) -> int | None:
    """From when on an acknowledgement was due that could not come: the first audio afterwards."""
    frames = case.timeline.frames
    if fired.fault == "close_open":
        return fired.t
    after = frames.t[(frames.connection == fired.connection) & (frames.t >= fired.t)]
    return int(after[0]) if len(after) else None


def _last_sign(case: Case, fired: journal.FaultFired) -> int:
    """When the last acknowledgement came of audio that had gone out before the path went dead: it
    was on its way, and may have been for long; until then the client cannot know."""
    acks, frames = case.timeline.acks, case.timeline.frames
    before = (frames.connection == fired.connection) & (frames.t < fired.t)
    gone = int((frames.offset + frames.size)[before].max(initial=0))
    came = acks.t[(acks.connection == fired.connection) & (acks.upto <= gone)]
    sign = int(came.max(initial=0))
    # What a proxy has seen come may still have been held up behind it.
    late = [
        case.until(each)
        for each in (case.fired if case.foreign else [])
        if each.fault in _LATE and each.direction != UP
        if each.t < fired.t < case.until(each) and case.befalls(each, fired.connection)
    ]
    return max([sign, *late])


def _last_seen(case: Case, fired: journal.FaultFired) -> int:
    """When a client may last have been there, on the path of a fault. Somebody else's was when it
    last sent something: that it has left is seen later, where that is held up or not even read."""
    if not case.foreign or fired.fault == "close_open":
        return case.timeline.last
    frames = case.timeline.frames
    came = frames.t[(frames.connection == fired.connection) & (frames.t >= fired.t)]
    for each in case.unread(fired.connection):
        if each.until is not None:
            # What had waited all that time comes at its end, from whoever has left as well.
            came = came[(came < each.until) | (came > each.until + NS)]
    return int(came.max(initial=fired.t))


def r4(case: Case) -> Outcome:
    rows = [row for row in _rows(case.attempts) if len(row) >= 3]
    if not rows:
        return not_applicable("there were not three failures in a row")
    findings: list[Finding] = []
    for row in rows:
        waits = [wait for _, wait in row]
        first = row[0][0]
        where = {"connection": first.connection, "attempts": len(row)}
        if len(row) >= _HAMMERING and max(waits) < _NO_WAIT:
            text = f"{len(row)} attempts in a row without a pause between them"
            findings.append(case.finding("R4", "error", text, first.t, **where))
        elif max(waits) - min(waits) < _ALIKE:
            text = f"{len(row)} attempts in a row, each after {seconds(waits[0])}: no growth"
            findings.append(case.finding("R4", "warning", text, first.t, **where))
        elif all(abs(b - 2 * a) < _ALIKE for a, b in pairwise(waits)):
            text = f"{len(row)} attempts in a row at exactly doubled pauses: nothing spreads them"
            findings.append(case.finding("R4", "warning", text, first.t, **where))
    return judged(findings)


def _rows(attempts: list[Attempt]) -> list[list[tuple[Attempt, int]]]:
    """Attempts in a row that came to nothing lasting, each with the pause before it, in ns."""
    rows: list[list[tuple[Attempt, int]]] = [[]]
    for before, attempt in pairwise(attempts):
        if before.failed_at is None:
            rows.append([])
            continue
        lived = before.failed_at - (before.opened_at or before.failed_at)
        if lived >= _STABLE:
            rows.append([])
        rows[-1].append((attempt, attempt.t - before.failed_at))
    return rows


def r5(case: Case) -> Outcome:
    findings, asked = [], 0
    for before, after in pairwise(case.attempts):
        if before.retry_after and before.failed_at is not None:
            asked += 1
            findings += _too_soon(case, before.failed_at, after.t, before.retry_after)
    for failed, done, wait in _refused_openings(case):
        following = [t for t in _openings(case) if t > failed]
        if following:
            asked += 1
            findings += _too_soon(case, done, min(following), wait)
    for attempt in case.attempts:
        if attempt.status is not None and on_status(attempt.status) is Close.REFUSED:
            asked += 1
            again = [each for each in case.attempts if each.t > attempt.t]
            if len(again) > _HAMMERING:
                text = f"{len(again)} more attempts after status {attempt.status}"
                findings.append(case.finding("R5", "error", text, attempt.t))
                break
    return judged(findings) if asked else not_applicable("nobody was asked to wait")


def _too_soon(case: Case, t: int, again: int, wait: float) -> list[Finding]:
    if again - t >= wait * NS - _EARLY:
        return []
    text = f"asked to wait {wait:g} s and tried again after {seconds(again - t)}"
    return [case.finding("R5", "error", text, again)]


def _openings(case: Case) -> list[int]:
    """When a session was asked for."""
    inits = [each.t for each in case.timeline.all(journal.Init)]
    http = case.timeline.all(journal.Http)
    return inits or [each.t for each in http if (each.method, each.path) == ("POST", LIVE_PATH)]


def _refused_openings(case: Case) -> list[tuple[int, int, float]]:
    """Openings with a Retry-After: when asked, when answered, and the seconds."""
    found = [
        (each.t, each.done, each.retry_after)
        for each in case.timeline.all(journal.Init)
        if each.retry_after
    ]
    if found or not case.foreign:
        return found
    asked = [wait for each in case.fired if (wait := _asked_to_wait(each))]
    return [
        (each.t, each.done, asked[0])
        for each in case.timeline.all(journal.Http)
        if asked and (each.method, each.path, each.status) == ("POST", LIVE_PATH, 429)
    ]


def _asked_to_wait(fired: journal.FaultFired) -> float | None:
    if fired.fault != "reject":
        return None
    fault = parsed(fired)
    if fault is None or fault.word("on") != "post" or fault.get("retry_after") is None:
        return None
    return fault.seconds("retry_after")


def r6(case: Case) -> Outcome:
    times = sorted(each.t for each in case.attempts)
    if len(times) < 2:
        return not_applicable("there was one attempt")
    most, since, first = 0, 0, 0
    for index, t in enumerate(times):
        while t - times[first] > _MINUTE:
            first += 1
        if index - first + 1 > most:
            most, since = index - first + 1, times[first]
    if most <= case.limits.attempts_a_minute:
        return judged([])
    text = f"{most} attempts in a minute; {case.limits.attempts_a_minute} are plenty"
    return judged([case.finding("R6", "error", text, since, attempts=most)])
