"""What came of a grid: agents × cases, as it is written to disk and rendered."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from replay.continuity import Severity

SCHEMA = 1

State = Literal["ok", "tolerable", "informational", "failed", "not run"]
#: Each state, and what it means.
MEANINGS: dict[State, str] = {
    "ok": "nothing to say against it",
    "tolerable": "only what a session survives",
    "informational": "the protocol leaves open what is right; what happened is told",
    "failed": "something was lost, or the program did not do what it must",
    "not run": "no answer: the fault had no occasion, or the program could not be started",
}
STATES: tuple[State, ...] = tuple(MEANINGS)


class Agent(Struct, kw_only=True, frozen=True):
    """A program under test. `command`: as it was given, with its placeholders. `statuses`: with
    which it may end after a session that is complete."""

    name: str
    command: str
    statuses: tuple[int, ...] = (0,)


class Note(Struct, kw_only=True):
    """A finding in words. `invariant`: its id, empty where it belongs to none."""

    severity: Severity
    detail: str
    invariant: str = ""


class CaseFacts(Struct, kw_only=True, frozen=True):
    """A case as the renderers show it. `ends`: complete, stop, or open."""

    name: str
    group: str
    about: str
    faults: list[str]
    ends: str


class Cell(Struct, kw_only=True):
    """One agent in one case.

    Attributes:
        command: of the agent; `faults`: of the case; both tell a stored cell that is out of date.
        headline: what came of it, in a few words.
        repeat: a command line that does it again.
        exit_status: the program's own, None when it had to be ended or never ran.
        sessions: directories that `replay verify` judges, relative to the grid's.
    """

    agent: str
    case: str
    command: str
    faults: list[str]
    state: State
    headline: str = ""
    notes: list[Note] = msgspec.field(default_factory=list)
    repeat: str = ""
    seconds: float = 0.0
    exit_status: int | None = None
    sessions: list[str] = msgspec.field(default_factory=list)


class Grid(Struct, kw_only=True):
    """A whole grid. `seconds`: wall time of what was run this time."""

    schema: int = SCHEMA
    replay_version: str
    agents: list[Agent]
    cases: list[CaseFacts]
    cells: list[Cell]
    seconds: float = 0.0

    def cell(self, agent: str, case: str) -> Cell | None:
        """The cell of an agent and a case, if it is there."""
        found = (each for each in self.cells if (each.agent, each.case) == (agent, case))
        return next(found, None)

    def count(self, agent: str) -> dict[State, int]:
        """How many of an agent's cells are in each state, in the order of `STATES`."""
        mine = [cell.state for cell in self.cells if cell.agent == agent]
        return {state: mine.count(state) for state in STATES}
