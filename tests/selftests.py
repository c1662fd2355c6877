"""Trials of the selftest, played in virtual time."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from replay.continuity import compare
from replay.faults import parse_plan
from replay.sandbox.defects import planted
from replay.sandbox.settings import Settings
from replay.selftest.measured import Measured, measure
from replay.selftest.result import Selftest
from replay.selftest.selftest import assess
from replay.selftest.trial import Trial
from replay.selftest.trials import trials
from replay.selftest.truth import work_out
from replay.simulation import Simulated, Simulation, simulate

#: A machine that wakes everybody in time.
AWAKE = [0.05] * 1000

TRIALS = {trial.name: trial for trial in trials(2.0, 2)}


def play(trial: Trial, way: float = 0.0) -> Simulated:
    """One round of it. `way`: seconds that everything takes each way."""
    spreads = trial.spreads
    return simulate(
        Simulation(
            seconds=trial.seconds,
            script=trial.script,
            said=trial.said,
            manner=trial.manner,
            latency=way,
            config=trial.config,
            chunk=Fraction(trial.chunk),
            plan=parse_plan(trial.faults),
            seed=trial.seed,
            settings=Settings(
                ack=spreads.ack,
                post=spreads.post,
                seed=trial.seed,
                defects=tuple(planted(text) for text in trial.defects),
            ),
        )
    )


def read_back(trial: Trial, played: Simulated) -> Measured:
    """What the instrument makes of it; every round was the same."""
    assert played.recorded is not None
    audio = compare(played.sent, played.recorded, trial.format.frame_bytes)
    return measure([(played.timeline, audio)] * trial.rounds)


def selftest(
    trial: Trial, played: Simulated | None = None, way: float = 0.0, woken: list[float] = AWAKE
) -> Selftest:
    """The selftest of one trial. `woken`: how late the machine woke a sleeper, in ms."""
    played = played or play(trial, way)
    return assess(
        [trial],
        [work_out(trial, way)],
        [read_back(trial, played)],
        woken,
        created_at="2026-01-01T00:00:00Z",
        took=0.0,
    )


def shorter(trial: Trial, seconds: float) -> Trial:
    """The same with less audio."""
    return replace(trial, seconds=seconds)
