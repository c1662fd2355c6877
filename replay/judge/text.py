"""T1 to T3: what was understood is told once, to the end, on one axis of time."""

from __future__ import annotations

from replay import journal
from replay.continuity import Finding, Severity
from replay.judge.case import Case, Outcome, judged, not_applicable, unknown
from replay.judge.told import (
    Final,
    controls,
    difference,
    doubled,
    filed,
    missing,
    on_its_way,
    once,
    recorded_twice,
    spread,
    told,
)
from replay.wire.closing import NORMAL
from replay.wire.messages import (
    EndSession,
    PostFinalTranscript,
    PostTranscript,
    SpeechStart,
    Transcript,
)

#: Times of one channel may overlap by so much, in seconds.
_OVERLAP = 0.5
_SHOWN = 40


def t1(case: Case) -> Outcome:
    if not case.wants.receive_final_transcripts:
        return not_applicable("no finals were asked for")
    finals = told(case.timeline)
    findings = [*_said_again(case, finals), *_not_told(case, finals)]
    held = controls(case.timeline)
    if held:
        against, unsure = _against_controls(case, once(finals), held)
        findings += against
        outcome = judged(findings)
        if unsure and outcome.state == "pass":
            outcome.state, outcome.why = "unknown", unsure
        return outcome
    if not finals and not findings:
        return not_applicable("nothing was understood, and there is no control run")
    return judged(findings)


def _said_again(case: Case, finals: list[Final]) -> list[Finding]:
    """Finals told twice, and names of utterances used twice."""
    found = []
    for earlier, later in doubled(finals):
        severity: Severity = "error"
        text = f"final told twice: {_quote(later)}"
        if earlier.connection != later.connection:
            text, severity = f"{text}, again after a reconnection", "info"
        elif recorded_twice(earlier, later):
            text, severity = f"{text}, whose audio was recorded twice", "info"
        found.append(_about(case, severity, text, later))
    names: dict[tuple[int, str], Final] = {}
    for each in finals:
        earlier = names.setdefault((each.channel, each.id), each)
        if earlier.words != each.words:
            text = f"two utterances are called {each.id}: {_quote(earlier)} and {_quote(each)}"
            found.append(_about(case, "error", text, each))
    return found


def _not_told(case: Case, finals: list[Final]) -> list[Finding]:
    """What the result has, and no final ever said."""
    result = filed(case.timeline, case.job)
    if result is None:
        return []
    gone = missing(result, finals)[0]
    ended = case.timeline.final(journal.Ended)
    fetched = ended is not None and ended.outcome == "recovered"
    return [
        _about(
            case,
            "info" if fetched or on_its_way(case, each, finals) else "error",
            f"final never told, and recovered from the result: {_quote(each)}",
            each,
        )
        for each in gone
    ]


def _against_controls(
    case: Case, finals: list[Final], held: list[list[Final]]
) -> tuple[list[Finding], str]:
    """What the controls understood and this run did not, beyond what they differ in themselves."""
    lost_bound, changed_bound, extra_bound = spread(held)
    # The control that this run is most like: each of them is as good as another.
    nearest = min(
        (difference(control, finals) for control in held),
        key=lambda each: (len(each.lost), len(each.extra), len(each.changed)),
    )
    result = filed(case.timeline, case.job) or []
    gone = {id(each) for each in missing(nearest.lost, result)[0]}
    findings = []
    if len(nearest.lost) > lost_bound:
        for each in nearest.lost:
            kept = id(each) not in gone
            how = "not told, and recovered from the result" if kept else "lost"
            text = f"final that the control runs have was {how}: {_quote(each)}"
            excused = kept and on_its_way(case, each, finals)
            severity: Severity = "info" if excused else "error"
            findings.append(_about(case, severity, text, each))
    if len(nearest.extra) > extra_bound:
        for each in nearest.extra:
            text = f"final that no control run has: {_quote(each)}"
            findings.append(_about(case, "warning", text, each))
    more = len(nearest.changed) - changed_bound
    if more <= 0:
        return findings, ""
    if len(held) < 2:
        return findings, f"{more} finals read otherwise; one control run does not say how much may"
    texts = ", ".join(_quote(each) for each in nearest.changed[:3])
    text = f"{len(nearest.changed)} finals read otherwise than in the control runs: {texts}"
    return [*findings, _about(case, "warning", text, nearest.changed[0])], ""


