"""`replay selftest` as a library call."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import trio

from replay import __version__, rundir
from replay.machine import this_machine
from replay.selftest import judge
from replay.selftest.measured import Measured, measure
from replay.selftest.play import Tell, place, play, prepare
from replay.selftest.resolution import resolve
from replay.selftest.result import Selftest
from replay.selftest.trial import Trial
from replay.selftest.trials import ROUNDS, SECONDS, trials
from replay.selftest.truth import Truth, work_out
from replay.statistics import distribution


def run_selftest(
    directory: Path, tell: Tell, *, seconds: float = SECONDS, rounds: int = ROUNDS
) -> Selftest:
    """Play every trial, measure, and judge.

    Args:
        directory: empty; the sessions are kept there.
        tell: is told what goes on.
        seconds, rounds: of the constant trial.

    Raises:
        ReplayError: something could not be started or played.
    """
    began, clock = datetime.now(UTC), time.monotonic()
    chosen = trials(seconds, rounds)
    prepare(chosen, directory)
    woken = trio.run(play, chosen, directory, tell)
    tell("measuring")
    measured = [_measure(trial, directory) for trial in chosen]
    return assess(
        chosen,
        [work_out(trial) for trial in chosen],
        measured,
        woken,
        created_at=began.isoformat(timespec="seconds"),
        took=time.monotonic() - clock,
    )


def _measure(trial: Trial, directory: Path) -> Measured:
    runs = [rundir.load(place(directory, trial, k + 1)) for k in range(trial.rounds)]
    return measure([(run.timeline, run.compare()) for run in runs])


def assess(
    chosen: Sequence[Trial],
    truths: Sequence[Truth],
    measured: Sequence[Measured],
    woken: Sequence[float],
    *,
    created_at: str,
    took: float,
) -> Selftest:
    """Everything held against its truth. `woken`: how late a sleeper was woken, in ms."""
    machine = np.asarray(woken, dtype=np.float64)
    lateness = np.concatenate([each.lateness for each in measured])
    checked = [
        judge.check(trial, truth, found)
        for trial, truth, found in zip(chosen, truths, measured, strict=True)
    ]
    invalid = [
        f"{trial.title}: {reason}"
        for trial, found in zip(chosen, measured, strict=True)
        for reason in found.invalid
    ]
    busy = judge.too_busy(lateness, machine, invalid)
    verdict, reasons = judge.verdict(checked, busy)
    return Selftest(
        replay_version=__version__,
        created_at=created_at,
        verdict=verdict,
        reasons=reasons,
        took_s=round(took, 1),
        trials=checked,
        lateness=distribution(lateness),
        machine=distribution(machine),
        busy=busy,
        resolution=resolve(truths[0], measured[0], measured[0].lateness),
        where=this_machine(),
    )
