"""`replay verify` as a library call: a stored run, judged by every invariant."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from replay import rundir
from replay.continuity import Finding
from replay.judge import INVARIANTS, Case, Limits, Outcome, findings, judge
from replay.summary import Verdict, summarise

_STRICT = Limits(repeats="strict")


class Verified(Struct, kw_only=True):
    """What came of a run. `reasons`: of a verdict other than pass; `others`: findings of none of
    the invariants."""

    run: str
    verdict: Verdict
    reasons: list[str]
    invariants: dict[str, Outcome]
    others: list[Finding]


def verify(path: Path, *, strict: bool = False) -> Verified:
    """Judge a run's directory from its files alone.

    Args:
        strict: nothing may be recorded twice, warnings are failures, and what applies and cannot be
            told makes the verdict unknown.

    Raises:
        UsageError: it is no run's directory.
    """
    run = rundir.load(path)
    comparison = run.compare()
    limits = _STRICT if strict else Limits()
    outcomes = judge(Case(run.timeline, comparison, limits))
    summary = summarise(run.timeline, comparison, limits, run.damage)
    found = Verified(
        run=str(run.path),
        verdict=summary.verdict,
        reasons=summary.reasons,
        invariants=outcomes,
        others=[each for each in summary.findings if each.invariant not in outcomes],
    )
    if strict:
        _tighten(found, findings(Case(run.timeline, comparison, limits), outcomes))
    return found


def _tighten(found: Verified, every: list[Finding]) -> None:
    warnings = [each.detail for each in every if each.severity == "warning"]
    unsure = [
        f"{each.id} cannot be told: {found.invariants[each.id].why}"
        for each in INVARIANTS
        if found.invariants[each.id].state == "unknown"
    ]
    if warnings:
        found.reasons = [*(found.reasons if found.verdict == "fail" else []), *warnings]
        found.verdict = "fail"
    elif unsure and found.verdict == "pass":
        found.verdict, found.reasons = "unknown", unsure
