"""A small grid for real: sandboxes, injectors, programs and the judge, each a process."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from replay import rundir
from replay.grid.cases import BY_NAME, GridCase
from replay.grid.results import Agent, Cell, Grid
from replay.grid.runner import GridOptions, our_own, parse_agent, run_grid

AGENTS = Path(__file__).parent / "agents"
PYTHON = shlex.quote(sys.executable)
OURS = our_own()
SDK = parse_agent(f"sdk={PYTHON} {shlex.quote(str(AGENTS / 'sdk_sync.py'))} {{wav}}")
#: Sends only a part of what it was given, and is content: planted, to see that the grid says so.
PART = parse_agent(f"part={PYTHON} -m replay run {{wav}} --target {{url}} --duration 2s")
ABSENT = parse_agent("absent=/nowhere/client {wav}")
SEARCH = replace(BY_NAME["gives-up"], longest=1.0)
#: Grids that are played at the same time: most of it is waiting.
PLAYED = {
    "recover": ((OURS, SDK), (BY_NAME["undisturbed"], BY_NAME["reset"])),
    "dead": ((OURS,), (BY_NAME["dead-down"], BY_NAME["post-401"], BY_NAME["reject-503"])),
    "planted": ((PART, ABSENT), (BY_NAME["reset"],)),
    "search": ((OURS,), (SEARCH,)),
}


async def play(
    out: Path, agents: tuple[Agent, ...], cases: tuple[GridCase, ...]
) -> tuple[Grid, list[Cell]]:
    """The grid, and what was told meanwhile."""
    told: list[Cell] = []
    options = GridOptions(agents, cases, out, jobs=2)
    return await run_grid(options, lambda cell, _left: told.append(cell)), told


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("grids")


@pytest.fixture(scope="module")
def grids(base: Path) -> dict[str, Grid]:
    """Every grid of `PLAYED`, by its name."""
    done: dict[str, Grid] = {}

    async def one(name: str) -> None:
        done[name], _ = await play(base / name, *PLAYED[name])

    async def every() -> None:
        async with trio.open_nursery() as nursery:
            for name in PLAYED:
                nursery.start_soon(one, name)

    trio.run(every)
    return done


def test_clients_that_recover(grids: dict[str, Grid], base: Path) -> None:
    """Ours and the published one come back after a reset, and the cell says how to repeat it."""
    cells = grids["recover"].cells
    assert [(each.state, each.headline) for each in cells] == [("ok", "")] * 4
    cut = grids["recover"].cell("sdk", "reset")
    assert cut is not None
    assert cut.exit_status == 0
    assert "--fault 'reset @ 2s'" in cut.repeat
    (session,) = cut.sessions
    timeline = rundir.load(base / "recover" / session).timeline
    assert timeline.header.vantage == "proxy"


async def test_what_is_there_is_kept(grids: dict[str, Grid], base: Path) -> None:
    """A grid that is run again has nothing to do but what had no answer."""
    again, told = await play(base / "recover", *PLAYED["recover"])
    assert told == []
    assert again.cells == grids["recover"].cells
    _, told = await play(base / "planted", (ABSENT,), (BY_NAME["reset"],))
    assert [each.agent for each in told] == ["absent"]


def test_clients_that_do_not(grids: dict[str, Grid]) -> None:
    """Planted: one leaves audio out, one is not there at all; the two are told apart."""
    part, absent = grids["planted"].cells
    assert part.state == "failed"
    assert any(note.invariant == "A1" for note in part.notes)
    assert (absent.state, absent.exit_status) == ("not run", 127)
    assert "not found" in absent.headline


def test_a_close_that_was_swallowed_was_not_heard(grids: dict[str, Grid]) -> None:
    """The service ends the session into a dead path; a client that comes back for it is right."""
    cell = grids["dead"].cell("replay", "dead-down")
    assert cell is not None
    assert (cell.state, cell.headline) == ("ok", "")


def test_a_fault_that_waits_for_an_attempt_is_not_late(grids: dict[str, Grid]) -> None:
    """What is done to handshakes is told with the first handshake, which may take its time."""
    cell = grids["dead"].cell("replay", "reject-503")
    assert cell is not None
    assert (cell.state, cell.headline) == ("ok", "")


def test_a_session_that_must_not_be_opened(grids: dict[str, Grid]) -> None:
    """A client that takes 401 for an answer has done what it must."""
    cell = grids["dead"].cell("replay", "post-401")
    assert cell is not None
    assert (cell.state, cell.sessions) == ("ok", [])
    assert "no session was opened; the program ended with status 2" in cell.notes[0].detail


def test_the_search_for_an_outage(grids: dict[str, Grid]) -> None:
    """Each outage that is tried has a directory of its own; the cell says how far it went."""
    (found,) = grids["search"].cells
    assert (found.state, found.headline) == ("ok", "goes on through 1 s")
    assert found.sessions[0].startswith("cells/replay/gives-up/1.000s/sessions/")
