"""A soak as JUnit XML: a case for the verdict, and for each condition, invariant, process and
drift.

A failure is what was measured and should not be; an error is what nobody knows and was asked for; a
trend that cannot be told decides nothing, and is skipped with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator

from replay.endurance.summary import SoakSummary
from replay.endurance.trend import Trend
from replay.judge import BY_ID
from replay.report.soak_words import TRENDS, interval, slope, title
from replay.report.suites import Case, State, Suite, document

_STATES: dict[str, State] = {"fail": "failure", "unknown": "error"}


def render(summary: SoakSummary) -> bytes:
    """The file's bytes."""
    name = f"soak of {title(summary.plan)}"
    suites = [
        Suite(name, [_verdict(summary), *_conditions(summary), *_workers(summary)]),
        Suite(f"{name}, invariants", list(_invariants(summary))),
        Suite(f"{name}, processes", [_trend(each) for each in summary.trends]),
        Suite(f"{name}, drifts", [_trend(each) for each in summary.drifts]),
    ]
    return document("replay soak", [each for each in suites if each.cases], summary.elapsed)


def _case(name: str, verdict: str, reasons: list[str]) -> Case:
    detail = "\n".join(reasons)
    state = _STATES.get(verdict, "pass")
    if state == "pass":
        return Case(name, detail=detail)
    return Case(name, state, reasons[0] if reasons else verdict, detail, verdict)


def _verdict(summary: SoakSummary) -> Case:
    sessions = summary.sessions
    counted = (
        f"{sessions.finished} sessions finished, {sessions.passed} passed; "
        f"{summary.reconnects} reconnections"
    )
    return _case("verdict", summary.verdict, [*summary.reasons, counted])


def _conditions(summary: SoakSummary) -> Iterator[Case]:
    for each in summary.checks:
        yield _case(each.text, each.state, [each.why] if each.why else [])


def _workers(summary: SoakSummary) -> Iterator[Case]:
    died = [f"worker {each.worker} after {each.t:.0f} s: {each.why}" for each in summary.deaths]
    yield _case("no process died", "fail" if died else "pass", died)


def _invariants(summary: SoakSummary) -> Iterator[Case]:
    for name, states in summary.invariants.items():
        says = f"{name}: {BY_ID[name].says}" if name in BY_ID else name
        told = [f"{count} sessions: {state}" for state, count in sorted(states.items())]
        found = [
            f"{session}: {finding.detail}"
            for each in summary.findings
            if each.invariant == name
            for session, finding in each.examples
        ]
        if states.get("fail"):
            yield _case(says, "fail", [*found, *told])
        elif states.get("unknown"):
            # Those that must be known have made the verdict unknown.
            yield Case(says, "skipped", f"cannot be told in {states['unknown']} sessions")
        elif states.get("pass"):
            yield _case(says, "pass", told)


def _trend(trend: Trend) -> Case:
    name = f"{trend.who} {TRENDS[trend.of]}".strip()
    told = (
        f"{slope(trend, trend.slope)} ({trend.unit}), 99 % interval {interval(trend)}, "
        f"borne {slope(trend, trend.bound, '')}; {trend.n} values"
    )
    if trend.state == "grows":
        return Case(name, "failure", f"it grows: {told}", kind="grows")
    if trend.state == "unknown":
        return Case(name, "skipped", trend.why or "cannot be told", told)
    return Case(name, detail=f"flat: {told}")
