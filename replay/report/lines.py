"""The summary of a run where no terminal is: one fact a line, for grep and cut."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from replay import waterfall
from replay.report.numbers import figure_line, number
from replay.report.sentences import MEASURES, STEPS, ids
from replay.summary import Summary

_NETWORK = ("round_trip", "uplink", "downlink", "service_partial", "service_final")


def lines(summary: Summary) -> Iterator[str]:
    """`name: value` lines; distributions as `figure=value` pairs; the same names as in the JSON."""
    yield f"verdict: {summary.verdict}"
    yield from (f"reason: {reason}" for reason in summary.reasons)
    yield f"validity: {summary.validity.verdict}"
    yield from (f"validity reason: {reason}" for reason in summary.validity.reasons)
    yield from (f"validity note: {note}" for note in summary.validity.notes)
    yield f"source: {summary.source.name}"
    yield f"target: {summary.target.kind} {summary.target.url}"
    yield f"session: {summary.session.id}"
    for name in ("phase", "chunk_ms", "speed", "chunks"):
        yield f"pacing.{name}: {number(getattr(summary.pacing, name))}"
    yield f"pacing.lateness_ms: {figure_line(summary.pacing.lateness_ms)}"
    yield f"pacing.drift_ppm: {number(summary.pacing.drift_ppm)}"
    yield from _latency_lines(summary)
    yield from _network_lines(summary)
    for name in ("unstable_partial_word_ratio", "erasure", "revised_partials"):
        yield f"stability.{name}: {number(getattr(summary.stability, name))}"
    for name, value in msgspec.structs.asdict(summary.audio).items():
        if name != "ranges":
            yield f"audio.{name}: {number(value)}"
    for outage in summary.outages:
        steps = " ".join(f"{name}={number(getattr(outage, name))}" for name in STEPS)
        resent = f"resent_bytes={outage.resent_bytes}"
        done = f" fault={outage.fault}" if outage.fault else ""
        yield f"outage: connection={outage.connection} cause={outage.cause} {steps} {resent}{done}"
    for fault in summary.faults.events:
        yield f"fault: {fault.fault} t_ms={fault.t_ms:.0f} connection={fault.connection}"
    yield from (f"fault missed: {text}" for text in summary.faults.missed)
    for state in ("pass", "fail", "unknown"):
        yield f"invariants {state}: {ids(summary, state) or '-'}"
    for finding in summary.findings:
        yield f"finding: {finding.severity} {finding.invariant} {finding.detail}"
    for name in ("finals", "words", "lost", "duplicated", "changed", "wer"):
        yield f"transcript.{name}: {number(getattr(summary.transcript, name))}"
    yield f"transcript.text: {summary.transcript.text}"


def _latency_lines(summary: Summary) -> Iterator[str]:
    for origin, latencies in _origins(summary):
        for name in MEASURES:
            yield f"latency.{origin}.{name}: {figure_line(getattr(latencies, name))}"
    if (posted := summary.latency.callback) is not None:
        for name in ("final", "behind"):
            yield f"latency.callback.{name}: {figure_line(getattr(posted, name))}"
        for name in ("count", "missing", "duplicated", "out_of_order"):
            yield f"latency.callback.{name}: {getattr(posted, name)}"
    for name, took in msgspec.structs.asdict(summary.latency.connect).items():
        yield f"latency.connect.{name}: {number(took)}"
    for name in ("first_text_ms", "end_of_session_ms", "left_to_process_ms"):
        yield f"latency.{name}: {number(getattr(summary.latency, name))}"
    yield f"latency.quantiles: {summary.latency.quantiles}"
    yield f"latency.reference: {summary.latency.reference}"
    yield f"latency.words_used: {number(summary.latency.words_used)}"
    yield f"latency.negative: {summary.latency.negative}"


def _network_lines(summary: Summary) -> Iterator[str]:
    """Cadence of partials, and the estimates from the service's stamps."""
    yield f"cadence.gaps_ms: {figure_line(summary.cadence.gaps_ms)}"
    yield f"cadence.grid_ms: {number(summary.cadence.grid_ms)}"
    for part, names in (("network", _NETWORK), ("waterfall", waterfall.STEPS)):
        found = getattr(summary, part)
        for name in names:
            yield f"{part}.{name}: {figure_line(getattr(found, name))}"
    for name in ("bound_ms", "offset_ms", "skew_ppm"):
        yield f"network.{name}: {number(getattr(summary.network, name))}"


def _origins(summary: Summary) -> list[tuple[str, msgspec.Struct]]:
    late = summary.latency
    calm = [("undisturbed", late.undisturbed)] if late.undisturbed is not None else []
    return [("from_plan", late.from_plan), ("from_send", late.from_send), *calm]
