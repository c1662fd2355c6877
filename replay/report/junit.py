"""Reports as JUnit XML: a case for each recording, condition and verdict.

A failure is what was measured and should not be. An error is what nobody knows: an invalid
measurement, too few values, a comparison that is inconclusive; CI systems show it as red as a
failure, so that a failure to measure is never a pass. What decides nothing is never red: it passes,
or is skipped with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from replay.benchmark import Benchmark
from replay.catalogue import CATALOGUE
from replay.checks import Checked
from replay.compare import Comparison
from replay.compare.changes import Change
from replay.compare.comparison import Group
from replay.judge import BY_ID
from replay.outcomes import Outcome, outcomes
from replay.report.numbers import of_change
from replay.report.subjects import OneRun, Subject, named
from replay.report.suites import Case, State, Suite, document

#: What each verdict comes to; those that are not here pass.
_STATES: dict[str, State] = {
    "fail": "failure",
    "worse": "failure",
    "unknown": "error",
    "inconclusive": "error",
    "invalid": "error",
}


def render(subjects: Sequence[Subject]) -> bytes:
    """The file's bytes."""
    return document("replay", [suite for each in named(subjects) for suite in _suites(*each)])


def _suites(name: str, subject: Subject) -> Iterator[Suite]:
    match subject:
        case OneRun():
            yield Suite(name, list(_run(subject)))
        case Benchmark():
            yield from _benchmark(name, subject)
        case Comparison():
            yield Suite(name, list(_comparison(subject)))


def _verdict(name: str, verdict: str, reasons: Sequence[str]) -> Case:
    """A case that stands or falls with a verdict."""
    detail = "\n".join(reasons)
    state = _STATES.get(verdict, "pass")
    if state == "pass":
        return Case(name, detail=detail and f"{verdict}\n{detail}")
    return Case(name, state, reasons[0] if reasons else verdict, detail, verdict)


def _run(run: OneRun) -> Iterator[Case]:
    summary = run.summary
    validity = summary.validity
    yield _verdict(summary.source.name, summary.verdict, summary.reasons)
    yield _verdict("measurement", validity.verdict, validity.reasons + validity.notes)
    for name, state in summary.invariants.items():
        says = f"{name}: {BY_ID[name].says}" if name in BY_ID else name
        if state == "unknown":
            # Those that must be known have made the verdict unknown.
            yield Case(says, "skipped", "cannot be told")
        elif state != "not applicable":
            found = [each.detail for each in summary.findings if each.invariant == name]
            yield _verdict(says, state, found)


def _benchmark(name: str, found: Benchmark) -> Iterator[Suite]:
    validity = found.validity
    yield Suite(
        name,
        [
            _verdict("verdict", found.verdict, found.reasons),
            _verdict("measurement", validity.verdict, validity.reasons + validity.notes),
            *map(_condition, found.assertions),
        ],
    )
    every = outcomes(found)
    for each in found.measured:
        mine = [_recording(found, one) for one in every if one.arm == each.arm.name]
        yield Suite(f"{name}, {each.arm.name}: {each.arm.label}", mine)
    if found.comparison is not None:
        yield Suite(f"{name}, against {found.comparison.base}", list(_comparison(found.comparison)))


def _recording(found: Benchmark, outcome: Outcome) -> Case:
    counted = f"{outcome.sessions} of {found.runs} rounds count"
    reasons = [*outcome.reasons, counted] if outcome.reasons else [counted]
    return _verdict(outcome.recording, outcome.verdict, reasons)


def _condition(checked: Checked) -> Case:
    return _verdict(checked.text, checked.state, [checked.why] if checked.why else [])


def _comparison(found: Comparison) -> Iterator[Case]:
    yield _verdict("verdict", found.verdict, found.reasons + found.notes)
    yield from map(_condition, found.conditions)
    # Without conditions the verdict stands on latency, measure by measure.
    if not found.conditions:
        yield from map(_change, found.latency.changes)
    for group in (found.latency, found.stability, found.accuracy):
        told = group.changes or group.reasons
        if told and (group is not found.latency or found.conditions):
            yield _aside(group)


def _change(each: Change) -> Case:
    return _verdict(_name(each), each.verdict, [_words(each)])


def _aside(group: Group) -> Case:
    """Measures that decide nothing here."""
    told = "\n".join([*group.reasons, *(f"{_name(c)}: {_words(c)}" for c in group.changes)])
    if group.verdict in ("better", "same"):
        return Case(group.name, detail=f"{group.verdict}\n{told}")
    return Case(group.name, "skipped", f"{group.verdict}; it decides nothing here", told)


def _name(each: Change) -> str:
    return " ".join(filter(None, (CATALOGUE[each.figure].title, each.statistic)))


def _words(each: Change) -> str:
    unit = " ms" if each.unit == "ms" else ""
    low, high = of_change(each, each.low, "+"), of_change(each, each.high, "+")
    return (
        f"{each.verdict}: {of_change(each, each.change, '+')}{unit}, {low} to {high}{unit}; "
        f"{of_change(each, each.detectable)}{unit} could have been found"
    )
