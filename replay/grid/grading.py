"""From what the judge says of a client in a case to one word and its reasons. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec import Struct

from replay.continuity import Finding
from replay.grid.cases import OPENING, GridCase
from replay.grid.limit import Search
from replay.grid.results import Note, State
from replay.judge import Outcome

#: What cannot hold of a client that does what it must, and stops in the middle of a session.
_ENDED_BY_STOPPING = frozenset({"A1", "A3", "E1", "R1", "R2", "S4", "T1", "T2", "T3"})
_FAULTS = "V1"
#: What a shell says of a program that cannot be run, or is not there.
_NO_PROGRAM = (126, 127)
#: An outage that every client should live through, in seconds.
_OUTAGE = 30.0


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program did, as far as one can see from outside.

    Attributes:
        status: its exit status, None when it had to be ended; `fine`: what that may be after a
            session that is complete.
        limit: the seconds that it had.
        last_words: the end of what it printed.
    """

    status: int | None
    limit: float
    last_words: str = ""
    fine: tuple[int, ...] = (0,)


class Judged(Struct, kw_only=True):
    """What the judge says of one session. `complete`: it came to its proper end for the client;
    `doubts`: why there is no verdict, where there is none."""

    complete: bool
    outcomes: dict[str, Outcome]
    others: list[Finding]
    doubts: list[str]


@dataclass(frozen=True, slots=True)
class Grade:
    state: State
    headline: str
    notes: list[Note]


def grade(case: GridCase, ran: Ran, sessions: list[Judged]) -> Grade:
    """One cell: the worst that can be said of any of the program's sessions.

    Args:
        sessions: none when nothing was written down.
    """
    if not sessions:
        return _unopened(case, ran)
    notes = _notes(case, sessions) + _conduct(case, ran, sessions)
    errors = [note for note in notes if note.severity == "error"]
    if case.ends == "open":
        return _open(notes, ran, sessions)
    if errors:
        return Grade("failed", errors[0].detail, notes)
    doubts = [text for each in sessions for text in _doubts(case, each)]
    if doubts:
        return Grade("not run", doubts[0], notes)
    warnings = [note for note in notes if note.severity == "warning"]
    if warnings:
        return Grade("tolerable", warnings[0].detail, notes)
    return Grade("ok", "", notes)


def grade_search(search: Search, stopped_by: Grade | None) -> Grade:
    """The cell of a search for the outage that is too long.

    Args:
        stopped_by: the grade of an outage that could not be tried, which ends the search.
    """
    if stopped_by is not None:
        return Grade("not run", stopped_by.headline, stopped_by.notes)
    text = str(search)
    if search.failed is None:
        return Grade("ok", text, [])
    severity, state = (
        ("warning", "tolerable") if search.survived >= _OUTAGE else ("error", "failed")
    )
    note = Note(invariant="R2", severity=severity, detail=f"{text} of outage")  # type: ignore[arg-type]
    return Grade(state, text, [note])  # type: ignore[arg-type]


def _unopened(case: GridCase, ran: Ran) -> Grade:
    """No session was opened: an answer only where it is the opening that was disturbed."""
    if case.group != OPENING or ran.status in _NO_PROGRAM:
        return Grade("not run", ran.last_words or "no session was opened", [])
    said = f": {ran.last_words}" if ran.last_words else ""
    if ran.status is None:
        text = f"no session was opened, and the program did not end within {ran.limit:g} s"
        return Grade("failed", text, [Note(severity="error", detail=text)])
    text = f"no session was opened; the program ended with status {ran.status}{said}"
    if case.ends == "stop":
        return Grade("ok", "", [Note(severity="info", detail=text)])
    return Grade("failed", text, [Note(severity="error", detail=text)])


def _notes(case: GridCase, sessions: list[Judged]) -> list[Note]:
    """The findings of all sessions, those that a case excuses only as information."""
    found = []
    for each in sessions:
        for finding in _findings(each):
            excused = case.ends == "stop" and finding.invariant in _ENDED_BY_STOPPING
            found.append(
                Note(
                    invariant=finding.invariant,
                    severity="info" if excused else finding.severity,
                    detail=finding.detail,
                )
            )
    return found


def _findings(judged: Judged) -> Iterable[Finding]:
    for name, outcome in judged.outcomes.items():
        if name != _FAULTS:
            yield from outcome.findings
    yield from judged.others


def _conduct(case: GridCase, ran: Ran, sessions: list[Judged]) -> list[Note]:
    """What the program itself did: whether it came to an end, and to which."""
    notes = []
    if len(sessions) > 1:
        text = f"{len(sessions)} sessions were opened for one recording"
        notes.append(Note(invariant="S1", severity="error", detail=text))
    complete = any(each.complete for each in sessions)
    if ran.status is None:
        text = f"the program did not end within {ran.limit:g} s"
        notes.append(Note(severity="error", detail=text))
    elif not complete and case.ends != "stop":
        text = f"the program ended with status {ran.status}, and its session was not complete"
        text += f"; its last words: {ran.last_words}" if ran.last_words else ""
        notes.append(Note(severity="error", detail=text))
    elif ran.status not in ran.fine and case.ends != "stop":
        text = f"the session is complete, but the program ended with status {ran.status}"
        notes.append(Note(severity="warning", detail=text))
    return notes


def _doubts(case: GridCase, judged: Judged) -> list[str]:
    faults = judged.outcomes.get(_FAULTS)
    if faults is not None and faults.state == "unknown":
        return [faults.why]
    return [] if case.ends == "stop" else judged.doubts


def _open(notes: list[Note], ran: Ran, sessions: list[Judged]) -> Grade:
    """The protocol does not say what is right here."""
    if ran.status is None:
        return Grade("failed", notes[-1].detail, notes)
    doubts = [text for each in sessions for text in _doubts_of_faults(each)]
    if doubts:
        return Grade("not run", doubts[0], notes)
    complete = any(each.complete for each in sessions)
    errors = [note.detail for note in notes if note.severity == "error"]
    how = "went on to the end" if complete else "stopped"
    return Grade("informational", f"{how}; {errors[0]}" if errors else how, notes)


def _doubts_of_faults(judged: Judged) -> list[str]:
    faults = judged.outcomes.get(_FAULTS)
    return [faults.why] if faults is not None and faults.state == "unknown" else []
