"""`replay capacity` as a library call: from step to step until the answer is found."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from replay import storing
from replay.capacity import judge, records, result
from replay.capacity.judge import Step
from replay.capacity.records import Asked, Cores, Measured, Record
from replay.capacity.search import Found
from replay.conditions import Condition
from replay.crowd import talk
from replay.crowd.owner import Hold, open_crowd
from replay.errors import UsageError
from replay.machine import usable_cores
from replay.recorder import cannot_write
from replay.target import Target, open_owned_target
from replay.tasks import until_signalled
from replay.transport.http import is_loopback

JOURNAL = "capacity.jsonl"
#: Hears of what is about to be tried, and of each step that was.
Tell = Callable[[int | Step], None]
#: What a sandbox is started with, before what the user wants: sessions that left are not kept, or a
#: long search would fill the disk, and one that was cut off does not wait for its client.
_SANDBOX = ("--keep", "20s", "--session-timeout", "5s")


class Stage(Protocol):
    """Where steps are played (`owner.Crowd`)."""

    async def measure(self, sessions: int, hold: Hold, *, anew: bool) -> Measured: ...


@dataclass(frozen=True, slots=True)
class Ramp:
    """What is asked. `asked` is what is written down of it; `audio`: a file of session audio."""

    asked: Asked
    target: Target
    config: dict[str, Any]
    region: str | None = None
    audio: str = ""


@dataclass(slots=True)
class Store:
    """The records of a search, in memory and on disk."""

    path: Path
    records: list[Record] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """On disk when this returns.

        Raises:
            MachineError: the disk does not take it.
        """
        try:
            storing.append(self.path / JOURNAL, records.encode(record))
        except OSError as error:
            raise cannot_write(self.path / JOURNAL, error) from None
        self.records.append(record)


def load(path: Path) -> result.Capacity:
    """What a stored search came to, from its directory.

    Raises:
        UsageError: it has none.
    """
    try:
        with (path / JOURNAL).open("rb") as lines:
            return result.fold(records.decode_lines(lines))
    except OSError as error:
        raise UsageError(f"{path}: no search for a capacity: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{path / JOURNAL}: {error}") from None


async def run(ramp: Ramp, store: Store, tell: Tell) -> None:
    """Search; what came of it is `result.fold` of the store's records. Ctrl-C ends it early.

    Raises:
        ReplayError: the target cannot be used like this, or the machine fails.
    """
    began = time.monotonic()
    if await until_signalled(partial(_run, ramp, store, tell)):
        store.add(records.Interrupted(at_s=round(time.monotonic() - began, 3)))


async def _run(ramp: Ramp, store: Store, tell: Tell) -> None:
    async with _open_stage(ramp, store.path) as (stage, pid):
        await climb(stage, store, tell, target_pid=pid)


async def climb(stage: Stage, store: Store, tell: Tell, target_pid: int | None = None) -> None:
    """Step after step; the store has what was asked."""
    asked = store.records[0]
    assert isinstance(asked, Asked)
    conditions = [judge.parse_slo(text) for text in asked.slo]
    steps: list[Step] = []
    judging = judge.Judge(conditions)
    while not isinstance(wanted := result.what_next(asked, steps), Found):
        tell(wanted)
        # What a step that was too much has left behind must not count in the next one.
        anew = bool(steps) and steps[-1].state != "held"
        hold = _hold(asked, conditions, wanted, target_pid)
        measured = await stage.measure(wanted, hold, anew=anew)
        store.add(measured)
        steps.append(judging.step(measured))
        tell(steps[-1])


def _hold(
    asked: Asked, conditions: Sequence[Condition], sessions: int, target_pid: int | None
) -> Hold:
    """Whole chunks, and enough of them for the conditions."""
    chunk = asked.chunk_ms / 1000
    seconds = max(asked.hold_s, judge.least_seconds(conditions, sessions, chunk))
    return Hold(max(1, round(seconds / chunk)) * chunk, judge.patience(conditions), target_pid)


# ------------------------------------------------------------------ processes and cores


def share_cores(target: Target, *, processes: int | None) -> tuple[Cores, int]:
    """Which cores are whose, and how many processes the client has: one for each of its cores.

    A sandbox of our own gets one core for itself, as far as there are two; another target of this
    machine takes what it likes.
    """
    every = usable_cores()
    if target.kind != "sandbox":
        return Cores(client=every, shared=is_loopback(target.url)), processes or len(every)
    if len(every) == 1:
        return Cores(client=every, target=every, shared=True), processes or 1
    return Cores(client=every[1:], target=every[:1]), processes or len(every) - 1


@asynccontextmanager
async def _open_stage(ramp: Ramp, path: Path) -> AsyncIterator[tuple[Stage, int | None]]:
    asked, target = ramp.asked, ramp.target
    if target.kind == "sandbox":
        target = Target("sandbox", api_key=target.api_key, sandbox=(*_SANDBOX, *target.sandbox))
    async with open_owned_target(target) as (service, sandbox):
        pid = sandbox.pid if sandbox is not None else None
        if pid is not None:
            keep_to(pid, asked.cores.target)
        prepare = talk.Prepare(
            url=service.base_url,
            key=target.api_key,
            region=ramp.region,
            config=ramp.config,
            chunk_ns=round(asked.chunk_ms * 1e6),
            audio=ramp.audio,
            cores=asked.cores.client,
        )
        async with open_crowd([prepare] * asked.processes, path / "workers.log") as crowd:
            yield crowd, pid
            await crowd.clear()


def keep_to(pid: int, cores: Sequence[int]) -> None:
    """Have a process, with all threads that it has and will have, on these cores."""
    if not hasattr(os, "sched_setaffinity"):
        return
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)
