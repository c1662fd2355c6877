"""Reports as GitHub-flavoured Markdown, for a pull request's comment or a step's summary.

Verdict and reasons first, then whether the measurement is valid, then what decides; the rest can be
unfolded. However much was played, the document fits into a comment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from replay.benchmark import Benchmark
from replay.compare import Comparison
from replay.report import markdown_bench, markdown_run
from replay.report.markup import MARKS, code, details, fitted, table, text
from replay.report.subjects import OneRun, Subject, named

#: Reasons beside a verdict in the overview.
_REASONS = 3


def render(subjects: Sequence[Subject]) -> bytes:
    """One document on all of them; of several, an overview comes first."""
    return fitted(lambda most: _document(subjects, most))


def _document(subjects: Sequence[Subject], most: int) -> Iterator[str]:
    if len(subjects) == 1:
        yield from _section(subjects[0], most)
        return
    rows = []
    for name, each in named(subjects):
        verdict, reasons = _judged(each)
        told = "<br>".join(map(text, reasons[: min(most, _REASONS)]))
        rows.append((code(name), f"{MARKS[verdict]} {verdict}", told))
    yield from table(("", "verdict", "reasons"), rows, most, figures=False)
    for name, each in named(subjects[:most]):
        yield from details(f"{name}: {_judged(each)[0]}", _section(each, most))


def _section(subject: Subject, most: int) -> Iterator[str]:
    match subject:
        case OneRun():
            return markdown_run.section(subject, most)
        case Benchmark():
            return markdown_bench.section(subject, most)
        case Comparison():
            return markdown_bench.comparison(subject, most, "##")


def _judged(subject: Subject) -> tuple[str, list[str]]:
    found = subject.summary if isinstance(subject, OneRun) else subject
    return found.verdict, found.reasons
