"""What the judge says of a session of an agent, whose recording is known here."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import soundfile

from replay import journal, rundir
from replay.continuity import Comparison, compare
from replay.grid.grading import Judged
from replay.judge import BY_ID, Case, Outcome, findings, judge
from replay.wire.http import job_path

#: An agent of whose recorded audio more than this part is none of ours has sent something else.
_FOREIGN = 0.5
#: Without an answer to these nobody knows whether the session lost anything.
_MUST_BE_KNOWN = ("A1", "T1")


def judge_session(path: Path, wav: Path, *, content: bool) -> Judged:
    """Judge the journal of an injector. `content`: the program ended as it does when all is well.

    Beyond what `replay verify` can know of somebody else's client, the recording that it was given
    is held against what the service recorded, so that audio which never left the client is missed
    as well. A client that does not send the samples as they are is judged by what it sent.

    Raises:
        UsageError: there is no journal, or it is broken.
    """
    run = rundir.load(path)
    comparison = _against_source(run, wav) or run.compare()
    case = Case(run.timeline, comparison)
    outcomes = judge(case)
    return Judged(
        complete=_complete(case, content),
        outcomes=outcomes,
        others=[each for each in findings(case, outcomes) if each.invariant not in BY_ID],
        doubts=_doubts(case, outcomes),
    )


def _complete(case: Case, content: bool) -> bool:
    """The client was told the end, or has fetched it itself: the injector, which fetches it last,
    is the second to do so."""
    ended = case.timeline.final(journal.Ended)
    if case.finished or (ended is not None and ended.outcome == "complete"):
        return True
    jobs = {job_path(init.id) for init in case.timeline.all(journal.Init) if init.id}
    fetched = [
        each
        for each in case.timeline.all(journal.Http)
        if each.method == "GET" and each.path in jobs and each.status == HTTPStatus.OK
    ]
    return content and case.complete and len(fetched) > 1


def _doubts(case: Case, outcomes: dict[str, Outcome]) -> list[str]:
    """Why the session might not be as good as it looks."""
    cut = [] if case.timeline.finished else ["the journal was cut short"]
    return cut + [
        outcomes[name].why for name in _MUST_BE_KNOWN if outcomes[name].state == "unknown"
    ]


def _against_source(run: rundir.Run, wav: Path) -> Comparison | None:
    if run.recorded is None:
        return None
    samples, _ = soundfile.read(wav, dtype="int16")
    comparison = compare(samples.tobytes(), run.recorded, run.timeline.format.frame_bytes)
    foreign = comparison.garbage_bytes > _FOREIGN * comparison.recorded_bytes
    return None if foreign else comparison
