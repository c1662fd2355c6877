"""The summary for people: tables on a terminal, one fact a line anywhere else."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import UNSET
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from replay import waterfall
from replay.callbacks import Callbacks
from replay.report.fitting import Facts, Figures
from replay.statistics import Distribution
from replay.summary import Summary

VERDICT_STYLES = {
    "pass": "bold green",
    "fail": "bold red",
    "unknown": "bold yellow",
    "valid": "green",
    "suspect": "yellow",
    "invalid": "red",
    "error": "red",
    "warning": "yellow",
    "info": "dim",
}
_MEASURES = {
    "ack": "acknowledgement",
    "first_partial": "first partial, from onset",
    "partial_lag": "partial lag",
    "word_first": "word first shown",
    "word_stable": "word stable",
    "word_final": "word final",
    "final": "final, from end of speech",
    "final_forced": "final after the stop",
    "endpointing": "speech end noticed",
    "decoding": "speech end to final",
}
_NETWORK = ("round_trip", "uplink", "downlink", "service_partial", "service_final")
_FAULTS_SHOWN = 12
STEPS = {
    "detect_ms": "noticed",
    "backoff_ms": "waited",
    "connect_ms": "connecting",
    "down_ms": "down",
    "flush_ms": "flushed",
    "first_ack_ms": "1st ack",
    "first_transcript_ms": "1st text",
    "caught_up_ms": "caught up",
}


def show(summary: Summary, console: Console) -> None:
    """Print a summary in the form that fits the console."""
    if console.is_terminal:
        console.print(render(summary))
        return
    for line in lines(summary):
        # Not `print`: that would wrap lines that a program is going to read.
        console.out(line, highlight=False)


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
        yield f"invariants {state}: {_ids(summary, state) or '-'}"
    for finding in summary.findings:
        yield f"finding: {finding.severity} {finding.invariant} {finding.detail}"
    for name in ("finals", "words", "lost", "duplicated", "changed", "wer"):
        yield f"transcript.{name}: {number(getattr(summary.transcript, name))}"
    yield f"transcript.text: {summary.transcript.text}"


def _latency_lines(summary: Summary) -> Iterator[str]:
    for origin, latencies in _origins(summary):
        for name in _MEASURES:
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


def render(summary: Summary) -> RenderableType:
    """The terminal's form: verdict first, then the figures, the text last."""
    parts: list[RenderableType] = [_head(summary), "", _latency(summary), "", _below(summary)]
    if summary.faults.asked or summary.faults.fired:
        parts += ["", _faults(summary)]
    if summary.outages:
        parts += ["", _outages(summary)]
    if summary.findings:
        parts += ["", _findings(summary)]
    parts += [
        "",
        Padding(Text(summary.transcript.text or "(no transcript)"), (0, 1)),
        _score(summary),
    ]
    return Group(*parts)


def _head(summary: Summary) -> RenderableType:
    head = Text.assemble(
        (f" {summary.verdict.upper()} ", f"reverse {VERDICT_STYLES[summary.verdict]}"),
        " ",
        (summary.source.name, "bold"),
        f" → {summary.target.kind} ",
        (summary.target.url, "dim"),
        "  measurement ",
        (summary.validity.verdict, VERDICT_STYLES[summary.validity.verdict]),
    )
    reasons = [
        Text(f"   {reason}", style=VERDICT_STYLES[summary.verdict]) for reason in summary.reasons
    ]
    notes = [
        Text(f"   {reason}", style=VERDICT_STYLES[summary.validity.verdict])
        for reason in summary.validity.reasons
        if reason not in summary.reasons
    ]
    return Group(head, *reasons, *notes)


def _latency(summary: Summary) -> RenderableType:
    send_column = "p50 from send"
    table = Figures(
        "latency, ms from the plan",
        ("n", "p50", "p90", "p95", "p99", "max", send_column),
        rarest=(send_column, "p90", "p99", "p95"),
        dim=(send_column,),
    )
    for name, label in _MEASURES.items():
        plan: Distribution = getattr(summary.latency.from_plan, name)
        send: Distribution = getattr(summary.latency.from_send, name)
        if plan.n:
            table.add(label, *_row(plan), ms(send.p50))
    if not table.rows:
        return Text(" no latency was measured", style="yellow")
    return table


def _row(dist: Distribution) -> list[str]:
    count = f"{dist.n} ({dist.censored} never)" if dist.censored else str(dist.n)
    return [count, *(ms(value) for value in (dist.p50, dist.p90, dist.p95, dist.p99, dist.max))]


