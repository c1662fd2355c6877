"""`replay grid`: agents × cases."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from replay.grid.cases import GridCase
    from replay.grid.results import Grid

_OURS = "replay"


@click.command("grid")
@click.option(
    "--agent",
    "agents",
    multiple=True,
    metavar="NAME=COMMAND",
    help="A program to put through the cases; repeatable. It finds the API at GLADIA_API_URL, or "
    "at {url} in its command, plays {wav}, and exits. [default: replay, our own client]",
)
@click.option(
    "--case",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only this case, or this group of cases; repeatable.",
)
@click.option("--list", "listing", is_flag=True, help="List the cases, and run nothing.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=lambda: 2 * (os.cpu_count() or 1),
    show_default="twice the processors",
    help="Cells side by side.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs/grid"),
    show_default=True,
    metavar="DIR",
    help="Everything goes there; cells that are there already are kept.",
)
@click.option("--json", "as_json", is_flag=True, help="Print grid.json alone on stdout.")
def command(
    agents: tuple[str, ...],
    names: tuple[str, ...],
    listing: bool,
    jobs: int,
    out: Path,
    as_json: bool,
) -> None:
    """Put programs through every case of a harmed connection, and say what became of each session.

    Every cell is a sandbox, the injector before it, the program, and the judge. In --out lie
    grid.json, grid.md, grid.html, junit.xml, and for each cell its journal and the program's
    output. Exit codes: 0 no cell failed, 1 one did, 3 none did and one has no answer.

    \b
    replay grid --out grid/
    replay grid --agent 'mine=python my_client.py {wav}' --case cuts --out grid/
    replay grid --agent replay --agent 'mine=./client --url {url} {wav}' --out grid/
    """
    from replay.grid.runner import named_cases

    cases = named_cases(names)
    if listing:
        _list(cases)
        return
    sys.exit(_run(agents or (_OURS,), cases, jobs, out, as_json))


def _list(cases: tuple[GridCase, ...]) -> None:
    for case in cases:
        faults = ", ".join(case.faults) or "–"
        click.echo(f"{case.name:20} {case.group:12} {faults:52} {case.about}")


def _run(
    texts: tuple[str, ...], cases: tuple[GridCase, ...], jobs: int, out: Path, as_json: bool
) -> int:
    import trio

    from replay.cli.console import Console
    from replay.grid.results import Agent
    from replay.grid.runner import GridOptions, our_own, parse_agent, run_grid
    from replay.report import grid_text

    agents: tuple[Agent, ...] = tuple(
        our_own() if text == _OURS else parse_agent(text) for text in texts
    )
    told = Console(stderr=True)
    options = GridOptions(agents, cases, out, jobs)
    grid = trio.run(
        run_grid, options, lambda cell, left: told.print(grid_text.line(cell, left), soft_wrap=True)
    )
    _write(grid, out)
    if as_json:
        click.echo((out / "grid.json").read_text(), nl=False)
    else:
        grid_text.show(grid, Console())
        click.echo(f"{out / 'grid.html'}")
    states = {cell.state for cell in grid.cells}
    return 1 if "failed" in states else 3 if "not run" in states else 0


def _write(grid: Grid, out: Path) -> None:
    from replay.errors import MachineError
    from replay.report import grid_html, grid_json, grid_junit, grid_text

    files = {
        "grid.json": grid_json.render(grid),
        "grid.md": grid_text.markdown(grid).encode(),
        "grid.html": grid_html.render(grid).encode(),
        "junit.xml": grid_junit.render(grid),
    }
    try:
        for name, data in files.items():
            (out / name).write_bytes(data)
    except OSError as error:
        raise MachineError(f"{out}: cannot be written: {error.strerror}") from None
