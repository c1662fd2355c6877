"""Simulated worlds, as text."""

from __future__ import annotations

from collections.abc import Iterator

from replay.simulating import Progress, Simulated
from replay.simulation.verdict import Failure, SeedResult

_HOUR = 3600.0
#: Of a shrunk plan so many rules are shown, and of a failure so many findings.
_RULES, _FINDINGS = 8, 3


def seed_line(result: SeedResult) -> str:
    """One world that is done."""
    verdict = "fail" if result.failed else "pass" if result.passed else "unknown"
    unknown = f", {result.unknown} unknown" if result.unknown else ""
    return (
        f"seed {result.seed}: {verdict}  {result.sessions} sessions{unknown}, "
        f"{result.audio / _HOUR:.1f} h of audio, {result.reconnects:,} reconnects, "
        f"{sum(result.faults.values()):,} faults, {result.lost_bytes:,} bytes lost  "
        f"{times(result.audio, result.took)}  journals {result.digest[:16]}"
    )


def progress_line(progress: Progress) -> str:
    """How far all of it has come."""
    results = progress.results.values()
    virtual = sum(each.virtual for each in results)
    audio = sum(each.audio for each in results)
    failed = sum(each.failed for each in results)
    sessions = sum(each.sessions for each in results)
    return (
        f"{len(progress.finished)} of {progress.total} seeds, {virtual / _HOUR:.1f} h simulated, "
        f"{sessions} sessions, {failed} failed, {times(audio, progress.elapsed)}"
    )


def times(audio: float, took: float) -> str:
    """How many times faster than it is spoken."""
    return f"{audio / took:,.0f} × real time" if took else "no time yet"


def failure_lines(failure: Failure, command: str) -> Iterator[str]:
    """One session that failed, and how to have it again."""
    hours = f"{failure.began / _HOUR:.2f} h"
    yield f"session {failure.slot}-{failure.number}, from {hours}: {', '.join(failure.reasons)}"
    for finding in failure.findings[:_FINDINGS]:
        yield f"  {finding.invariant}: {finding.detail}"
    if failure.smallest is not None:
        yield f"  {len(failure.plan)} faults → {len(failure.smallest)}, without other sessions:"
        for text in failure.smallest[:_RULES]:
            yield f"    {text}"
        if len(failure.smallest) > _RULES:
            yield f"    … and {len(failure.smallest) - _RULES} more"
    elif failure.alone is False:
        yield "  it does not fail without the other sessions of its world"
    yield f"  {command}"


def lines(found: Simulated) -> Iterator[str]:
    """All of it: failures, then the sum."""
    commands = iter(found.commands)
    for result in found.seeds:
        for failure in result.failures:
            yield f"seed {result.seed}"
            yield from failure_lines(failure, next(commands))
        if more := result.failed - len(result.failures):
            yield f"seed {result.seed}: and {more:,} more"
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in found.faults.items())
    if kinds:
        yield f"faults: {kinds}"
    lost = sum(each.lost_bytes for each in found.seeds)
    yield (
        f"{found.sessions} sessions, {found.audio / _HOUR:.1f} h of audio in "
        f"{found.virtual / _HOUR:.1f} h of virtual time, {found.reconnects:,} reconnects, "
        f"{lost:,} bytes lost, {times(found.audio, found.took)} on a core, {found.elapsed:.1f} s"
    )
    yield from found.reasons
    yield found.verdict