def _below(summary: Summary) -> RenderableType:
    facts = Facts()
    stable, words = summary.stability, summary.latency
    if words.words_used is not None:
        against = "true word times" if words.reference == "words" else "the service's own times"
        facts.add("words against", f"{against}, {_share(words.words_used)} usable")
    calm = words.undisturbed
    if calm is not None and calm.word_final.n:
        figures = f"word final p50 {ms(calm.word_final.p50)}, max {ms(calm.word_final.max)} ms"
        facts.add("apart from outages", figures)
    if words.callback is not None:
        facts.add("callbacks", _callbacks(words.callback))
    if words.end_of_session_ms is not None:
        facts.add("end of session", f"{ms(words.end_of_session_ms)} ms after the stop")
    if stable.erasure is not None:
        back = _share(stable.unstable_partial_word_ratio)
        facts.add("stability", f"{back} of words taken back, erasure {stable.erasure:g}")
    facts.add("pacing", _pacing(summary))
    facts.add("audio", _audio(summary))
    held, broken, open_ = _ids(summary, "pass"), _ids(summary, "fail"), _ids(summary, "unknown")
    row = Text.assemble(("held ", "dim"), (held or "none", "green"))
    if broken:
        row.append(f"  broken {broken}", style="bold red")
    if open_:
        row.append(f"  not known {open_}", style="yellow")
    facts.add("invariants", row)
    if summary.resources.rss_bytes is not None:
        facts.add(
            "client",
            f"{summary.resources.rss_bytes / 2**20:.0f} MiB, {summary.resources.fds} files, "
            f"{_share(summary.resources.cpu_share)} of a core",
        )
    return facts


def _callbacks(posted: Callbacks) -> str:
    text = f"{posted.count}, p50 {ms(posted.behind.p50)}, max {ms(posted.behind.max)} ms behind"
    text += f" the websocket, final p50 {ms(posted.final.p50)} ms"
    for name in ("missing", "duplicated", "out_of_order"):
        if count := getattr(posted, name):
            text += f"; {count} {name.replace('_', ' ')}"
    return text


def _pacing(summary: Summary) -> str:
    pacing, late = summary.pacing, summary.pacing.lateness_ms
    chunks = f"{pacing.chunks} chunks of {pacing.chunk_ms:g} ms, {pacing.phase}"
    if not late.n:
        return f"{chunks}, as fast as they were taken"
    figures = f"p50 {_fine(late.p50)}, p99 {_fine(late.p99)}, max {_fine(late.max)} ms"
    return f"{chunks}; late {figures}; drift {number(pacing.drift_ppm)} ppm"


def _audio(summary: Summary) -> Text:
    audio = summary.audio
    text = Text(f"{audio.sent_bytes:,} bytes sent, {audio.acked_bytes:,} acknowledged, ")
    if audio.recorded_bytes is None:
        return text.append("no recording to compare with", style="yellow")
    text.append(f"{audio.recorded_bytes:,} recorded: ")
    text.append(f"{audio.lost_bytes:,} lost", style="red" if audio.lost_bytes else "green")
    text.append(f", {audio.repeated_bytes:,} repeated")
    for name, value in (("foreign", audio.garbage_bytes), ("out of order", audio.reordered)):
        if value:
            text.append(f", {value:,} {name}", style="red")
    return text


def _outages(summary: Summary) -> RenderableType:
    rarest = ("1st ack", "waited", "connecting", "flushed", "noticed", "1st text")
    table = Figures("outage, ms", (*STEPS.values(), "resent"), rarest)
    for outage in summary.outages:
        name = f"connection {outage.connection} ({outage.fault or outage.cause})"
        steps = [ms(getattr(outage, step)) for step in STEPS]
        table.add(name, *steps, f"{outage.resent_bytes:,}")
    return table


def _faults(summary: Summary) -> RenderableType:
    faults = summary.faults
    rows = [Text(f" faults   {faults.fired} fired of {faults.asked} asked for")]
    rows += [
        Text(
            f"          {each.fault} at {each.t_ms / 1e3:.2f} s, connection {each.connection}",
            "dim",
        )
        for each in faults.events[:_FAULTS_SHOWN]
    ]
    if len(faults.events) > _FAULTS_SHOWN:
        rows.append(Text(f"          and {len(faults.events) - _FAULTS_SHOWN} more", "dim"))
    rows += [Text(f"          {each} did not fire", "yellow") for each in faults.missed]
    return Group(*rows)


def _ids(summary: Summary, state: str) -> str:
    return " ".join(name for name, found in summary.invariants.items() if found == state)


def _findings(summary: Summary) -> RenderableType:
    return Group(
        *(
            Text.assemble(
                (f" {finding.severity:<8}", VERDICT_STYLES[finding.severity]),
                (f"{finding.invariant:<4}", "bold"),
                finding.detail,
            )
            for finding in summary.findings
        )
    )


def _score(summary: Summary) -> RenderableType:
    found = summary.transcript
    text = f" {found.words} words in {found.finals} finals"
    if found.wer is not None:
        text += (
            f"; against the reference {found.wer:.1%} wrong: "
            f"{found.lost} lost, {found.changed} changed, {found.duplicated} said twice"
        )
    return Text(text, style="dim")


def _origins(summary: Summary) -> list[tuple[str, msgspec.Struct]]:
    late = summary.latency
    calm = [("undisturbed", late.undisturbed)] if late.undisturbed is not None else []
    return [("from_plan", late.from_plan), ("from_send", late.from_send), *calm]


def figure_line(dist: Distribution) -> str:
    """A distribution as `figure=value` pairs."""
    return " ".join(
        f"{k}={_figure(v)}" for k, v in msgspec.structs.asdict(dist).items() if v is not UNSET
    )


def _figure(value: float | dict[str, float] | None) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}:{number(each)}" for name, each in value.items())
    return number(value)


def number(value: float | str | None) -> str:
    """A value as it stands in a line."""
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def ms(value: float | None) -> str:
    """Milliseconds as they stand in a table."""
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 10 else f"{value:.1f}"


def _fine(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
