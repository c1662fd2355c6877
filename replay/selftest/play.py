"""Plays the trials into sandboxes of their own, and listens to the machine meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import trio

from replay.errors import Interrupted
from replay.faults import parse_plan
from replay.observer import settle_memory
from replay.player import Pace
from replay.recorder import cannot_write, open_recorder
from replay.sandbox.process import SandboxProcess
from replay.selftest.sleeper import Sleeper, open_sleeper
from replay.selftest.trial import Trial
from replay.source import SourceSpec, Spoken, open_source
from replay.take import RunOptions, Take, inject
from replay.target import Target, open_owned_target
from replay.tasks import open_flat_nursery, until_signalled
from replay.transport.http import HttpService
from replay.waiting import SPIN_SECONDS

#: Is told what is being played.
Tell = Callable[[str], None]


def prepare(trials: Sequence[Trial], directory: Path) -> None:
    """Make what sessions and sandboxes need.

    Raises:
        MachineError: it cannot be written.
    """
    try:
        for trial in trials:
            _script(directory, trial).write_bytes(msgspec.json.encode(trial.script))
            for round_ in range(1, trial.rounds + 1):
                place(directory, trial, round_).mkdir()
    except OSError as error:
        raise cannot_write(directory, error) from None


async def play(trials: Sequence[Trial], directory: Path, tell: Tell) -> list[float]:
    """Play all of them, each session into its `place`. How late the machine woke a process that
    only slept while sessions were played, in ms.

    A trial of several rounds is played alone, then the others side by side: theirs are figures
    that a few tenths of a millisecond do not move.

    Raises:
        ReplayError: something could not be started or played.
        Interrupted: by SIGINT, SIGTERM or SIGHUP.
    """
    async with open_sleeper() as sleeper:
        stage = _Stage(directory, sleeper, tell)
        if await until_signalled(partial(_play_all, trials, stage)):
            raise Interrupted("interrupted: nothing can be said of this machine")
    return sleeper.late


@dataclass(frozen=True, slots=True)
class _Stage:
    directory: Path
    sleeper: Sleeper
    tell: Tell


class _Curtain:
    """Opens once all have come: who starts a program disturbs whoever plays."""

    def __init__(self, players: int) -> None:
        self._missing = players
        self._open = trio.Event()

    async def wait(self) -> None:
        self._missing -= 1
        if not self._missing:
            self._open.set()
        await self._open.wait()


async def _play_all(trials: Sequence[Trial], stage: _Stage) -> None:
    alone = [trial for trial in trials if trial.rounds > 1]
    together = [trial for trial in trials if trial.rounds == 1]
    for group in (*([trial] for trial in alone), together):
        await _play_together(group, stage)


async def _play_together(trials: Sequence[Trial], stage: _Stage) -> None:
    stage.tell(", ".join(trial.title for trial in trials))
    curtain = _Curtain(len(trials))
    async with open_flat_nursery() as nursery:
        for trial in trials:
            nursery.start_soon(_play, trial, stage, curtain)


def place(directory: Path, trial: Trial, round_: int) -> Path:
    """Where a session is kept; rounds count from 1."""
    return directory / (f"{trial.name}-{round_}" if trial.rounds > 1 else trial.name)


async def _play(trial: Trial, stage: _Stage, curtain: _Curtain) -> None:
    options = RunOptions(
        source=SourceSpec("counter", duration=trial.seconds),
        target=Target(sandbox=_arguments(trial, stage.directory)),
        config=trial.config,
        chunk=trial.chunk,
        pace=Pace(spin=SPIN_SECONDS),
        reference=Spoken(" ".join(word.word for word in trial.said), tuple(trial.said)),
        seed=trial.seed,
        plan=parse_plan(trial.faults),
        alone=False,
    )
    async with open_owned_target(options.target) as (service, sandbox):
        await curtain.wait()
        for round_ in range(1, trial.rounds + 1):
            if trial.rounds > 1:
                stage.tell(f"{trial.title}, round {round_} of {trial.rounds}")
            settle_memory()
            with stage.sleeper.listening():
                path = place(stage.directory, trial, round_)
                await _session(options, service, sandbox, path)


def _script(directory: Path, trial: Trial) -> Path:
    return directory / f"{trial.name}.words.json"


def _arguments(trial: Trial, directory: Path) -> tuple[str, ...]:
    """Of `replay sandbox`."""
    planted = [word for defect in trial.defects for word in ("--defect", defect)]
    return (
        *("--script", str(_script(directory, trial)), "--latency", trial.latency),
        *("--flicker", str(trial.flicker), "--seed", str(trial.seed)),
        *("--log-level", "error", *planted),
    )


async def _session(
    options: RunOptions, service: HttpService, sandbox: SandboxProcess | None, path: Path
) -> None:
    async with (
        open_source(options.source, options.shape, options.chunk) as source,
        open_recorder(path, source.format) as recorder,
    ):
        injected = inject(service, options, options.plan, recorder, source.format, sandbox)
        await Take(options, source, service, injected, recorder, path).record()
