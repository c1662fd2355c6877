"""A grid for people at a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from replay.grid.results import MEANINGS, STATES, Agent, CaseFacts, Cell, Grid, Note, State

STYLES: dict[State, str] = {
    "ok": "green",
    "tolerable": "yellow",
    "informational": "blue",
    "failed": "bold red",
    "not run": "dim",
}
_SIGNS: dict[State, str] = {
    "ok": "✔",
    "tolerable": "~",
    "informational": "i",
    "failed": "✘",
    "not run": "–",
}


def line(cell: Cell, left: int) -> Text:
    """A cell that is done, as it is told while the others run."""
    return Text.assemble(
        f"{cell.agent} {cell.case}: ",
        (cell.state, STYLES[cell.state]),
        f" {cell.headline}" if cell.headline else "",
        (f"  ({left} left)", "dim"),
    )


def show(grid: Grid, console: Console) -> None:
    """The table, and how many cells are in each state."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("case")
    for agent in grid.agents:
        table.add_column(agent.name)
    for group, cases in groupby(grid.cases, key=lambda case: case.group):
        table.add_row(Text(group, style="bold"))
        for case in cases:
            table.add_row(f"  {case.name}", *(_shown(grid, agent, case) for agent in grid.agents))
    console.print(table)
    for agent in grid.agents:
        console.print(f"{agent.name}: {totals(grid, agent)}")


def totals(grid: Grid, agent: Agent) -> str:
    """How many of an agent's cells are in which state, in words."""
    return ", ".join(f"{n} {state}" for state, n in grid.count(agent.name).items() if n)


def markdown(grid: Grid) -> str:
    """Tables of all cells, then every finding with the command that repeats its cell."""
    return "\n".join([*_tables(grid), *_details(grid)]) + "\n"


def _tables(grid: Grid) -> Iterator[str]:
    yield "# What became of the sessions"
    yield ""
    yield "| agent | command | " + " | ".join(STATES) + " |"
    yield "|---" * (2 + len(STATES)) + "|"
    for agent in grid.agents:
        counts = " | ".join(str(n) for n in grid.count(agent.name).values())
        yield f"| {agent.name} | {_code(agent.command)} | {counts} |"
    yield ""
    yield from (f"- {_SIGNS[state]} {state}: {meaning}" for state, meaning in MEANINGS.items())
    for group, cases in groupby(grid.cases, key=lambda case: case.group):
        yield from ("", f"## {group}", "")
        yield "| case | what happens | " + " | ".join(agent.name for agent in grid.agents) + " |"
        yield "|---" * (2 + len(grid.agents)) + "|"
        for case in cases:
            row = " | ".join(_marked(grid.cell(agent.name, case.name)) for agent in grid.agents)
            yield f"| {case.name} | {_cellular(case.about)} | {row} |"


def _details(grid: Grid) -> Iterator[str]:
    yield from ("", "## Findings")
    for agent in grid.agents:
        for case in grid.cases:
            cell = grid.cell(agent.name, case.name)
            if cell is None or cell.state == "ok":
                continue
            yield from ("", f"### {agent.name}, {case.name}: {cell.state}", "")
            yield from (f"- {words(note)}" for note in cell.notes if note.severity != "info")
            if cell.headline and not any(note.severity != "info" for note in cell.notes):
                yield f"- {cell.headline}"
            yield from (f"- fault: `{fault}`" for fault in case.faults)
            if cell.repeat:
                yield from ("", "```sh", cell.repeat, "```")


def words(note: Note) -> str:
    """A finding in words, with the invariant that it breaks."""
    return f"{note.invariant}: {note.detail}" if note.invariant else note.detail


def _shown(grid: Grid, agent: Agent, case: CaseFacts) -> Text:
    cell = grid.cell(agent.name, case.name)
    if cell is None:
        return Text("")
    text = Text(cell.state, style=STYLES[cell.state])
    if cell.headline:
        text.append(f" {cell.headline}", style="dim")
    return text


def _marked(cell: Cell | None) -> str:
    return "" if cell is None else f"{_SIGNS[cell.state]} {cell.state}"


def _cellular(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{_cellular(text)}`"
