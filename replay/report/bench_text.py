"""A benchmark and a comparison for people: tables on a terminal, one fact a line anywhere else."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from rich.console import Console, Group, RenderableType
from rich.text import Text

from replay.benchmark import Benchmark, Measured
from replay.catalogue import CATALOGUE, Figure
from replay.checks import Checked
from replay.compare import Comparison
from replay.compare.changes import Change
from replay.report.fitting import Facts, Figures
from replay.report.numbers import cell, count, figure_line, fine, number, of_change, rule
from replay.report.text import VERDICT_STYLES
from replay.statistics import Distribution

_COMPARED = {
    "better": "bold green",
    "same": "green",
    "worse": "bold red",
    "inconclusive": "bold yellow",
}
_CHECKED = {"pass": "green", "fail": "bold red", "unknown": "yellow"}
#: Groups of figures that are distributions; all others are facts.
GROUPS = {
    "latency": "latency, ms from the plan",
    "waterfall": "a final word's time, ms",
    "network": "network, ms",
    "session": "session, ms",
    "recovery": "recovery, ms",
}


def show(found: Benchmark, console: Console) -> None:
    """Print a benchmark in the form that fits the console."""
    _show(console, render(found), lines(found))


def show_comparison(found: Comparison, console: Console) -> None:
    """Print a comparison in the form that fits the console."""
    _show(console, render_comparison(found), comparison_lines(found))


def _show(console: Console, rich: RenderableType, plain: Iterator[str]) -> None:
    if console.is_terminal:
        console.print(rich)
        return
    for line in plain:
        console.out(line, highlight=False)


# ------------------------------------------------------------------ plain


def lines(found: Benchmark) -> Iterator[str]:
    """`name: value` lines, with the names of `bench.json`."""
    yield f"verdict: {found.verdict}"
    yield from (f"reason: {reason}" for reason in found.reasons)
    yield f"validity: {found.validity.verdict}"
    yield from (f"validity reason: {reason}" for reason in found.validity.reasons)
    yield from (f"validity note: {note}" for note in found.validity.notes)
    yield f"recordings: {len(found.recordings)}"
    yield f"runs: {found.runs}"
    yield f"warmup: {found.warmup} (played, not counted)"
    yield f"quantiles: {found.quantiles}"
    for each in found.measured:
        yield f"{each.arm.name}: {each.arm.label}"
        yield f"{each.arm.name}.sessions: {_counted(each)} of {len(each.plays)} counted"
        for figure in CATALOGUE.values():
            value = each.figures.get(figure.name)
            if isinstance(value, Distribution):
                if value.n:
                    yield f"{each.arm.name}.{figure.name}: {figure_line(value)}"
            elif value is not None:
                yield f"{each.arm.name}.{figure.name}: {value:g}"
    yield from map(_checked_line, found.assertions)
    if found.comparison is not None:
        yield from comparison_lines(found.comparison)


def comparison_lines(found: Comparison) -> Iterator[str]:
    """`name: value` lines, with the names of the comparison's JSON."""
    yield f"comparison: {found.verdict}"
    yield f"comparison.base: {found.base}"
    yield f"comparison.new: {found.new}"
    yield from (f"comparison reason: {reason}" for reason in found.reasons)
    yield from (f"comparison note: {note}" for note in found.notes)
    for group in (found.latency, found.stability, found.accuracy):
        yield f"comparison.{group.name}: {group.verdict}"
        yield from (f"comparison.{group.name} reason: {reason}" for reason in group.reasons)
        yield from (_change_line(each, "change") for each in group.changes)
    yield from (_change_line(each, "advisory") for each in found.advisory)
    yield from map(_checked_line, found.conditions)


def _change_line(each: Change, what: str) -> str:
    values = msgspec.structs.asdict(each)
    name = ".".join(filter(None, (values.pop("figure"), values.pop("statistic"))))
    return f"{what} {name}: " + " ".join(f"{k}={number(v)}" for k, v in values.items())


def _checked_line(each: Checked) -> str:
    return f"condition {each.state}: {each.text}" + (f" ({each.why})" if each.why else "")


def extent(found: Benchmark) -> str:
    """How much was played."""
    text = f"{_many(len(found.recordings), 'recording')} × {_many(found.runs, 'round')}"
    if found.warmup:
        text += f", {_many(found.warmup, 'warm-up round')} discarded"
    return text


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _counted(each: Measured) -> int:
    return sum(play.counts for play in each.plays)


# ------------------------------------------------------------------ terminal


def render(found: Benchmark) -> RenderableType:
    """Verdict and validity first, then the figures of each side, then how they compare."""
    parts: list[RenderableType] = [_head(found)]
    for each in found.measured:
        parts += ["", *_side(each, alone=len(found.measured) == 1)]
    if found.assertions:
        parts += ["", *map(_checked, found.assertions)]
    if found.comparison is not None:
        parts += ["", render_comparison(found.comparison)]
    return Group(*parts)


