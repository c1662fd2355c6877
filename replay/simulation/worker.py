"""A process that simulates worlds, one after the other: asked and heard by lines of JSON.

Without trio around it: a simulation is a run of trio, and must be the only one in its thread.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from replay.errors import ReplayError
from replay.simulation.asked import Asked
from replay.simulation.smallest import shrink_session
from replay.simulation.verdict import Fold, SeedResult
from replay.simulation.world import Played, simulate_world

#: Between two words about a world that is under way, in seconds.
_TELL_SECONDS = 1.0
#: Of a world so many failing sessions are kept whole; ten minutes are some 40 MB.
_KEPT = 20


class Job(Struct, kw_only=True):
    """`asked`: what the worlds are to be; `seed`: of this one; `keep`: where failing sessions are
    put, None for nowhere."""

    asked: Asked
    seed: int
    keep: str | None = None


class Report(Struct, kw_only=True):
    """`result`: of a world, as far as it is; `error`: why there is none."""

    result: SeedResult
    done: bool = False
    error: str = ""


def simulate_seed(job: Job, tell: Callable[[SeedResult], None]) -> SeedResult:
    """Simulate one world, judge its sessions, and shrink what failed.

    Args:
        tell: hears of the result as it grows.

    Raises:
        UsageError: what is asked cannot be simulated.
        MachineError: a failing session cannot be kept.
    """
    fold = Fold(job.seed)
    began = time.process_time()
    told = time.monotonic()

    def add(played: Played) -> None:
        nonlocal told
        judged = fold.add(played)
        keep = judged.state == "fail" and fold.result.failed <= _KEPT
        if keep and job.keep is not None:
            _keep(Path(job.keep), played)
        fold.result.took = time.process_time() - began
        if keep or time.monotonic() >= told + _TELL_SECONDS:  # what is kept is known of
            told = time.monotonic()
            tell(fold.result)
        # What sessions leave behind in circles is let go between two of them, not at any time.
        gc.collect()

    terms = job.asked.terms(job.seed)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        simulate_world(terms, add)
    finally:
        gc.enable()
        gc.unfreeze()
    fold.result.took = time.process_time() - began
    fold.result.complete = True
    if job.asked.shrink:
        for failure, spec in fold.failing:
            shrink_session(failure, spec)
    return fold.result


def _keep(directory: Path, played: Played) -> None:
    """The session as a run's directory has it."""
    from replay import rundir
    from replay.audio import wav_header
    from replay.recorder import cannot_write

    path = directory / played.spec.name
    fmt, done = played.spec.format, played.done
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / rundir.JOURNAL).write_bytes(done.journal)
        for name, audio in ((rundir.SENT, done.sent), (rundir.RECORDED, done.recorded)):
            if audio is not None:
                (path / name).write_bytes(wav_header(fmt, len(audio)) + audio)
    except OSError as error:
        raise cannot_write(path, error) from None


def main() -> None:
    """Do what is asked, line by line, until there is no more."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints would break a line
    decoder = msgspec.json.Decoder(Job)
    for line in sys.stdin.buffer:
        job = decoder.decode(line)

        def tell(result: SeedResult) -> None:
            _say(out, Report(result=result))

        try:
            _say(out, Report(result=simulate_seed(job, tell), done=True))
        except ReplayError as error:
            _say(out, Report(result=SeedResult(seed=job.seed), done=True, error=str(error)))


def _say(out: BinaryIO, report: Report) -> None:
    try:
        out.write(msgspec.json.encode(report) + b"\n")
        out.flush()
    except BrokenPipeError:
        sys.exit(0)  # whoever asked is gone


if __name__ == "__main__":
    main()
