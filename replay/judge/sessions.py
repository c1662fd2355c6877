"""S1 to S4, E1 and E2: one session, used as the protocol has it, that bears bad news."""

from __future__ import annotations

from replay import journal
from replay.continuity import Finding
from replay.judge.case import NS, Case, Outcome, judged, not_applicable, seconds, unknown
from replay.wire.closing import Close, on_close, on_status
from replay.wire.http import LIVE_PATH
from replay.wire.messages import AudioAck, EndRecording, Malformed, StopAck

#: Faults that spoil messages.
SPOILING = ("corrupt", "oversize")
#: Faults that may keep a close from a client.
#: A reset does away with what was under way.
_UNHEARD = ("blackhole", "hold", "halfclose", "cutframe", "delay", "throttle", "coalesce", "reset")
#: Two connections may both be there for so long while one takes over from the other, in ns.
_HANDOVER = NS


def s1(case: Case) -> Outcome:
    timeline = case.timeline
    opened = [each.id for each in timeline.all(journal.Init) if each.id]
    mine = [*opened, *([case.job.id] if case.job else [])]
    posts = len(opened) or sum(
        (each.method, each.path, each.status) == ("POST", LIVE_PATH, 201)
        for each in timeline.all(journal.Http)
    )
    findings = []
    if posts > 1:
        text = f"{posts} sessions were opened for one recording"
        findings.append(case.finding("S1", "error", text, sessions=posts))
    maybe = [each for each in timeline.all(journal.Init)[:-1] if each.status == 0]
    if maybe and opened:
        text = f"{len(maybe)} openings without an answer may have left a session behind"
        findings.append(case.finding("S1", "warning", text, maybe[0].t))
    listed = timeline.final(journal.Sessions)
    if listed is not None and mine and posts:
        orphans = [each for each in listed.ids if each not in mine]
        if orphans:
            text = f"the target has {len(listed.ids)} sessions; nobody was told of {orphans[0]}"
            findings.append(case.finding("S1", "error", text, listed.t, orphans=len(orphans)))
    if not posts and not findings:
        return not_applicable("the session was opened elsewhere")
    return judged(findings)


def s2(case: Case) -> Outcome:
    """What the table in `wire.closing` says of a close code, held against what came next."""
    closed = [each for each in case.timeline.all(journal.Lost) if each.cause == "closed"]
    if not closed:
        return not_applicable("the service closed no connection")
    findings, unsure = [], ""
    for lost in closed:
        again = any(
            each.t >= lost.t and each.connection > lost.connection for each in case.attempts
        )
        if case.foreign and _unheard(case, lost):
            continue
        where = {"connection": lost.connection, "code": lost.code}
        todo = on_close(lost.code)
        if todo is not Close.RECONNECT and again:
            text = f"tried again after close {lost.code}, which is final"
            findings.append(case.finding("S2", "error", text, lost.t, **where))
        elif todo is Close.RECONNECT and not again and not case.complete and not case.finished:
            if case.interrupted:
                unsure = "the run was cut short after a close"
                continue
            text = f"did not come back after close {lost.code}, which is no end"
            findings.append(case.finding("S2", "error", text, lost.t, **where))
    return unknown(unsure) if unsure and not findings else judged(findings)


def _unheard(case: Case, lost: journal.Lost) -> bool:
    """May its client never have heard of a close? It may also have left that connection before,
    for another one."""
    left = any(
        each.t < lost.t and each.connection > lost.connection
        for each in case.timeline.all(journal.Connected)
    )
    return left or case.faults(*_UNHEARD, upto=lost.t, connection=lost.connection)


def s3(case: Case) -> Outcome:
    opened = case.timeline.all(journal.Connected)
    if len(opened) < 2:
        return not_applicable("there was one connection")
    over: dict[int, int] = {}
    for lost in case.timeline.all(journal.Lost):
        over.setdefault(lost.connection, lost.t)
    frames = case.timeline.frames
    findings = []
    for index, later in enumerate(opened):
        for earlier in opened[max(0, index - 8) : index]:
            both = over.get(earlier.connection, case.timeline.last) - later.t
            if both <= _HANDOVER or case.faults("twin", upto=later.t):
                continue
            if case.foreign and case.unseen(earlier.connection, later.t):
                continue  # that its client has left, and when it sent what comes, is not seen
            mine = (frames.connection == earlier.connection) & (frames.t > later.t + _HANDOVER)
            text = (
                f"connections {earlier.connection} and {later.connection} were open at once "
                f"for {seconds(both)}"
            )
            severity = "error" if mine.any() else "warning"
            where = {"connection": later.connection}
            findings.append(case.finding("S3", severity, text, later.t, **where))  # type: ignore[arg-type]
    return judged(findings)


