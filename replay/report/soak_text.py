"""A soak for people: tables on a terminal, one fact a line anywhere else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from rich.console import Console, Group, RenderableType
from rich.text import Text

from replay.endurance.summary import SoakSummary, Worst
from replay.endurance.trend import Trend
from replay.report.fitting import Facts, Figures, Harmless, harmless
from replay.report.numbers import cell, count, figure_line, ms, number, rule
from replay.report.soak_words import (
    MEASURES,
    STEPS,
    TRENDS,
    clock,
    extent,
    facts,
    interval,
    invariants,
    kind,
    slope,
    title,
    unsure,
)
from replay.report.text import VERDICT_STYLES

TAKEN = {"good": "green", "bad": "bold red", "doubt": "yellow", "": ""}
STATES = {
    **dict.fromkeys(("flat", "pass"), "green"),
    **dict.fromkeys(("grows", "fail"), "bold red"),
    "unknown": "yellow",
}
_RESOURCES = ("rss", "fds", "threads", "tasks")
_WORST, _EXAMPLES = 5, 2


def show(summary: SoakSummary, console: Console) -> None:
    """Print it in the form that fits the console."""
    if console.is_terminal:
        console.print(render(summary))
        return
    for line in lines(summary):
        console.out(harmless(line.replace("\n", " ")), highlight=False)


# ------------------------------------------------------------------ terminal


def render(summary: SoakSummary) -> RenderableType:
    """Verdict and why first, then what a release engineer asks next."""
    parts: list[RenderableType] = [_head(summary), "", _facts(summary)]
    if summary.checks:
        parts += ["", *_checks(summary)]
    if summary.recoveries and summary.recoveries[0].outages:
        parts += ["", _recoveries(summary)]
    if summary.latency.all:
        parts += ["", *_latency(summary)]
    if summary.trends:
        parts += ["", growth(summary.trends), *_unsure(summary.trends)]
    if summary.drifts:
        parts += ["", _drifts(summary.drifts), *_unsure(summary.drifts)]
    if summary.findings:
        parts += ["", *_findings(summary)]
    if shown := _telling(summary):
        parts += ["", *_worst(shown)]
    return Harmless(Group(*parts))


def _head(summary: SoakSummary) -> RenderableType:
    style = VERDICT_STYLES[summary.verdict]
    head = Text.assemble(
        (f" {summary.verdict.upper()} ", f"reverse {style}"),
        " ",
        (title(summary.plan), "bold"),
        f" → {summary.plan.get('target', 'its target')}  ",
        (extent(summary), "dim"),
    )
    return Group(head, *(Text(f"   {reason}", style) for reason in summary.reasons))


def _facts(summary: SoakSummary) -> Facts:
    told = Facts()
    for label, sentence, taken in facts(summary):
        told.add(label, Text(sentence, TAKEN[taken]))
    row = Text.assemble(("held ", "dim"), (invariants(summary, "pass") or "none", "green"))
    if broken := invariants(summary, "fail"):
        row.append(f"  broken {broken}", style="bold red")
    if unsure := invariants(summary, "unknown"):
        row.append(f"  not known {unsure}", style="yellow")
    told.add("invariants", row)
    return told


def _checks(summary: SoakSummary) -> Iterator[Text]:
    for each in summary.checks:
        yield Text.assemble(
            (f" {each.state:<8}", STATES[each.state]), each.text, (f"  {each.why}", "dim")
        )


def _recoveries(summary: SoakSummary) -> Figures:
    medians = tuple(f"{name} p50" for name in STEPS.values())
    columns = ("n", "p50", "p95", "max", *medians)
    rarest = (
        "1st text p50", "down p50", "1st ack p50", "flushed p50", "connecting p50",
        "waited p50", "noticed p50", "caught up p50", "max",
    )  # fmt: skip
    table = Figures("recovered from a loss, ms", columns, rarest, dim=medians)
    for each in summary.recoveries:
        figures = (cell(each.recover, name) for name in columns[1:4])
        steps = (ms(getattr(each, step).p50) for step in STEPS)
        table.add(kind(each.kind), f"{each.outages:,}", *figures, *steps)
    return table


def _latency(summary: SoakSummary) -> Iterator[RenderableType]:
    clear = ("clear p50", "clear p95")
    columns = ("n", "p50", "p90", "p95", "p99", "max", *clear)
    table = Figures(
        "latency, ms from the plan", columns, ("p90", "p99", "clear p50", "max"), dim=clear
    )
    shown = []
    for name, label in MEASURES.items():
        if (every := summary.latency.all.get(name)) is None:
            continue
        shown.append(every)
        calm = summary.latency.undisturbed.get(name)
        figures = (cell(every, each) for each in columns[1:6])
        apart = ("–" if calm is None else cell(calm, each) for each in ("p50", "p95"))
        table.add(label, count(every), *figures, *apart)
    yield table
    yield Text(f" {rule(shown)}; clear: what no outage touched", "dim")


def growth(trends: Sequence[Trend]) -> Figures:
    """What each process gains with every reconnection; what is more than it may be in words."""
    kinds = [TRENDS[of] for of in _RESOURCES]
    table = Figures("gained a reconnection", kinds, ("threads", "tasks"))
    for who in dict.fromkeys(each.who for each in trends):
        mine = {each.of: each for each in trends if each.who == who}
        table.add(who, *(_grown(mine.get(of)) for of in _RESOURCES))
    return table


def _grown(trend: Trend | None) -> str:
    if trend is None:
        return "–"
    return trend.state if trend.slope is None else f"{slope(trend, trend.slope)} {trend.state}"


def _drifts(drifts: Sequence[Trend]) -> Figures:
    table = Figures("drift an hour", ("n", "slope", "99 % interval", "borne", "state"), ("n",))
    for each in drifts:
        of = TRENDS[each.of] + (f", {each.who}" if each.who else "")
        borne = slope(each, each.bound, "")
        table.add(
            of, f"{each.n:,}", slope(each, each.slope), interval(each), borne, each.state
        )  # fmt: skip
    return table


def _unsure(trends: Sequence[Trend]) -> Iterator[Text]:
    return (Text(f" {each}", "dim") for each in unsure(trends))


def _findings(summary: SoakSummary) -> Iterator[Text]:
    for found in summary.findings:
        yield Text.assemble(
            (f" {found.severity:<8}", VERDICT_STYLES[found.severity]),
            (f"{found.invariant:<4}", "bold"),
            f"{found.count:,} in {found.sessions:,} sessions",
        )
        for session, each in found.examples[:_EXAMPLES]:
            yield Text.assemble(("          ", ""), (session, "dim"), f"  {each.detail}")


def _telling(summary: SoakSummary) -> list[Worst]:
    """The failing ones; those that were only the slowest are for the page."""
    return [each for each in summary.worst if each.verdict == "fail"]


def _worst(shown: Sequence[Worst]) -> Iterator[Text]:
    for each in shown[:_WORST]:
        why = f": {each.reasons[0]}" if each.reasons else ""
        yield Text.assemble(
            (f" {each.session}", "bold"), f" at {clock(each.began)}", (why, "red"), ("", "")
        )
        if each.repeat:
            yield Text(f"   {each.repeat}", style="dim", overflow="fold")
    if len(shown) > _WORST:
        yield Text(f" and {len(shown) - _WORST} more", "dim")


# ------------------------------------------------------------------ plain


def lines(summary: SoakSummary) -> Iterator[str]:
    """`name: value` lines; the same names as in the JSON."""
    yield f"verdict: {summary.verdict}"
    yield from (f"reason: {reason}" for reason in summary.reasons)
    yield f"elapsed: {summary.elapsed:g}"
    yield f"asked: {number(summary.asked)}"
    yield f"seed: {number(summary.seed)}"
    yield f"shards: {summary.shards}"
    for part in ("sessions", "audio", "words"):
        for name, value in msgspec.structs.asdict(getattr(summary, part)).items():
            yield f"{part}.{name}: {number(value)}"
    yield f"reconnects: {summary.reconnects}"
    yield f"faults.fired: {summary.faults.fired}"
    for name, fired in summary.faults.by_kind.items():
        yield f"fault {name}: {fired}"
    for name, sessions in summary.faults.missed.items():
        yield f"fault missed: {name} sessions={sessions}"
    yield from _distributions(summary)
    for trend in (*summary.trends, *summary.drifts):
        yield _trend_line(trend)
    for each in summary.checks:
        yield f"condition {each.state}: {each.text}" + (f" ({each.why})" if each.why else "")
    for state in ("pass", "fail", "unknown"):
        yield f"invariants {state}: {invariants(summary, state) or '-'}"
    for death in summary.deaths:
        yield f"death: worker={death.worker} t={death.t:g} {death.why}".rstrip()
    for found in summary.findings:
        where = f"count={found.count} sessions={found.sessions}"
        detail = found.examples[0][1].detail if found.examples else ""
        yield f"finding: {found.severity} {found.invariant} {where} {detail}".rstrip()
    for one in summary.worst:
        reason = one.reasons[0] if one.reasons else ""
        took = f"recover={number(one.recover)}"
        yield f"worst: {one.session} {one.verdict} {took} {reason}".rstrip()
    storm = summary.storm
    yield f"storm: {storm.state} cuts={storm.cuts} attempts={storm.attempts}"


def _distributions(summary: SoakSummary) -> Iterator[str]:
    for name, dist in summary.latency.all.items():
        yield f"latency.{name}: {figure_line(dist)}"
    for name, dist in summary.latency.undisturbed.items():
        yield f"latency.clear_{name}: {figure_line(dist)}"
    yield f"lateness: {figure_line(summary.latency.lateness)}"
    yield f"stalls: {summary.latency.stalls}"
    yield f"mistimed_sessions: {summary.latency.mistimed}"
    for each in summary.recoveries:
        name = kind(each.kind).replace(" ", "_")
        yield f"recovery.{name}.outages: {each.outages} unrecovered={each.unrecovered}"
        for step in ("recover", *STEPS):
            yield f"recovery.{name}.{step}: {figure_line(getattr(each, step))}"


def _trend_line(trend: Trend) -> str:
    figures = " ".join(
        f"{name}={number(getattr(trend, name))}" for name in ("slope", "low", "high", "bound", "n")
    )
    who = f" {trend.who}:" if trend.who else ":"
    why = f" ({trend.why})" if trend.why else ""
    return f"trend {trend.state} {trend.of}{who} {figures} {trend.unit}{why}"
