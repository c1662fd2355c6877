"""A run as a section of Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from replay.report.markup import MARKS, block, bullets, code, details, table, text
from replay.report.numbers import cell, count, ms, rule
from replay.report.sentences import MEASURES, STEPS, audio, facts, ids, score
from replay.report.subjects import OneRun
from replay.statistics import Distribution
from replay.summary import Summary

_QUANTILES = ("p50", "p90", "p95", "p99", "max")


def section(run: OneRun, most: int) -> Iterator[str]:
    """Everything of the run, tables and lists with at most so many rows."""
    summary = run.summary
    verdict, measured = summary.verdict, summary.validity
    name = f"{code(summary.source.name)} on {text(summary.target.kind)}"
    yield f"## {MARKS[verdict]} {verdict}: {name}"
    yield ""
    yield from bullets(list(map(text, summary.reasons)), most)
    yield ""
    yield f"Measurement: {MARKS[measured.verdict]} **{measured.verdict}**"
    yield ""
    yield from bullets(list(map(text, measured.reasons + measured.notes)), most)
    yield ""
    yield from _latency(summary)
    yield from details("Network, stability, pacing, audio", _facts(run))
    if summary.faults.asked or summary.faults.fired or summary.outages:
        yield from details("Faults and outages", _outages(summary, most))
    if summary.findings:
        yield from details(f"Findings: {len(summary.findings)}", _findings(summary, most))
    if summary.transcript.text:
        yield from details(f"Transcript: {score(summary)}", iter(block(summary.transcript.text)))


def _latency(summary: Summary) -> Iterator[str]:
    rows, shown = [], []
    for name, label in MEASURES.items():
        plan: Distribution = getattr(summary.latency.from_plan, name)
        send: Distribution = getattr(summary.latency.from_send, name)
        if plan.n:
            shown.append(plan)
            figures = (cell(plan, each) for each in _QUANTILES)
            rows.append((label, count(plan), *figures, cell(send, "p50")))
    if not rows:
        yield "No latency was measured."
        return
    head = ("latency, ms from the plan", "n", *_QUANTILES, "p50 from send")
    yield from table(head, rows)
    yield ""
    yield f"_{rule(shown)}_"


def _facts(run: OneRun) -> Iterator[str]:
    summary = run.summary
    rows = [("run", code(run.name)), ("session", code(summary.session.id))]
    rows += [(label, text(sentence)) for label, sentence in facts(summary)]
    rows.append(("audio", text("".join(part for part, _ in audio(summary)))))
    for state, label in (("pass", "held"), ("fail", "broken"), ("unknown", "not known")):
        if names := ids(summary, state):
            rows.append((f"invariants {label}", names))
    yield from (f"- {label}: {said}" for label, said in rows)


def _outages(summary: Summary, most: int) -> Iterator[str]:
    done = [
        f"{code(each.fault)} at {each.t_ms / 1e3:.2f} s, connection {each.connection}"
        for each in summary.faults.events
    ]
    yield from bullets(done, most)
    yield from bullets([f"{code(each)} did not fire" for each in summary.faults.missed], most)
    if summary.outages:
        yield ""
        rows = [
            (
                f"connection {each.connection} ({code(each.fault or each.cause)})",
                *(ms(getattr(each, step)) for step in STEPS),
                f"{each.resent_bytes:,}",
            )
            for each in summary.outages
        ]
        yield from table(("outage, ms", *STEPS.values(), "resent, bytes"), rows, most)


def _findings(summary: Summary, most: int) -> Iterator[str]:
    told = [f"{each.severity} {each.invariant}: {text(each.detail)}" for each in summary.findings]
    yield from bullets(told, most)
