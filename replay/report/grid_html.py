"""A grid as one HTML file, with everything in it: nothing is fetched, no script is needed."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby

from replay.grid.results import MEANINGS, STATES, Agent, CaseFacts, Cell, Grid
from replay.report.grid_text import words

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #777; --page: #fff; --ink: #1b1f24;
  --ok: #1a7f37; --tolerable: #9a6700; --informational: #0969da; --failed: #cf222e;
  --notrun: #6e7781; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --ink: #e6edf3; --dim: #8b949e;
  --ok: #3fb950; --tolerable: #d29922; --informational: #58a6ff; --failed: #f85149;
  --notrun: #8b949e; } }
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem;
  background: var(--page); color: var(--ink); }
h1 { font-size: 1.5rem; margin-bottom: .2rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem;
  border-bottom: 1px solid var(--line); }
thead th { position: sticky; top: 0; background: var(--page); }
th.group { padding-top: 1.2rem; font-size: 1.05rem; border-bottom: 2px solid var(--line); }
td.case { white-space: nowrap; font-weight: 600; }
td.number { font-size: 1.2rem; font-variant-numeric: tabular-nums; }
.dim { color: var(--dim); font-weight: 400; }
.about { white-space: normal; max-width: 24rem; }
.ok { --mark: var(--ok); } .tolerable { --mark: var(--tolerable); }
.failed { --mark: var(--failed); } .informational { --mark: var(--informational); }
.not-run { --mark: var(--notrun); }
.state { color: var(--mark); font-weight: 600; white-space: nowrap; }
.state::before { content: ""; display: inline-block; width: .65em; height: .65em;
  margin-right: .4em; border-radius: 50%; background: var(--mark); }
summary { cursor: pointer; } summary .dim { margin-left: .4em; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8881; padding: .5rem;
  border-radius: 4px; margin: .4rem 0; }
code { overflow-wrap: anywhere; }
ul { margin: .4rem 0; padding-left: 1.2rem; }
ul.legend { list-style: none; padding-left: .6rem; }
summary, li { overflow-wrap: anywhere; }
@media (max-width: 40rem) { body { margin: 1rem auto; padding: 0 .4rem; } th, td { padding: .3rem; }
  td.case { white-space: normal; } td.number { font-size: 1rem; } .state { white-space: normal; } }
"""
_HEAD = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>replay grid</title><style>{_STYLE}</style></head><body>"""


def render(grid: Grid) -> str:
    """The whole page."""
    lines = [_HEAD, *_intro(grid), *_totals(grid), *_cells(grid), "</body></html>", ""]
    return "\n".join(lines)


def _intro(grid: Grid) -> Iterator[str]:
    yield "<h1>What became of the sessions</h1>"
    yield f'<p class="dim">{len(grid.cases)} cases, replay {escape(grid.replay_version)}.'
    yield "Open a cell for its findings and the command that repeats it.</p>"


def _totals(grid: Grid) -> Iterator[str]:
    yield "<table><thead><tr><th>agent</th>"
    for state in STATES:
        yield f'<th><span class="state {_class(state)}">{state}</span></th>'
    yield "</tr></thead><tbody>"
    for agent in grid.agents:
        yield f'<tr><td class="case">{escape(agent.name)}'
        yield f'<div class="dim about"><code>{escape(agent.command)}</code></div></td>'
        yield "".join(f'<td class="number">{n}</td>' for n in grid.count(agent.name).values())
        yield "</tr>"
    yield '</tbody></table><ul class="legend dim">'
    for state, meaning in MEANINGS.items():
        yield f'<li><span class="state {_class(state)}">{state}</span> {escape(meaning)}</li>'
    yield "</ul>"


def _cells(grid: Grid) -> Iterator[str]:
    yield "<table><thead><tr><th>case</th>"
    yield "".join(f"<th>{escape(agent.name)}</th>" for agent in grid.agents)
    yield "</tr></thead><tbody>"
    for group, cases in groupby(grid.cases, key=lambda case: case.group):
        yield f'<tr><th class="group" colspan="{1 + len(grid.agents)}">{escape(group)}</th></tr>'
        for case in cases:
            yield f'<tr id="{escape(case.name)}">{_case(case)}'
            yield from (_cell(case, agent, grid) for agent in grid.agents)
            yield "</tr>"
    yield "</tbody></table>"


def _case(case: CaseFacts) -> str:
    return (
        f'<td class="case">{escape(case.name)}'
        f'<div class="dim about">{escape(case.about)}</div></td>'
    )


def _cell(case: CaseFacts, agent: Agent, grid: Grid) -> str:
    cell = grid.cell(agent.name, case.name)
    if cell is None:
        return "<td></td>"
    head = f'<span class="state {_class(cell.state)}">{cell.state}</span>'
    if cell.headline:
        head += f'<span class="dim">{escape(cell.headline)}</span>'
    return f"<td><details><summary>{head}</summary>{''.join(_details(case, cell))}</details></td>"


def _details(case: CaseFacts, cell: Cell) -> Iterator[str]:
    if cell.notes:
        yield "<ul>"
        for note in cell.notes:
            mark = ' class="dim"' if note.severity == "info" else ""
            yield f"<li{mark}>{escape(words(note))}</li>"
        yield "</ul>"
    for fault in case.faults:
        yield f"<div>fault: <code>{escape(fault)}</code></div>"
    status = "ended by us" if cell.exit_status is None else str(cell.exit_status)
    yield f'<div class="dim">exit status: {status}; {cell.seconds:g} s</div>'
    if cell.repeat:
        yield f"<pre>{escape(cell.repeat)}</pre>"


def _class(state: str) -> str:
    return state.replace(" ", "-")
