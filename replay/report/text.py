"""The summary for people: tables on a terminal, one fact a line anywhere else."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from replay.report.fitting import Facts, Figures
from replay.report.lines import lines
from replay.report.numbers import cell, count, ms, rule, share
from replay.report.sentences import MEASURES, STEPS, audio, facts, ids, score
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
_FAULTS_SHOWN = 12


def show(summary: Summary, console: Console) -> None:
    """Print a summary in the form that fits the console."""
    if console.is_terminal:
        console.print(render(summary))
        return
    for line in lines(summary):
        # Not `print`: that would wrap lines that a program is going to read.
        console.out(line, highlight=False)


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
        Text(f" {score(summary)}", style="dim"),
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
    doubts = [
        Text(f"   {reason}", style=VERDICT_STYLES[summary.validity.verdict])
        for reason in summary.validity.reasons
        if reason not in summary.reasons
    ]
    notes = [Text(f"   {note}", "dim") for note in summary.validity.notes]
    return Group(head, *reasons, *doubts, *notes)


def _latency(summary: Summary) -> RenderableType:
    send_column = "p50 from send"
    table = Figures(
        "latency, ms from the plan",
        ("n", "p50", "p90", "p95", "p99", "max", send_column),
        rarest=(send_column, "p90", "p99", "p95"),
        dim=(send_column,),
    )
    shown: list[Distribution] = []
    for name, label in MEASURES.items():
        plan: Distribution = getattr(summary.latency.from_plan, name)
        send: Distribution = getattr(summary.latency.from_send, name)
        if plan.n:
            shown.append(plan)
            figures = (cell(plan, each) for each in table.columns[1:-1])
            table.add(label, count(plan), *figures, cell(send, "p50"))
    if not table.rows:
        return Text(" no latency was measured", style="yellow")
    return Group(table, Text(f" {rule(shown)}", "dim"))


def _below(summary: Summary) -> RenderableType:
    told = Facts()
    for label, sentence in facts(summary):
        told.add(label, sentence)
    told.add("audio", Text.assemble(*audio(summary)))
    held, broken, open_ = ids(summary, "pass"), ids(summary, "fail"), ids(summary, "unknown")
    row = Text.assemble(("held ", "dim"), (held or "none", "green"))
    if broken:
        row.append(f"  broken {broken}", style="bold red")
    if open_:
        row.append(f"  not known {open_}", style="yellow")
    told.add("invariants", row)
    if summary.resources.rss_bytes is not None:
        told.add(
            "client",
            f"{summary.resources.rss_bytes / 2**20:.0f} MiB, {summary.resources.fds} files, "
            f"{share(summary.resources.cpu_share)} of a core",
        )
    return told


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
