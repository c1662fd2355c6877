"""The owner of a crowd: its workers, what they are asked, and what they have counted."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import psutil
import trio

from replay.capacity.records import Client, Failure, Measured
from replay.crowd import talk
from replay.endurance.histogram import Encoded, merged
from replay.errors import ConnectFailed, MachineError, Refused
from replay.tasks import open_flat_nursery
from replay.wire.closing import Close, on_status
from replay.workers import Worker, open_worker

#: Sessions that each worker opens a second, and that it ends; what that takes does not count.
_RATE = 25.0
_LEAVING_RATE = 60.0
#: Beyond its plan, what may pass until all sessions of a step are open.
_OPENING_SECONDS = 30.0
#: The first seconds of a step do not count.
WARMING_SECONDS = 2.0
#: Until what was asked of a worker has reached it.
_LEAD_SECONDS = 0.2
_FAILURES_SHOWN = 20
#: What sessions have for leaving when the search is given up.
_GOODBYE_SECONDS = 5.0

# A union is no type to a checker, and what is decoded all the same.
_ASK, _SAY = cast("type[talk.Ask]", talk.Ask), cast("type[talk.Say]", talk.Say)
AnyWorker = Worker[talk.Ask, talk.Say]


@dataclass(frozen=True, slots=True)
class Hold:
    """How a step is held. `seconds` count, then answers are waited for up to `patience` seconds.

    Attributes:
        target_pid: of a sandbox of our own, whose CPU time is looked at.
    """

    seconds: float
    patience: float = 1.0
    target_pid: int | None = None


@dataclass(slots=True)
class _Step:
    """What came in of the step that is going on. `failed`: how many sessions, the first of them as
    `failures`."""

    failures: list[Failure] = field(default_factory=list)
    failed: int = 0


class Crowd:
    """Sessions spread evenly over workers. Made by `open_crowd`.

    Attributes:
        sessions: how many there are.
        pids: of the workers.
        over: the workers were told to go.
    """

    def __init__(self, workers: Sequence[AnyWorker], log: Path) -> None:
        self.sessions = 0
        self.pids = [each.pid for each in workers]
        self.over = False
        self._workers = workers
        self._log = log
        self._began = time.monotonic()
        self._said, self._heard = trio.open_memory_channel[talk.Say](float("inf"))
        self._step = _Step()
        self._ever = False
        self._let_in = 0

    async def listen(self, worker: AnyWorker) -> None:
        """Take what a worker says until it is gone.

        Raises:
            MachineError: it should not be.
        """
        async for said in worker:
            if isinstance(said, talk.Failed):
                await self._note(said.failure)
            else:
                self._said.send_nowait(said)
        if not self.over:
            raise MachineError(f"a worker process is gone; {self._log} may say why")

    async def _note(self, failure: Failure) -> None:
        self._step.failed += 1
        if len(self._step.failures) < _FAILURES_SHOWN:
            self._step.failures.append(failure)
        for worker in self._workers:
            await worker.ask(talk.Halt())

    async def measure(self, sessions: int, hold: Hold, *, anew: bool = False) -> Measured:
        """Have so many sessions, and count for a while.

        More are added to those that there are; for fewer, or where that is asked for, all begin
        `anew`.

        Raises:
            Refused: no session at all can be opened like this.
            ConnectFailed: the target was never reached.
            MachineError: a worker died.
        """
        if anew or sessions < self.sessions:
            await self.clear()
        opened = await self._open(sessions)
        at = time.monotonic() - self._began
        if self._step.failed:
            counted, target = [talk.Counted(client=each, figures={}) for each in opened], None
        else:
            counted, target = await self._count(hold)
        found = self._measured(sessions, at, counted, target)
        if found.failed:
            await self.clear()
        return found

    async def clear(self) -> None:
        """End all sessions."""
        for worker in self._workers:
            await worker.ask(talk.Clear(gap=1 / _LEAVING_RATE))
        await self._answers(talk.Cleared)
        self.sessions = 0
        self._step = _Step()

    # ------------------------------------------------------------ the parts of a step

    @property
    def _rate(self) -> float:
        return _RATE * len(self._workers)

    async def _open(self, sessions: int) -> list[Client]:
        """The sessions that are missing; what each worker says when that is done.

        Raises: as `measure`.
        """
        self._step = _Step()
        missing, count = range(self.sessions, sessions), len(self._workers)
        at = time.monotonic() + _LEAD_SECONDS
        for k, worker in enumerate(self._workers):
            own = [number for number in missing if number % count == k]
            late = own[0] - missing[0] if own else 0
            await worker.ask(
                talk.Open(numbers=own, at=at + late / self._rate, gap=count / self._rate)
            )
        async with open_flat_nursery() as nursery:
            nursery.start_soon(self._hurry, len(missing) / self._rate + _OPENING_SECONDS)
            opened = await self._answers(talk.Opened)
            nursery.cancel_scope.cancel()
        clients = [each.client for each in opened]
        self.sessions = sum(each.sessions for each in clients)
        self._let_in = sum(each.let_in for each in opened)
        self._ever = self._ever or self._let_in > 0
        for failure in self._step.failures:
            self._hopeless(failure)
        return clients

    async def _hurry(self, seconds: float) -> None:
        """After so long, do without the sessions that are not open."""
        await trio.sleep(seconds)
        detail = f"not all were open {_OPENING_SECONDS:g} s after the last was begun"
        await self._note(Failure(session=0, cause="unreachable", detail=detail))

    def _hopeless(self, failure: Failure) -> None:
        if failure.cause == "refused" and on_status(failure.status) is Close.REFUSED:
            raise Refused(failure.detail, status=failure.status)
        if failure.cause == "unreachable" and not self._ever:
            raise ConnectFailed(failure.detail)

    async def _count(self, hold: Hold) -> tuple[list[talk.Counted], float | None]:
        """What each worker counted, and the CPU seconds of the target."""
        begin = time.monotonic() + WARMING_SECONDS
        end = begin + hold.seconds
        for worker in self._workers:
            await worker.ask(talk.Count(begin=begin, end=end, tell=end + hold.patience))
        await trio.sleep(begin - time.monotonic())
        before = _cpu_of(hold.target_pid)
        await trio.sleep(end - time.monotonic())
        after = _cpu_of(hold.target_pid)
        counted = await self._answers(talk.Counted)
        return counted, after - before if before is not None and after is not None else None

    async def _answers(self, kind: type[Any]) -> list[Any]:
        """One of this kind from each worker."""
        found: list[Any] = []
        while len(found) < len(self._workers):
            said = await self._heard.receive()
            if isinstance(said, kind):
                found.append(said)
        return found

    def _measured(
        self, sessions: int, at: float, counted: Sequence[talk.Counted], target: float | None
    ) -> Measured:
        figures: dict[str, list[Encoded]] = {}
        for each in counted:
            for name, counts in each.figures.items():
                figures.setdefault(name, []).append(counts)
        return Measured(
            sessions=sessions,
            at_s=round(at, 3),
            opened=self._let_in,
            figures={name: merged(parts).encoded() for name, parts in figures.items()},
            clients=[each.client for each in counted],
            failures=self._step.failures,
            failed=self._step.failed,
            target_cpu_s=None if target is None else round(target, 3),
        )


def _cpu_of(pid: int | None) -> float | None:
    if pid is None:
        return None
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return float(times.user + times.system)


@asynccontextmanager
async def open_crowd(prepare: Sequence[talk.Prepare], log: Path) -> AsyncIterator[Crowd]:
    """A crowd of as many workers as there are to `prepare`, for as long as the block.

    Raises:
        MachineError: a worker does not start, or dies.
    """
    async with AsyncExitStack() as stack:
        workers: list[AnyWorker] = [
            await stack.enter_async_context(open_worker("replay.crowd.worker", _SAY, log, _ASK))
            for _ in prepare
        ]
        for worker, what in zip(workers, prepare, strict=True):
            await worker.ask(what)
        crowd = Crowd(workers, log)
        async with open_flat_nursery() as nursery:
            for worker in workers:
                nursery.start_soon(crowd.listen, worker)
            try:
                yield crowd
            finally:
                crowd.over = True
                with trio.CancelScope(shield=True), trio.move_on_after(_GOODBYE_SECONDS):
                    for worker in workers:
                        await worker.dismiss()
                    for worker in workers:
                        await worker.wait()
                nursery.cancel_scope.cancel()
