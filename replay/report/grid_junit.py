"""A grid as JUnit XML: a suite for each agent, a test for each case."""

from __future__ import annotations

from replay.grid.results import Agent, CaseFacts, Cell, Grid
from replay.report.grid_text import words
from replay.report.suites import Case, Suite, document


def render(grid: Grid) -> bytes:
    """The file's bytes. Cells that are tolerable or informational pass, and say why in their
    output; cells without an answer are skipped."""
    suites = [
        Suite(agent.name, [_case(grid, agent, case) for case in grid.cases])
        for agent in grid.agents
    ]
    return document("replay grid", suites, grid.seconds)


def _case(grid: Grid, agent: Agent, case: CaseFacts) -> Case:
    cell = grid.cell(agent.name, case.name)
    if cell is None:
        return Case(case.name, "skipped", "not run", seconds=0.0)
    if cell.state == "not run":
        return Case(case.name, "skipped", cell.headline, seconds=cell.seconds)
    if cell.state == "failed":
        return Case(case.name, "failure", cell.headline, _told(cell), seconds=cell.seconds)
    said = f"{cell.state}\n{_told(cell)}" if _notes(cell) else ""
    return Case(case.name, detail=said, seconds=cell.seconds)


def _notes(cell: Cell) -> list[str]:
    return [words(note) for note in cell.notes if note.severity != "info"]


def _told(cell: Cell) -> str:
    return "\n".join([*_notes(cell), *([cell.repeat] if cell.repeat else [])])
