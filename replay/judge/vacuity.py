"""V1: the faults really happened, where they were asked for, and the client really felt them."""

from __future__ import annotations

from replay import journal
from replay.continuity import Finding
from replay.errors import FaultSyntaxError
from replay.faults import Fault, Rule, Scope, parse, tally
from replay.faults.moments import FRAME, Elapsed, Seen, SentAudio, SentBytes, Wait, wait_text
from replay.judge.case import NS, Case, Outcome, judged, not_applicable, parsed
from replay.wire.closing import ABNORMAL, Close, on_close

#: Faults that end a connection by themselves.
ENDING = ("reset", "fin", "cutframe", "close", "close_open")
#: Two clocks and a frame lie between what was asked and what was seen, in ns.
_OFF = NS // 4
#: A frame of audio is at most so long, in seconds.
_FRAME_SECONDS = 1


def v1(case: Case) -> Outcome:
    """Never fails: a fault that did not happen proves nothing, one way or the other."""
    planned = case.timeline.all(journal.FaultPlanned)
    if not planned and not case.fired:
        return not_applicable("no fault was asked for")
    findings = [*_not_fired(case), *_misplaced(case, planned), *_not_felt(case)]
    outcome = judged(findings)
    if any(each.severity == "warning" for each in findings):
        outcome.state = "unknown"
        outcome.why = next(each.detail for each in findings if each.severity == "warning")
    return outcome


def _not_fired(case: Case) -> list[Finding]:
    try:
        lines = tally([*case.timeline.all(journal.FaultPlanned), *case.fired])
    except FaultSyntaxError as error:
        return [case.finding("V1", "warning", f"a planned fault cannot be read: {error.message}")]
    found = []
    for line in lines:
        if not line.missed:
            continue
        times = f", fired {line.fired} of {line.asked} times" if line.fired else " never fired"
        found.append(case.finding("V1", "warning", f"{line.text}{times}", rule=line.rule))
    return found


def _misplaced(case: Case, planned: list[journal.FaultPlanned]) -> list[Finding]:
    """Faults that fired elsewhere than their rule has it, as far as one can tell."""
    found = []
    for plan in planned:
        try:
            rule = parse(plan.text)
        except FaultSyntaxError:
            continue
        first = next((e for e in case.fired if (e.rule, e.step) == (plan.rule, 0)), None)
        if first is None or not _simple(rule):
            continue
        off = _off(case, rule.head.waits[0], first)
        if off:
            text = f"{plan.text} fired {off}"
            found.append(case.finding("V1", "warning", text, first.t, rule=plan.rule))
    return found


def _simple(rule: Rule) -> bool:
    """One moment, and a fault that can be done there and then: what is done to attempts and
    requests is told when the first of them meets it."""
    return len(rule.head.waits) == 1 and rule.repeat is None and not rule.head.fault.spec.awaits


def _off(case: Case, wait: Wait, fired: journal.FaultFired) -> str:
    """How far from its moment a fault fired, in words; empty when it was there."""
    rate = case.timeline.format.bytes_per_second
    opened = case.timeline.first(journal.Connected)
    match wait:
        case Elapsed(ns) if opened is not None:
            late = fired.t - opened.t - ns
            return f"{late / 1e6:+.0f} ms off" if abs(late) > _OFF else ""
        case SentBytes() | SentAudio():
            due = wait.size if isinstance(wait, SentBytes) else wait.ns * rate // NS
            offset = fired.at.get("offset", due)
            assert not isinstance(offset, str)
            return "" if 0 <= offset - due <= rate * _FRAME_SECONDS else f"at byte {offset}"
        case Seen(name, n) if name == FRAME:
            return "" if fired.at.get("frame", n) in (n, n + 1) else f"at frame {fired.at['frame']}"
        case Seen():
            trigger = str(fired.at.get("trigger", ""))
            asked = wait_text(wait)
            same = trigger in ("", asked, f"{asked}#1") or fired.at.get("after_ms")
            return "" if same else f"at {trigger}"
    return ""


def _not_felt(case: Case) -> list[Finding]:
    found = []
    for fired in case.fired:
        fault = parsed(fired)
        text = "" if fault is None else _unharmed(case, fault, fired)
        if text:
            where = {"rule": fired.rule, "connection": fired.connection}
            found.append(case.finding("V1", "warning", f"{fired.text} {text}", fired.t, **where))
    return found


def _unharmed(case: Case, fault: Fault, fired: journal.FaultFired) -> str:
    """What speaks against a fault having done anything; empty when nothing does."""
    if fired.fault in ENDING and fired.connection:
        lost = [e for e in case.timeline.all(journal.Lost) if e.connection == fired.connection]
        if not lost:
            return "fired, and its connection went on"
        if lost[-1].t < fired.t - _OFF:
            return "fired when its connection was over"
        if _must_return(fault) and not _came_back(case, fired):
            return "fired, and the client did not have to come back"
    if fault.spec.scope is Scope.LISTENER and "post" not in fault.params:
        until = case.until(fired)
        tried = [e.t for e in case.attempts]
        # To a listener the opening of the session is one more to keep out.
        tried += [e.t for e in case.timeline.all(journal.Init) if not e.status]
        if not any(fired.t - _OFF <= t <= until + _OFF for t in tried):
            if case.foreign:
                return ""  # an attempt that is kept off the proxy leaves nothing there
            return "fired, and nobody tried to connect while it lasted"
    return ""


def _must_return(fault: Fault) -> bool:
    code = fault.number("code") if fault.kind in ("close", "close_open") else ABNORMAL
    return on_close(code) is Close.RECONNECT


def _came_back(case: Case, fired: journal.FaultFired) -> bool:
    """It did, or its session failed for it, or there was nothing left to come back for."""
    back = any(e.t >= fired.t for e in case.timeline.all(journal.Connected))
    return back or not case.complete or case.finished