def _head(found: Benchmark) -> RenderableType:
    head = Text.assemble(
        (f" {found.verdict.upper()} ", f"reverse {VERDICT_STYLES[found.verdict]}"),
        " ",
        (found.name, "bold"),
        f"  {extent(found)}  measurement ",
        (found.validity.verdict, VERDICT_STYLES[found.validity.verdict]),
    )
    reasons = [Text(f"   {reason}", VERDICT_STYLES[found.verdict]) for reason in found.reasons]
    doubts = [
        Text(f"   {reason}", VERDICT_STYLES[found.validity.verdict])
        for reason in found.validity.reasons
        if reason not in found.reasons
    ]
    notes = [Text(f"   {note}", "dim") for note in found.validity.notes]
    return Group(head, *reasons, *doubts, *notes)


def _side(each: Measured, *, alone: bool) -> Iterator[RenderableType]:
    if not alone:
        yield Text.assemble((f" {each.arm.name} ", "reverse"), f" {each.arm.label}")
    first, *others = grouped(each) or [("", [])]
    table = Figures(first[0], ("n", "p50", "p90", "p95", "p99", "max"), ("p90", "p99", "p95"))
    for title, rows in (first, *others):
        if title != table.title:
            table.head(title)
        for figure, dist in rows:
            table.add(figure.title, count(dist), *(cell(dist, q) for q in table.columns[1:]))
    if table.rows:
        shown = [dist for _, rows in (first, *others) for _, dist in rows]
        yield from (table, Text(f" {rule(shown)}", "dim"), "")
    yield _facts(each)


def grouped(each: Measured) -> list[tuple[str, list[tuple[Figure, Distribution]]]]:
    """The distributions of a side that have values, by group, under its title."""
    found = []
    for group, title in GROUPS.items():
        rows = [
            (figure, value)
            for figure in CATALOGUE.values()
            if figure.group == group
            and isinstance(value := each.figures.get(figure.name), Distribution)
            and value.n
        ]
        if rows:
            found.append((title, rows))
    return found


def _facts(each: Measured) -> Facts:
    facts = Facts()
    for label, value in sentences(each):
        facts.add(label, value)
    return facts


def sentences(each: Measured) -> Iterator[tuple[str, str]]:
    """What else there is to say of a side: a label, and what it is."""
    yield "sessions", f"{_counted(each)} of {len(each.plays)} count"
    for figure in CATALOGUE.values():
        value = each.figures.get(figure.name)
        if isinstance(value, int | float) and (value or figure.unit == "ratio"):
            yield figure.title, f"{value:.2%}" if figure.unit == "ratio" else f"{value:,}"
    late = each.figures.get("lateness")
    if isinstance(late, Distribution) and late.n:
        figures = f"p50 {fine(late.p50)}, p99 {fine(late.p99)}, max {fine(late.max)} ms"
        yield "own lateness", figures


def _checked(each: Checked) -> Text:
    return Text.assemble(
        (f" {each.state:<8}", _CHECKED[each.state]), each.text, (f"  {each.why}", "dim")
    )


def render_comparison(found: Comparison) -> RenderableType:
    """The verdict, the measures that it stands on, and the others."""
    head = Text.assemble(
        (f" {found.verdict.upper()} ", f"reverse {_COMPARED[found.verdict]}"),
        f" {found.new} against {found.base}",
    )
    parts: list[RenderableType] = [
        head,
        *(Text(f"   {reason}", _COMPARED[found.verdict]) for reason in found.reasons),
        *(Text(f"   {note}", "dim") for note in found.notes),
    ]
    groups = [each for each in (found.latency, found.stability, found.accuracy) if each.changes]
    if groups:
        parts += [
            "",
            _changes("change at the median of pairs", [c for g in groups for c in g.changes]),
        ]
        judged = Text(" ")
        for group in groups:
            judged.append(f"{group.name} ").append(group.verdict, _COMPARED[group.verdict])
            judged.append("  ")
        parts.append(judged)
    if found.advisory:
        parts += ["", _changes("beside it, deciding nothing", found.advisory)]
    if found.conditions:
        parts += ["", *map(_checked, found.conditions)]
    return Group(*parts)


def _changes(title: str, changes: list[Change]) -> Figures:
    columns = ("base", "new", "change", "from", "to", "could find", "pairs", "verdict")
    table = Figures(title, columns, ("base", "pairs", "new", "could find"), dim=("pairs",))
    for each in changes:
        name = CATALOGUE[each.figure].title + (f" {each.statistic}" if each.statistic else "")
        values = (each.base, each.new)
        moved = (each.change, each.low, each.high)
        table.add(
            name,
            *(of_change(each, value) for value in values),
            *(of_change(each, value, "+") for value in moved),
            of_change(each, each.detectable),
            str(each.pairs),
            each.verdict,
        )
    return table