def s4(case: Case) -> Outcome:
    stops = case.timeline.all(journal.StopSent)
    if not stops:
        return not_applicable("the audio was never ended")
    findings = [*_taken_after_stop(case), *_never_heard(case, stops)]
    ended = case.timeline.final(journal.Ended)
    over = ended.t if ended else case.timeline.last
    if over - stops[0].t > case.limits.end * NS:
        text = f"the session took {seconds(over - stops[0].t)} to end after the stop"
        findings.append(case.finding("S4", "error", text, over))
    return judged(findings)


def _never_heard(case: Case, stops: list[journal.StopSent]) -> list[Finding]:
    if case.finished or case.complete or case.interrupted:
        return []
    told = (StopAck, EndRecording)
    if any(isinstance(heard.message, told) for heard in case.timeline.heard):
        return []
    text = f"the stop was sent {len(stops)} times and never acknowledged"
    return [case.finding("S4", "error", text, stops[-1].t, times=len(stops))]


def _taken_after_stop(case: Case) -> list[Finding]:
    """Audio acknowledged behind a stop that was acknowledged, or turns out to have been heard."""
    acks = case.timeline.acks
    for heard, stop in case.timeline.messages(StopAck):
        bearing = (acks.end > acks.start) & (acks.connection >= heard.connection)
        late = bearing & (acks.t > heard.t)
        if not stop.acknowledged:
            # It had been stopped already, on an earlier connection: what this one brought was late.
            late |= bearing & (acks.connection == heard.connection)
        if late.any() and (stop.acknowledged or heard.connection > _first_stop(case)):
            size = int((acks.end - acks.start)[late].sum())
            text = f"{size} bytes of audio were taken in after the stop"
            where = {"connection": heard.connection, "size": size}
            return [case.finding("S4", "error", text, int(acks.t[late][0]), **where)]
    return []


def _first_stop(case: Case) -> int:
    return case.timeline.all(journal.StopSent)[0].connection


def e1(case: Case) -> Outcome:
    """Messages that break the protocol, and sessions that did not bear them."""
    spoilt = [each for each in case.fired if each.fault in SPOILING]
    bad = [heard for heard in case.timeline.heard if isinstance(heard.message, Malformed)]
    nacks = [
        heard
        for heard, message in case.timeline.messages(AudioAck)
        if not message.acknowledged and message.error is None
    ]
    findings = [_malformed(case, each.t, each.connection, each.message) for each in bad]
    findings += [
        case.finding("E1", "warning", "audio was refused without a reason", each.t)
        for each in nacks
    ]
    if (bad or spoilt) and not case.complete and not case.interrupted:
        first = min([*(each.t for each in bad), *(each.t for each in spoilt)])
        text = "a bad message came, and the session did not come to its end"
        since = round(first / 1e6, 3)
        findings.append(case.finding("E1", "error", text, since_ms=since))
    return judged(findings)


def spoilt_by_us(case: Case, finding: Finding) -> bool:
    """Had one of our faults spoilt a message by then?"""
    t_ms = finding.at.get("t_ms")
    return isinstance(t_ms, int | float) and case.faults(*SPOILING, upto=round(t_ms * 1e6) + 1)


def _malformed(case: Case, t: int, connection: int, message: object) -> Finding:
    assert isinstance(message, Malformed)
    text = f"a message broke the schema: {message.reason}"
    return case.finding("E1", "warning", text, t, connection=connection)


def e2(case: Case) -> Outcome:
    """After an answer that will not change, one attempt is enough, and its reason is told."""
    final = [
        each
        for each in case.attempts
        if each.status is not None and on_status(each.status) is Close.REFUSED
    ]
    ended = case.timeline.final(journal.Ended)
    refused = ended is not None and ended.outcome == "refused"
    if not final and not refused:
        return not_applicable("nothing was refused for good")
    findings = []
    if final and (more := [each for each in case.attempts if each.t > final[0].t]):
        text = f"{len(more)} more attempts after status {final[0].status}, which is final"
        findings.append(case.finding("E2", "warning", text, more[0].t))
    if ended is not None and refused and not (ended.detail or ended.code):
        text = "the session was given up as refused, without a reason"
        findings.append(case.finding("E2", "error", text, ended.t))
    return judged(findings)
