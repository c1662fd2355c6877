"""What came of the sessions of a simulated world."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Literal

import msgspec
from msgspec import Struct

from replay import journal as j
from replay.continuity import Finding, compare
from replay.judge import Case, findings, judge
from replay.simulation.spec import Simulated, Simulation
from replay.simulation.world import Played
from replay.timeline import Timeline

State = Literal["pass", "fail", "unknown"]

#: Without an answer to these a session proves nothing. V1 is not among them: of hundreds of faults
#: by lot some find no moment, and that any fired at all is asked of the world.
_MUST_BE_KNOWN = ("A1", "T1")
#: Of a failing session so many findings are told.
_FINDINGS = 5
#: Of a world so many failing sessions are told one by one, and the first for each set of reasons.
_FAILURES = 100


class Judged(Struct, kw_only=True):
    """One session under judgement. `reasons`: what made it fail, in words that can be compared."""

    state: State
    reasons: list[str]
    findings: list[Finding]
    lost_bytes: int
    repeated_bytes: int
    reconnects: int
    faults: dict[str, int]


def judged(done: Simulated) -> Judged:
    """By every invariant, from its entries and its recording."""
    timeline = Timeline(done.entries)
    comparison = None
    if done.recorded is not None:
        comparison = compare(done.sent, done.recorded, timeline.format.frame_bytes)
    case = Case(timeline, comparison)
    outcomes = judge(case)
    errors = [each for each in findings(case, outcomes) if each.severity == "error"]
    reasons = {each.invariant for each in errors}
    ended = timeline.final(j.Ended)
    if ended is not None and ended.outcome in ("gave_up", "refused", "timeout"):
        reasons.add(ended.outcome)
    if case.job is not None and case.job.status == "error":
        reasons.add("error")
    known = case.complete and comparison is not None
    known = known and all(outcomes[name].state != "unknown" for name in _MUST_BE_KNOWN)
    return Judged(
        state="fail" if reasons else "pass" if known else "unknown",
        reasons=sorted(reasons),
        findings=errors[:_FINDINGS],
        lost_bytes=comparison.lost_bytes if comparison else 0,
        repeated_bytes=comparison.repeated_bytes if comparison else 0,
        reconnects=max(0, len({each.connection for each in timeline.all(j.Connected)}) - 1),
        faults=dict(sorted(Counter(each.fault for each in case.fired).items())),
    )


class Failure(Struct, kw_only=True):
    """A session that failed. `began`: virtual seconds of its world; `length`: seconds of audio.

    `plan`: its faults, as rules. `alone`: it fails without the other sessions of its world, too;
    `smallest`: then the fewest and simplest faults it still fails under, as far as was tried.
    """

    slot: int
    number: int
    began: float
    ended: float
    length: float
    reasons: list[str]
    findings: list[Finding]
    plan: list[str]
    alone: bool | None = None
    smallest: list[str] | None = None


class SeedResult(Struct, kw_only=True):
    """A world that was simulated to its end, or as far as it came. Of very many sessions that
    failed, `failures` has the first hundred and each that failed for other reasons.

    `digest`: sha256 of all its journals, in the order in which their sessions ended. `virtual`:
    seconds of its clock; `audio`: seconds played in all sessions; `took`: of the processor.
    """

    seed: int
    digest: str = ""
    complete: bool = False
    sessions: int = 0
    passed: int = 0
    failed: int = 0
    unknown: int = 0
    virtual: float = 0.0
    audio: float = 0.0
    took: float = 0.0
    reconnects: int = 0
    lost_bytes: int = 0
    repeated_bytes: int = 0
    faults: dict[str, int] = msgspec.field(default_factory=dict)
    failures: list[Failure] = msgspec.field(default_factory=list)


class Fold:
    """Judges sessions as they end, and keeps their figures alone.

    Attributes:
        result: so far.
        failing: the first session that failed for each set of reasons.
    """

    def __init__(self, seed: int) -> None:
        self.result = SeedResult(seed=seed)
        self.failing: list[tuple[Failure, Simulation]] = []
        self._hash = hashlib.sha256()

    def add(self, played: Played) -> Judged:
        """One more session."""
        result, found = self.result, judged(played.done)
        self._hash.update(f"{played.slot}-{played.number}\n".encode())
        self._hash.update(j.encode_all(played.done.entries))
        result.digest = self._hash.hexdigest()
        result.sessions += 1
        result.passed += found.state == "pass"
        result.failed += found.state == "fail"
        result.unknown += found.state == "unknown"
        result.virtual = max(result.virtual, played.ended)
        result.audio += played.spec.format.seconds(len(played.done.sent))
        result.reconnects += found.reconnects
        result.lost_bytes += found.lost_bytes
        result.repeated_bytes += found.repeated_bytes
        for kind, fired in found.faults.items():
            result.faults[kind] = result.faults.get(kind, 0) + fired
        if found.state == "fail":
            self._keep(played, found)
        return found

    def _keep(self, played: Played, found: Judged) -> None:
        failure = Failure(
            slot=played.slot,
            number=played.number,
            began=played.began,
            ended=played.ended,
            length=played.spec.seconds,
            reasons=found.reasons,
            findings=found.findings,
            plan=list(played.spec.plan.texts),
        )
        new = all(found.reasons != known.reasons for known, _ in self.failing)
        if new:
            self.failing.append((failure, played.spec))
        if new or len(self.result.failures) < _FAILURES:
            self.result.failures.append(failure)
