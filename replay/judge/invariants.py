"""Every invariant by its id, and the judgement of a run by all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from replay import journal
from replay.continuity import Finding
from replay.judge import acks, footprint, posted, recovery, sessions, sound, text, vacuity
from replay.judge.case import Case, Check, Outcome
from replay.judge.doing import Doings

_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class Invariant:
    """`says`: what must hold, in a sentence. `needs`: what a journal must have for an answer."""

    id: str
    says: str
    needs: str
    check: Check


INVARIANTS = (
    Invariant(
        "A1", "The recording is the audio that was said, byte for byte.", "a recording", sound.a1
    ),
    Invariant(
        "A2",
        "No audio is recorded twice, but for what was in flight when a connection broke.",
        "a recording",
        sound.a2,
    ),
    Invariant(
        "A3",
        "Acknowledgements begin at 0, follow each other without a gap, over connections too, "
        "and never tell more than was sent.",
        "acknowledgements",
        acks.a3,
    ),
    Invariant(
        "A4", "Audio is recorded in the order in which it was said.", "a recording", sound.a4
    ),
    Invariant("A5", "No connection begins or ends within a sample.", "nothing", sound.a5),
    Invariant("A6", "No frame is larger than the service takes.", "audio", sound.a6),
    Invariant(
        "T1",
        "Every final is told once, and none is lost against the result and the control runs.",
        "finals, a result or control runs",
        text.t1,
    ),
    Invariant(
        "T2",
        "The final result comes over the connection, or can be fetched.",
        "the end of a session",
        text.t2,
    ),
    Invariant("T3", "Times go on in session time after a reconnection.", "a reconnection", text.t3),
    Invariant("R1", "The session recovers from every loss.", "a loss", recovery.r1),
    Invariant("R2", "The client goes on trying through an outage of 30 s.", "a loss", recovery.r2),
    Invariant(
        "R3",
        "A path that went dead while audio flowed is given up within 5 s, or as long as the client "
        "was told to wait.",
        "a fault that makes a path dead",
        recovery.r3,
    ),
    Invariant(
        "R4",
        "Attempts are spread: pauses grow, are drawn, and begin anew only after a connection "
        "that lasted.",
        "three failures in a row",
        recovery.r4,
    ),
    Invariant(
        "R5",
        "What Retry-After asks for is waited for, and a final refusal is not hammered at.",
        "a refusal",
        recovery.r5,
    ),
    Invariant(
        "R6", "There are at most 60 attempts to connect in a minute.", "two attempts", recovery.r6
    ),
    Invariant(
        "M1",
        "Memory does not grow with reconnections.",
        "our own client, ten reconnections",
        footprint.m1,
    ),
    Invariant(
        "M2",
        "Files, threads and tasks are back to what they were after a recovery.",
        "our own client, a loss",
        footprint.m2,
    ),
    Invariant(
        "P1",
        "The source is never held up by the network, by more than 250 ms.",
        "our own client, a loss",
        footprint.p1,
    ),
    Invariant(
        "S1",
        "One recording opens one session, and none is left behind.",
        "the opening",
        sessions.s1,
    ),
    Invariant(
        "S2",
        "After a close the client does what its code means: come back, or stop.",
        "a close by the service",
        sessions.s2,
    ),
    Invariant("S3", "A session has one live connection at a time.", "a reconnection", sessions.s3),
    Invariant(
        "S4",
        "After the stop no audio is taken in, and the session ends within 120 s.",
        "a stop",
        sessions.s4,
    ),
    Invariant("E1", "A bad message does not end the session.", "nothing", sessions.e1),
    Invariant(
        "E2",
        "A refusal for good is taken as one: no further attempt, and a reason.",
        "a refusal",
        sessions.e2,
    ),
    Invariant(
        "C1",
        "Every callback that was asked for comes, and in the order of the websocket.",
        "callbacks to the run's own receiver",
        posted.c1,
    ),
    Invariant(
        "V1",
        "Every fault that was asked for fired at its moment, and was felt.",
        "faults",
        vacuity.v1,
    ),
)

BY_ID = {each.id: each for each in INVARIANTS}


def judge(case: Case) -> dict[str, Outcome]:
    """The outcome of every invariant, with what was put down about it while it happened."""
    seen: dict[str, list[Finding]] = {}
    for each in case.timeline.all(journal.Observation):
        seen.setdefault(each.invariant, []).append(_seen(each))
    return {each.id: _outcome(case, each, seen.get(each.id, [])) for each in INVARIANTS}


def findings(case: Case, outcomes: dict[str, Outcome]) -> list[Finding]:
    """All findings: those of each invariant, then those that belong to none."""
    others = [
        _seen(each)
        for each in case.timeline.all(journal.Observation)
        if each.invariant not in BY_ID
    ]
    return [finding for each in outcomes.values() for finding in each.findings] + others


def _outcome(case: Case, invariant: Invariant, seen: list[Finding]) -> Outcome:
    outcome = invariant.check(case)
    excused = _excuse(case, invariant.id)
    outcome.findings = [_explained(each, excused) for each in [*seen, *outcome.findings]]
    if any(each.severity == "error" for each in outcome.findings):
        outcome.state = "fail"
    elif outcome.state == "fail":
        outcome.state = "pass"
    return outcome


def _excuse(case: Case, invariant: str) -> Callable[[Finding], bool]:
    """Tells of a finding whether one of our own faults did what the invariant forbids."""
    match invariant:
        case "A3":
            return Doings(case).__contains__
        case "E1" | "C1":
            return lambda finding: sessions.spoilt_by_us(case, finding)
        case _:
            return lambda _: False


def _explained(finding: Finding, excused: Callable[[Finding], bool]) -> Finding:
    """What one of our own faults did is told, and held against nobody."""
    if finding.severity == "info" or not excused(finding):
        return finding
    return replace(finding, severity="info", detail=f"{finding.detail} (our fault's doing)")


def _seen(each: journal.Observation) -> Finding:
    return Finding(
        invariant=each.invariant,
        severity=each.severity,
        detail=each.detail,
        at={"t_ms": round(each.t / _NS_PER_MS, 3), **each.at},
    )
