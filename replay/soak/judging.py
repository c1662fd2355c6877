"""One session of a soak, judged from its directory; and what of the directory is kept."""

from __future__ import annotations

import shutil
from pathlib import Path

from replay import journal as j
from replay import rundir
from replay.endurance.folding import outcome
from replay.endurance.outcome import Outcome, Place
from replay.errors import MachineError, ReplayError
from replay.faults import parse_plan
from replay.recorder import cannot_write
from replay.repeating import command_line
from replay.report import json as json_report
from replay.soak.store import Keep
from replay.summary import summarise
from replay.timeline import Timeline

#: So many directories of sessions that failed are kept whole; of more only the summary is.
KEPT_FAILING = 50


def judge(soak: Path, place: Place, ended: float, error: str) -> Outcome:
    """What became of a session. One that is said to be cut off, and yet had come to its end and
    only waited to be judged, is judged like any.

    Args:
        soak: the soak's directory.
        ended: when it was over, on the soak's clock.
        error: the session broke off, and why; empty when it did not.

    Raises:
        MachineError: the disk is full.
    """
    path = soak / place.path
    try:
        run = rundir.load(path)
        if place.cut and (closed := _own_end(run.timeline)) is not None:
            place.cut, error = False, closed.error
        comparison = run.compare()
        summary = summarise(run.timeline, comparison, damage=run.damage)
        place.repeat = _repeat(run.timeline.all(j.FaultPlanned), run.timeline.header)
        found = outcome(summary, run.timeline, comparison, place)
        rundir.write_summary(path, json_report.render(summary))
    except MachineError:
        raise
    except ReplayError as broken:
        # Killed before its first line was written, or its files were harmed.
        found = Outcome(
            place=place,
            ended=ended,
            verdict="unknown" if place.cut else "fail",
            reasons=[error or str(broken)],
        )
    if error and not place.cut and found.verdict != "fail":
        found.verdict = "fail"
        found.reasons = [error, *found.reasons]
    return found


def _own_end(timeline: Timeline) -> j.Closed | None:
    """The last line of a session that had come to an end of its own, good or bad: one that is told
    to stop at once writes it too, in the middle of its audio or before all was fetched."""
    closed, ended = timeline.first(j.Closed), timeline.first(j.Ended)
    if closed is None or ended is None or ended.outcome == "interrupted":
        return None
    fetched = timeline.first(j.Recorded) is not None
    good = ended.outcome in ("complete", "recovered")
    return closed if fetched or closed.error or not good else None


def _repeat(planned: list[j.FaultPlanned], header: j.Header) -> str:
    texts = [each.text for each in sorted(planned, key=lambda each: each.rule)]
    return command_line(header, parse_plan(texts))


def dispose(soak: Path, found: Outcome, keep: Keep, failing: int) -> None:
    """Leave of a session's directory what is to be kept, once its outcome is on disk.

    Args:
        failing: directories of failing sessions that are kept already.

    Raises:
        MachineError: it cannot be done.
    """
    if keep == "all":
        return
    path = soak / found.place.path
    if keep == "failing" and found.verdict != "fail":
        shutil.rmtree(path, ignore_errors=True)
        return
    if keep == "failing" and failing < KEPT_FAILING:
        return
    try:
        _strip(path)
    except OSError as failed:
        raise cannot_write(path, failed) from None


def _strip(path: Path) -> None:
    for each in path.iterdir():
        if each.name != rundir.SUMMARY:
            if each.is_dir():
                shutil.rmtree(each)
            else:
                each.unlink()
