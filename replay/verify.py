"""`replay verify` as a library call: stored runs, judged by every invariant, and together."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from replay import rundir
from replay.continuity import Finding
from replay.judge import INVARIANTS, Case, Limits, Outcome, findings, herd, judge
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


class Together(Struct, kw_only=True):
    """What only several runs can show. `invariants`: those that are judged over all of them."""

    runs: int
    verdict: Verdict
    reasons: list[str]
    invariants: dict[str, Outcome]


class Verifier:
    """Judges one run after another, and keeps of each what they are judged by together."""

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._returns: list[list[herd.Return]] = []

    def verify(self, path: Path) -> Verified:
        """As `verify`."""
        run = rundir.load(path)
        self.add(run)
        return _verified(run, strict=self._strict)

    def add(self, run: rundir.Run) -> None:
        """Keep what this run is judged by together with others."""
        self._returns.append(herd.returns(Case(run.timeline)))

    def together(self) -> Together | None:
        """The judgement over all runs so far; None where there is nothing to judge."""
        outcome = herd.r4(self._returns)
        if outcome.state == "not applicable":
            return None
        failed = [each.detail for each in outcome.findings if each.severity == "error"]
        unsure = [f"R4 cannot be told: {outcome.why}"] if outcome.state == "unknown" else []
        # Few runs at once are no storm that anybody asked about, unless nothing may stay open.
        verdict: Verdict = "fail" if failed else "unknown" if unsure and self._strict else "pass"
        return Together(
            runs=len(self._returns),
            verdict=verdict,
            reasons=failed or (unsure if self._strict else []),
            invariants={"R4": outcome},
        )


def verify(path: Path, *, strict: bool = False) -> Verified:
    """Judge a run's directory from its files alone.

    Args:
        strict: nothing may be recorded twice, warnings are failures, and what applies and cannot be
            told makes the verdict unknown.

    Raises:
        UsageError: it is no run's directory.
    """
    return Verifier(strict=strict).verify(path)


def _verified(run: rundir.Run, *, strict: bool) -> Verified:
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