def t2(case: Case) -> Outcome:
    if not case.wants.receive_post_processing_events:
        return not_applicable("no post-processing was asked for")
    if case.timeline.messages(PostFinalTranscript):
        return judged([])
    fetched = case.job is not None and case.job.ended
    closed = any(each.code == NORMAL for each in case.timeline.all(journal.Lost))
    told_end = bool(case.timeline.messages(EndSession) or case.timeline.messages(PostTranscript))
    if fetched and closed and told_end and not _cut_after_stop(case):
        text = "the final result never came over the connection, though the session was ended on it"
        return judged([case.finding("T2", "error", text, case.timeline.last)])
    if fetched:
        return judged([case.finding("T2", "info", "the final result was fetched afterwards")])
    if case.interrupted or not case.complete:
        return unknown("the session did not come to its end")
    return unknown("the final result neither came nor was fetched")


def _cut_after_stop(case: Case) -> bool:
    """May the final result have been on its way when a connection broke? The service cannot know
    that it did not arrive."""
    stopped = case.timeline.all(journal.StopSent)
    lost = case.timeline.all(journal.Lost)
    return bool(stopped) and any(e.code != NORMAL and e.t >= stopped[0].t for e in lost)


def t3(case: Case) -> Outcome:
    if len(case.timeline.all(journal.Connected)) < 2:
        return not_applicable("there was one connection")
    return judged([*_backwards(case), *_speech_backwards(case)])


def _backwards(case: Case) -> list[Finding]:
    """By the service's own times: what was recorded twice counts twice there."""
    reached: dict[int, tuple[float, int]] = {}
    names: set[tuple[int, str]] = set()
    for heard, message in case.timeline.messages(Transcript):
        said = message.data.utterance
        if not message.data.is_final or (said.channel, said.text) in names:
            continue
        names.add((said.channel, said.text))
        end, connection = reached.get(said.channel, (0.0, heard.connection))
        if connection != heard.connection and said.end < end - _OVERLAP:
            text = f"times went back from {end:.2f} s to {said.end:.2f} s after a reconnection"
            where = {"connection": heard.connection, "channel": said.channel}
            return [case.finding("T3", "error", text, heard.t, **where)]
        reached[said.channel] = (max(end, said.end), heard.connection)
    return []


def _speech_backwards(case: Case) -> list[Finding]:
    reached: dict[int, tuple[float, int]] = {}
    for heard, message in case.timeline.messages(SpeechStart):
        channel, time = message.data.channel, message.data.time
        before, connection = reached.get(channel, (0.0, heard.connection))
        if connection != heard.connection and time < before - _OVERLAP:
            text = f"speech starts at {time:.2f} s, after {before:.2f} s before the reconnection"
            where = {"connection": heard.connection}
            return [case.finding("T3", "error", text, heard.t, **where)]
        reached[channel] = (max(time, before), heard.connection)
    return []


def _about(case: Case, severity: Severity, text: str, each: Final) -> Finding:
    where = {"start": round(each.start, 3), "end": round(each.end, 3), "channel": each.channel}
    if each.connection:
        where["connection"] = each.connection
    return case.finding("T1", severity, text, each.t or None, **where)


def _quote(each: Final) -> str:
    text = each.text if len(each.text) <= _SHOWN else each.text[: _SHOWN - 1] + "…"
    return f"“{text}” at {each.start:.2f} s"
