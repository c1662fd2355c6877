"""A soak as GitHub-flavoured Markdown, for a pull request's comment or a step's summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from replay.endurance.summary import SoakSummary
from replay.endurance.trend import Trend
from replay.judge import BY_ID
from replay.report.markup import MARKS, bullets, code, details, fitted, table, text
from replay.report.numbers import cell, count, ms, rule
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

_QUANTILES = ("p50", "p95", "p99", "max")
_STATES = {"flat": "✅", "grows": "❌", "unknown": "❔"}
_TAKEN = {"good": "✅ ", "bad": "❌ ", "doubt": "⚠️ ", "": ""}


def render(summary: SoakSummary) -> bytes:
    """The document, however much there is of it short enough for a comment."""
    return fitted(lambda most: section(summary, most))


def section(summary: SoakSummary, most: int) -> Iterator[str]:
    """Verdict and why first, then what decides; the rest can be unfolded."""
    name = f"{code(title(summary.plan))} on {text(str(summary.plan.get('target', 'its target')))}"
    yield f"## {MARKS[summary.verdict]} {summary.verdict}: {name}"
    yield ""
    yield from bullets(list(map(text, summary.reasons)), most)
    yield ""
    yield f"Soaked for {text(extent(summary))}."
    yield ""
    yield from (f"- {label}: {_TAKEN[taken]}{text(said)}" for label, said, taken in facts(summary))
    if summary.checks:
        yield ""
        rows = [
            (code(each.text), f"{MARKS[each.state]} {each.state}", text(each.why))
            for each in summary.checks
        ]
        yield from table(("must hold", "", "why"), rows, most, figures=False)
    if summary.recoveries and summary.recoveries[0].outages:
        yield ""
        yield from _recoveries(summary, most)
    yield from details("Latency", _latency(summary))
    grown = sum(each.state == "grows" for each in (*summary.trends, *summary.drifts))
    told = f"Growth of processes, and drifts{f': {grown} sure' if grown else ': none that is sure'}"
    yield from details(told, _trends(summary, most), opened=bool(grown))
    if summary.findings:
        every = sum(each.count for each in summary.findings)
        yield from details(f"Findings: {every:,}", _findings(summary, most))
    if summary.worst:
        yield from details("The worst sessions, and how to have them again", _worst(summary, most))
    yield from details("Invariants", _invariants(summary))
    yield from details("What was asked for", _plan(summary))


def _recoveries(summary: SoakSummary, most: int) -> Iterator[str]:
    rows = [
        (
            code(each.kind) if each.kind else kind(each.kind),
            f"{each.outages:,}" + (f" ({each.unrecovered:,} never)" if each.unrecovered else ""),
            *(cell(each.recover, name) for name in ("p50", "p95", "max")),
            *(ms(getattr(each, step).p50) for step in STEPS),
        )
        for each in summary.recoveries
    ]
    medians = [f"{name} p50" for name in STEPS.values()]
    yield from table(("recovered, ms", "losses", "p50", "p95", "max", *medians), rows, most)


def _latency(summary: SoakSummary) -> Iterator[str]:
    rows, shown = [], []
    for name, label in MEASURES.items():
        for dist, which in (
            (summary.latency.all.get(name), ""),
            (summary.latency.undisturbed.get(name), ", undisturbed"),
        ):
            if dist is not None:
                shown.append(dist)
                rows.append((label + which, count(dist), *(cell(dist, q) for q in _QUANTILES)))
    if not rows:
        yield "No latency was measured."
        return
    yield from table(("latency, ms from the plan", "n", *_QUANTILES), rows)
    yield ""
    yield f"_{rule(shown)}_"


def _trends(summary: SoakSummary, most: int) -> Iterator[str]:
    for head, trends in (("a reconnection", summary.trends), ("an hour", summary.drifts)):
        if trends:
            columns = (head, "slope", "99 % interval", "borne", "n", "")
            yield from table(columns, [_trend(each) for each in _ordered(trends)], most)
            yield ""
            yield from (f"_{text(each)}_  " for each in unsure(trends))
            yield ""


def _ordered(trends: Sequence[Trend]) -> list[Trend]:
    return sorted(trends, key=lambda each: ("grows", "unknown", "flat").index(each.state))


def _trend(trend: Trend) -> tuple[str, ...]:
    return (
        text(f"{trend.who} {TRENDS[trend.of]}".strip()),
        slope(trend, trend.slope),
        interval(trend),
        slope(trend, trend.bound, ""),
        f"{trend.n:,}",
        f"{_STATES[trend.state]} {trend.state}",
    )


def _findings(summary: SoakSummary, most: int) -> Iterator[str]:
    told = [
        f"{found.severity} {text(found.invariant)}: "
        f"{found.count:,} in {found.sessions:,} sessions; "
        + "; ".join(f"{code(session)}: {text(each.detail)}" for session, each in found.examples[:2])
        for found in summary.findings
    ]
    yield from bullets(told, most)


def _worst(summary: SoakSummary, most: int) -> Iterator[str]:
    rows = [
        (
            code(each.session),
            f"{MARKS[each.verdict]} {each.verdict}" + (", cut off" if each.cut else ""),
            clock(each.began),
            ms(each.recover),
            text(each.reasons[0]) if each.reasons else "",
        )
        for each in summary.worst
    ]
    head = ("session", "", "at", "slowest recovery, ms", "why")
    yield from table(head, rows, most, figures=False)
    commands = [each.repeat for each in summary.worst if each.verdict == "fail" and each.repeat]
    if commands:
        yield ""
        yield "```sh"
        # A fence within a command would end the block.
        yield from (" ".join(each.replace("```", "").split()) for each in commands[:most])
        yield "```"


def _invariants(summary: SoakSummary) -> Iterator[str]:
    for state, label in (("pass", "held"), ("fail", "broken"), ("unknown", "not known")):
        if names := invariants(summary, state):
            yield f"- {label}: {text(names)}"
    for name, states in summary.invariants.items():
        if states.get("fail") and name in BY_ID:
            yield f"  - {text(name)}: {text(BY_ID[name].says)}"


def _plan(summary: SoakSummary) -> Iterator[str]:
    yield f"- replay {text(summary.replay_version)}"
    for name, value in summary.plan.items():
        shown = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if value not in (None, [], {}, ""):
            yield f"- {text(name)}: {code(shown)}"
