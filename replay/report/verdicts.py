"""What came of each invariant, for people and for programs."""

from __future__ import annotations

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from replay.continuity import Finding
from replay.judge import BY_ID
from replay.verify import Together, Verified

_STYLES = {
    "pass": "green",
    "fail": "bold red",
    "unknown": "yellow",
    "not applicable": "dim",
    "error": "red",
    "warning": "yellow",
    "info": "dim",
}


def line(found: Verified | Together) -> str:
    """One line of JSON."""
    return msgspec.json.encode(found).decode()


def show(found: Verified | Together, console: Console) -> None:
    """A table on a terminal, `name: value` lines anywhere else."""
    if console.is_terminal:
        console.print(_table(found))
        return
    console.out(f"run: {_title(found)}", highlight=False)
    console.out(f"verdict: {found.verdict}", highlight=False)
    for reason in found.reasons:
        console.out(f"reason: {reason}", highlight=False)
    for name, outcome in found.invariants.items():
        why = f" ({outcome.why})" if outcome.why else ""
        console.out(f"{name}: {outcome.state}{why}", highlight=False)
        for each in outcome.findings:
            console.out(f"finding: {_words(each)}", highlight=False)
    for each in _others(found):
        console.out(f"finding: {_words(each)}", highlight=False)


def _table(found: Verified | Together) -> Table:
    title = Text.assemble(
        (f" {found.verdict.upper()} ", f"reverse {_STYLES[found.verdict]}"), f" {_title(found)}"
    )
    table = Table.grid(padding=(0, 2, 0, 0))
    table.title, table.title_justify = title, "left"
    for name, outcome in found.invariants.items():
        style = _STYLES[outcome.state]
        says = Text(BY_ID[name].says, style="dim" if outcome.state == "not applicable" else "")
        if outcome.why:
            says.append(f" {outcome.why}", style="dim")
        for each in outcome.findings:
            says.append(f"\n{each.detail}", style=_STYLES[each.severity])
        table.add_row(f" {name}", Text(outcome.state, style=style), says)
    for each in _others(found):
        row = Text(each.severity, style=_STYLES[each.severity])
        table.add_row(f" {each.invariant}", row, each.detail)
    return table


def _title(found: Verified | Together) -> str:
    return f"{found.runs} runs together" if isinstance(found, Together) else found.run


def _others(found: Verified | Together) -> list[Finding]:
    return [] if isinstance(found, Together) else found.others


def _words(finding: Finding) -> str:
    return f"{finding.severity} {finding.invariant} {finding.detail}"
