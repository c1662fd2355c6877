"""A whole grid: every agent in every case, several at once."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import trio

from replay import __version__
from replay.errors import MachineError, UsageError
from replay.grid.cases import BY_NAME, CASES, GridCase
from replay.grid.cell import agent_command, cell_directory, run_cell
from replay.grid.results import Agent, CaseFacts, Cell, Grid
from replay.tasks import open_flat_nursery

_CELL = "cell.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
#: Roughly what looking for the longest outage takes, in seconds: it is begun first.
_SEARCH_SECONDS = 200.0


@dataclass(frozen=True, slots=True)
class GridOptions:
    """`jobs`: how many cells run side by side. `out`: where everything goes; cells that are there
    already, and were answered, are kept."""

    agents: tuple[Agent, ...]
    cases: tuple[GridCase, ...]
    out: Path
    jobs: int


def named_cases(names: tuple[str, ...]) -> tuple[GridCase, ...]:
    """The cases of these names, or of these groups, in the order of the table; all without names.

    Raises:
        UsageError: there is none of a name.
    """
    groups = {case.group.lower(): case.group for case in CASES}
    for name in names:
        if name not in BY_NAME and name.lower() not in groups:
            raise UsageError(f"there is no case {name!r}; see `replay grid --list`")
    wanted = {name.lower() for name in names}
    return tuple(case for case in CASES if not wanted or wanted & {case.name, case.group.lower()})


def parse_agent(text: str) -> Agent:
    """An agent as `NAME=COMMAND`.

    Raises:
        UsageError: it is not of that form, or the command cannot be read.
    """
    name, equals, command = text.partition("=")
    if not equals or not _NAME.fullmatch(name) or not command.strip():
        raise UsageError(f"agent {text!r}: write NAME=COMMAND, a name of letters, digits, . _ -")
    agent_command(command, Path("x.wav"), Path())
    return Agent(name=name, command=command)


def our_own() -> Agent:
    """Our own client, as `replay run` plays it.

    Its status is a verdict of its own, on a service that seems to break its promises (1), or on a
    machine too busy to measure latencies (3). What became of the session is judged here.
    """
    python = shlex.quote(sys.executable)
    return Agent(
        name="replay",
        command=f"{python} -m replay run {{wav}} --target {{url}} --out {{dir}}/own",
        statuses=(0, 1, 3),
    )


async def run_grid(options: GridOptions, tell: Callable[[Cell, int], None]) -> Grid:
    """Run what is not there yet; `tell` hears of every cell that is done, and how many are left.

    Raises:
        MachineError: the directory cannot be written.
    """
    out = options.out.resolve()
    began = trio.current_time()
    cells = {
        (agent.name, case.name): _stored(out, agent, case)
        for agent in options.agents
        for case in options.cases
    }
    todo = [
        (agent, case)
        for case in sorted(options.cases, key=_duration, reverse=True)
        for agent in options.agents
        if cells[agent.name, case.name] is None
    ]
    left = len(todo)
    waiting = iter(todo)

    async def work() -> None:
        nonlocal left
        for agent, case in waiting:
            cell = await run_cell(agent, case, out)
            cells[agent.name, case.name] = cell
            _store(out, cell)
            left -= 1
            tell(cell, left)

    async with open_flat_nursery() as nursery:
        for _ in range(options.jobs):
            nursery.start_soon(work)
    return Grid(
        replay_version=__version__,
        agents=list(options.agents),
        cases=[facts(case) for case in options.cases],
        cells=[cell for cell in cells.values() if cell is not None],
        seconds=round(trio.current_time() - began, 1),
    )


def facts(case: GridCase) -> CaseFacts:
    """A case as results keep it."""
    return CaseFacts(
        name=case.name,
        group=case.group,
        about=case.about,
        faults=list(case.faults),
        ends=case.ends,
    )


def _duration(case: GridCase) -> float:
    return case.seconds if case.longest is None else _SEARCH_SECONDS


def _stored(out: Path, agent: Agent, case: GridCase) -> Cell | None:
    """A cell of an earlier grid, unless it has no answer or is of something else."""
    path = cell_directory(out, agent.name, case.name) / _CELL
    try:
        cell = msgspec.json.decode(path.read_bytes(), type=Cell)
    except (OSError, msgspec.DecodeError):
        return None
    same = (cell.command, cell.faults) == (agent.command, list(case.faults))
    return cell if same and cell.state != "not run" else None


def _store(out: Path, cell: Cell) -> None:
    path = cell_directory(out, cell.agent, cell.case) / _CELL
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(cell), indent=2) + b"\n")
    except OSError as error:
        raise MachineError(f"{path}: cannot be written: {error.strerror}") from None
