"""A benchmark, and a comparison, as sections of Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from replay.benchmark import Benchmark, Measured
from replay.catalogue import CATALOGUE
from replay.checks import Checked
from replay.compare import Comparison
from replay.compare.changes import Change
from replay.outcomes import Outcome, outcomes
from replay.report.bench_text import extent, grouped, sentences
from replay.report.markup import MARKS, bullets, code, details, table, text
from replay.report.numbers import cell, count, of_change, rule
from replay.statistics import Distribution

_QUANTILES = ("p50", "p90", "p95", "p99", "max")


def section(found: Benchmark, most: int) -> Iterator[str]:
    """Everything of a benchmark, tables and lists with at most so many rows."""
    verdict, measured = found.verdict, found.validity
    yield f"## {MARKS[verdict]} {verdict}: {code(found.name)}"
    yield ""
    yield from bullets(list(map(text, found.reasons)), most)
    yield ""
    yield f"{extent(found)}. Measurement: {MARKS[measured.verdict]} **{measured.verdict}**"
    yield ""
    yield from bullets(list(map(text, measured.reasons + measured.notes)), most)
    if found.assertions:
        yield ""
        yield from _conditions("must hold", found.assertions, most)
    if found.comparison is not None:
        yield ""
        yield from comparison(found.comparison, most, "###")
    for each in found.measured:
        side = "" if len(found.measured) == 1 else f" of {each.arm.name}, {each.arm.label}"
        opened = found.comparison is None
        yield from details(f"Figures{side}", _figures(each), opened=opened)
    what = outcomes(found)
    bad = sum(each.verdict != "pass" for each in what)
    about = f"Recordings: {len(found.recordings)}" + (f", {bad} not passed" if bad else "")
    yield from details(about, _recordings(what, most))
    yield from details("Where and how it was measured", _provenance(found))


def comparison(found: Comparison, most: int, level: str) -> Iterator[str]:
    """How two benchmarks compare, under a heading of this level."""
    verdict = found.verdict
    yield f"{level} {MARKS[verdict]} {verdict}: {code(found.new)} against {code(found.base)}"
    yield ""
    yield from bullets(list(map(text, found.reasons + found.notes)), most)
    if found.conditions:
        yield ""
        yield from _conditions("counts as worse", found.conditions, most)
    groups = [each for each in (found.latency, found.stability, found.accuracy) if each.changes]
    if groups:
        yield ""
        changes = [each for group in groups for each in group.changes]
        yield from _changes("change at the median of pairs", changes)
        yield ""
        yield ", ".join(f"{each.name}: {MARKS[each.verdict]} {each.verdict}" for each in groups)
    yield ""
    yield (
        f"_A thing compared with itself is called worse at most {found.false_alarms:.0%} of the "
        f"time; a change as large as “could find” is found {found.power:.0%} of the time._"
    )
    if found.advisory:
        title = "Other measures and tails, which decide nothing"
        yield from details(title, _changes("change", found.advisory, marked=False))


def _conditions(title: str, checked: Sequence[Checked], most: int) -> Iterator[str]:
    rows = [
        (code(each.text), f"{MARKS[each.state]} {each.state}", text(each.why)) for each in checked
    ]
    yield from table((title, "", "why"), rows, most, figures=False)


def _changes(title: str, changes: Sequence[Change], *, marked: bool = True) -> Iterator[str]:
    head = (title, "base", "new", "change", "interval", "could find", "pairs", "verdict")
    rows = []
    for each in changes:
        unit = " ms" if each.unit == "ms" else ""
        share = "" if each.change_share is None else f" ({each.change_share:+.1%})"
        low, high = of_change(each, each.low, "+"), of_change(each, each.high, "+")
        rows.append(
            (
                " ".join(filter(None, (CATALOGUE[each.figure].title, each.statistic))),
                of_change(each, each.base) + unit,
                of_change(each, each.new) + unit,
                of_change(each, each.change, "+") + unit + (share if unit else ""),
                f"{low} to {high}{unit}",
                of_change(each, each.detectable) + unit,
                str(each.pairs),
                f"{MARKS[each.verdict]} {each.verdict}" if marked else each.verdict,
            )
        )
    yield from table(head, rows)


def _figures(each: Measured) -> Iterator[str]:
    shown: list[Distribution] = []
    for title, rows in grouped(each):
        shown += [dist for _, dist in rows]
        figures = [
            (figure.title, count(dist), *(cell(dist, q) for q in _QUANTILES))
            for figure, dist in rows
        ]
        yield from table((title, "n", *_QUANTILES), figures)
        yield ""
    if shown:
        yield f"_{rule(shown)}_"
        yield ""
    yield from (f"- {label}: {value}" for label, value in sentences(each))


def _recordings(what: Sequence[Outcome], most: int) -> Iterator[str]:
    rows = [
        (
            code(each.recording),
            each.arm,
            f"{each.sessions} of {each.of}",
            f"{MARKS[each.verdict]} {each.verdict}",
            text(each.reasons[0]) if each.reasons else "",
        )
        # Those that one looks for first, so that they are not cut off.
        for each in sorted(what, key=lambda each: ("fail", "unknown", "pass").index(each.verdict))
    ]
    head = ("recording", "side", "sessions that count", "", "first reason")
    yield from table(head, rows, most, figures=False)


def _provenance(found: Benchmark) -> Iterator[str]:
    machine = found.machine
    yield f"- replay {text(found.replay_version)}, begun {text(found.created_at)}"
    yield f"- {text(machine.processor)}, {machine.cores} cores, {text(machine.system)}"
    yield f"- Python {text(machine.python)}"
    yield f"- sessions side by side: {found.concurrency}"
    for each in found.measured:
        arm = each.arm
        yield f"- {arm.name}: {text(arm.label)}, {code(arm.target)}"
        for what, values in (("sandbox", arm.sandbox), ("faults", arm.faults)):
            if values:
                yield f"  - {what}: {code(' '.join(values))}"
        if arm.config:
            yield f"  - config: {code(msgspec.json.encode(arm.config).decode())}"
