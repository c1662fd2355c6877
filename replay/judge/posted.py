"""Callbacks, held against what the websocket told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from replay import callbacks
from replay.callbacks import Gathered, Told
from replay.continuity import Finding, Severity
from replay.judge.case import Case, Outcome, judged, not_applicable, unknown
from replay.wire import messages as m
from replay.wire import posting


def c1(case: Case) -> Outcome:
    """Each message that was asked for came, in its order, and no more than once.

    What a session tells once must come, in order; of what passes (partials, acknowledgements) a
    sender may drop some. As callbacks come at least once, one that came again is a warning.
    """
    told = callbacks.gather(case.timeline)
    if told is None:
        return not_applicable("no callbacks were asked for")
    late = _each(case, told.late, "came by callback after what is told later")
    findings = [*late, *_again(case, told), *_strange(case, told)]
    if case.complete:
        findings += [*_each(case, told.missing, "did not come by callback"), *_unheard(case, told)]
    elif not findings:
        return unknown("the session did not come to its end, nor may its callbacks have")
    return judged(findings)


def _each(case: Case, every: Iterable[Told], what: str) -> Iterator[Finding]:
    for each in every:
        severity: Severity = "error" if each.once else "warning"
        t = each.came[0] if each.came else each.heard
        yield case.finding("C1", severity, f"{_title(each.message)} {what}", t)


def _again(case: Case, told: Gathered) -> Iterator[Finding]:
    for each in told.every:
        if len(each.came) > 1:
            text = f"{_title(each.message)} came by callback {len(each.came)} times"
            yield case.finding("C1", "warning", text, each.came[1])


def _strange(case: Case, told: Gathered) -> Iterator[Finding]:
    for t in told.strange:
        yield case.finding("C1", "warning", "what was posted is no callback", t)


def _unheard(case: Case, told: Gathered) -> Iterator[Finding]:
    """The lifecycle that neither way told of."""
    if callbacks.asked(case.timeline.header.config).receive_lifecycle_events:
        known = {posting.once(each.message) for each in told.every}
        for name in posting.lifecycle():
            if name not in known:
                yield case.finding("C1", "error", f"{name} did not come by callback")


def _title(message: m.Message) -> str:
    if isinstance(message, m.Transcript):
        kind = "final" if message.data.is_final else "partial"
        return f"{kind} {message.data.id}"
    return m.message_type(message)
