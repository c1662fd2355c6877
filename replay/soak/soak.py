"""A soak as a library call: a crew, a judge, and everything that is written down meanwhile."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Protocol

import trio

from replay.endurance.outcome import Outcome
from replay.endurance.resources import Sample
from replay.endurance.summary import Death
from replay.errors import ServiceError, TransportError
from replay.faults import parse_plan
from replay.sandbox.process import SandboxProcess
from replay.soak.crew import Crew, Finished, Hand
from replay.soak.docket import Docket
from replay.soak.host import Host, arguments
from replay.soak.metrics import serve_metrics
from replay.soak.orders import Begun, Cut, Manner, Start
from replay.soak.playlist import WORDS
from replay.soak.processes import SANDBOX, SUPERVISOR, Processes, name_of
from replay.soak.store import SAMPLES, Store
from replay.take import RunOptions
from replay.target import open_owned_target
from replay.tasks import open_flat_nursery
from replay.transport.http import HttpService

SAMPLE_SECONDS = 5.0
CHECKPOINT_SECONDS = 2.0
REVIEW_SECONDS = 60.0
SHOW_SECONDS = 1.0
_ASK_SECONDS = 1.0
#: Sessions that wait to be judged, at the most; there are never more than play.
_WAITING = 100_000


class Watcher(Protocol):
    """Follows a soak: a dashboard, or lines."""

    def metrics(self) -> str:
        """How it stands, as OpenMetrics."""

    def refresh(self, soak: Soak) -> None:
        """It has gone on; once a second."""

    def told(self, outcome: Outcome) -> None:
        """A session has been judged."""

    def died(self, death: Death) -> None:
        """A worker, or the sandbox (0), has died and is started again."""

    def gone(self, who: str, at: float) -> None:
        """A process that was watched has ended; `at`: the soak's clock."""

    def enough(self, soak: Soak, outcome: Outcome | None) -> str:
        """Why it should end here, if it should: after an outcome, and once a minute with None."""


class Soak:
    """One soak while it runs, from here until it is done or stopped.

    Attributes:
        docket: sessions judged so far, also by earlier runs.
        processes: what they take.
        why: it was stopped before its time, and why.
        metrics_url: where they are served, if they are.
        crew: once it works.
    """

    def __init__(
        self,
        store: Store,
        options: RunOptions,
        watched: Sequence[int],
        watcher: Watcher,
        metrics: tuple[str, int] | None = None,
    ) -> None:
        """Args:
        options: of every session; source and faults are put in.
        watched: processes of others.
        metrics: host and port where they are served.
        """
        asked = store.asked
        self.store = store
        self.why = ""
        self.metrics_url = ""
        self.crew: Crew | None = None
        self._options = options
        if options.target.kind == "sandbox":
            script = str((store.path / WORDS).resolve())
            own = arguments(options.target.sandbox, script, asked.playlist)
            self._options = replace(options, target=replace(options.target, sandbox=own))
        self._watched = watched
        self._watcher = watcher
        self._metrics = metrics
        self._origin = time.monotonic() - store.state.elapsed
        self._stopped: float | None = None
        self._host: Host | None = None
        self.docket = Docket(store)
        self._reconnects, self._faults = 0, Counter[str]()  # by earlier runs
        self.processes = Processes(store.read(SAMPLES, Sample))

    @property
    def now(self) -> float:
        """The soak's clock."""
        return time.monotonic() - self._origin

    @property
    def elapsed(self) -> float:
        """Where the soak's clock stands; it stands still once the sessions are to end."""
        at = self.now if self._stopped is None else self._stopped
        return min(at, self.store.asked.rota.seconds)

    @property
    def reconnects(self) -> int:
        """So far, of sessions that are under way too."""
        return self._reconnects + (self.crew.reconnects if self.crew else 0)

    @property
    def faults(self) -> Counter[str]:
        """That have fired so far, by kind, in sessions that are under way too."""
        return self._faults + (self.crew.faults if self.crew else Counter())

    # ------------------------------------------------------------------ from beginning to end

    async def run(self) -> None:
        """Soak until its time is over. SIGINT, SIGTERM and SIGHUP have the sessions end and be
        judged; a second one ends at once.

        Raises:
            ReplayError: the target could not be started, or the disk is full; the rest stays.
        """
        store = self.store
        store.state.runs += 1
        store.checkpoint(store.state.elapsed)
        async with open_flat_nursery() as nursery:
            await nursery.start(self._heed_signals, nursery.cancel_scope)
            store.event("started", run=store.state.runs, elapsed=round(store.state.elapsed, 3))
            try:
                await self._go_on()
            finally:
                with trio.CancelScope(shield=True):
                    await self._judge_rest()
                store.event("ended", elapsed=round(store.state.elapsed, 3), why=self.why)
            nursery.cancel_scope.cancel()

    async def _go_on(self) -> None:
        await self._judge_rest()
        tally = self.docket.tally
        self._reconnects, self._faults = tally.reconnects, Counter(tally.faults)
        if self._stopped is not None:
            return  # what an earlier run has left was enough
        async with open_owned_target(self._options.target) as (service, sandbox):
            self._origin = time.monotonic() - self.store.state.elapsed
            if self._stopped is None:  # the user has not had enough while it was started
                await self._soak(service, sandbox)

    async def _soak(self, service: HttpService, sandbox: SandboxProcess | None) -> None:
        store, asked = self.store, self.store.asked
        send, receive = trio.open_memory_channel[Finished](_WAITING)
        start = partial(self._start, service.base_url)
        self.crew = Crew(store.path, self._hands(), start, send, self, self._origin)
        async with open_flat_nursery() as helpers:
            if self._metrics is not None:
                render = self._watcher.metrics
                self.metrics_url = await helpers.start(serve_metrics, *self._metrics, render)
            helpers.start_soon(self._keep_time)
            helpers.start_soon(self._sample, self.crew, service)
            helpers.start_soon(self._show)
            helpers.start_soon(self._review)
            if sandbox is not None:
                generation = self.processes.first_generation(SANDBOX)
                self._host = Host(sandbox, generation, lambda: self.now, self._cut, self._lost)
                rng = Random(f"{asked.seed}/common")  # noqa: S311 - to be had again
                since = store.state.elapsed
                helpers.start_soon(self._host.guard)
                helpers.start_soon(self._host.disturb, parse_plan(asked.common), rng, since)
            async with open_flat_nursery() as nursery:
                nursery.start_soon(self._judge, receive)
                async with send:
                    await self.crew.work()
            store.checkpoint(asked.rota.seconds if self._stopped is None else self.elapsed)
            helpers.cancel_scope.cancel()
        self._watcher.refresh(self)

    def _hands(self) -> list[Hand]:
        slots = self.store.asked.rota.slots
        count = max(1, min(self.store.asked.processes, len(slots)))
        return [
            Hand(
                number=n + 1,
                slots=slots[n::count],
                generation=self.processes.first_generation(f"worker {n + 1}"),
            )
            for n in range(count)
        ]

    def _start(self, url: str, hand: Hand) -> Start:
        asked, options = self.store.asked, self._options
        return Start(
            worker=hand.number,
            url=url,
            api_key=options.target.api_key,
            directory=str(self.store.path.resolve()),
            origin=self._origin,
            rota=asked.rota,
            slots=hand.slots,
            tries=self.docket.tries,
            seed=asked.seed,
            manner=Manner.of(options, asked.playlist, asked.faults),
            playlist=asked.playlist,
        )

    # ------------------------------------------------------------------ what is told

    def begun(self, begun: Begun, worker: int) -> None:
        """A session has begun."""
        self.docket.begun(Path(begun.path).name)
        self.store.event(
            "begun", session=begun.path, worker=worker, seed=begun.seed, at=round(begun.at, 3)
        )

    def died(self, death: Death) -> None:
        """A worker has died, or the sandbox."""
        self.store.state.deaths.append(death)
        self.store.checkpoint(self.elapsed)
        self.store.event("died", worker=death.worker, why=death.why, sessions=death.sessions)
        self._watcher.died(death)

    def _gone(self, who: str) -> None:
        """A process of somebody else has ended: nobody can say what it would have taken."""
        self.processes.latest.pop(who, None)
        text = f"{who} was gone after {self.now:,.0f} s"
        self.store.state.missing.append(text)
        self.store.checkpoint(self.elapsed)
        self.store.event("gone", who=who, at=round(self.now, 3))
        self._watcher.gone(who, self.now)

    def _lost(self, why: str) -> None:
        self.died(Death(worker=0, t=round(self.now, 3), why=why))

    async def _cut(self, cut: Cut) -> None:
        self.store.event("cut", fault=cut.fault, at=cut.begun)
        if self.crew is not None:
            await self.crew.cut(cut)

    # ------------------------------------------------------------------ judging

    async def _judge(self, finished: trio.MemoryReceiveChannel[Finished]) -> None:
        async for each in finished:
            await self._judge_one(each)

    async def _judge_one(self, each: Finished) -> None:
        outcome = await self.docket.judge(each)
        self._watcher.told(outcome)
        await self._consider(outcome)

    async def _judge_rest(self) -> None:
        for each in self.docket.left_behind():
            await self._judge_one(each)

    async def _consider(self, outcome: Outcome | None) -> None:
        why = self._watcher.enough(self, outcome)
        if why and self._stopped is None:
            await self._stop(why)

    async def _review(self) -> None:
        while True:
            await trio.sleep(REVIEW_SECONDS)
            await self._consider(None)

    async def _stop(self, why: str) -> None:
        self._stopped, self.why = self.now, why
        self.store.event("stopping", why=why, elapsed=round(self.elapsed, 3))
        if self._host is not None:
            self._host.calm = True
        if self.crew is not None:
            await self.crew.finish()

    # ------------------------------------------------------------------ what goes on beside

    async def _heed_signals(
        self, scope: trio.CancelScope, task_status: trio.TaskStatus[None]
    ) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            task_status.started()
            async for _ in signals:
                if self._stopped is None:
                    await self._stop("interrupted")
                else:
                    scope.cancel()

    async def _keep_time(self) -> None:
        while True:
            self.store.checkpoint(self.elapsed)
            await trio.sleep(CHECKPOINT_SECONDS)

    async def _show(self) -> None:
        while True:
            self._watcher.refresh(self)
            await trio.sleep(SHOW_SECONDS)

    async def _sample(self, crew: Crew, service: HttpService) -> None:
        own = self.processes.first_generation(SUPERVISOR)
        theirs = [(name_of(pid), pid) for pid in self._watched]
        watched = [(who, pid, self.processes.first_generation(who)) for who, pid in theirs]
        while True:
            await trio.sleep(SAMPLE_SECONDS)
            inside = None if self._host is None else await _tasks_of(service)
            total, over = crew.reconnects, self.docket.judged
            take = partial(self.processes.take, self.now, sessions=over)
            tasks = trio.lowlevel.current_statistics().tasks_living
            taken = [take(SUPERVISOR, os.getpid(), own, tasks=tasks, reconnects=total)]
            for hand in crew.hands:
                if hand.pid is not None and hand.pulse is not None:
                    tasks, mine = hand.pulse.tasks, hand.pulse.reconnects
                    who = f"worker {hand.number}"
                    where = (who, hand.pid, hand.generation)
                    part = round(over / len(crew.hands))
                    taken.append(take(*where, tasks=tasks, reconnects=mine, sessions=part))
            if self._host is not None and self._host.pid is not None:
                where = (SANDBOX, self._host.pid, self._host.generation)
                taken.append(take(*where, tasks=inside, reconnects=total))
            for one in list(watched):
                taken.append(take(*one, reconnects=total))
                if taken[-1] is None:
                    watched.remove(one)
                    self._gone(one[0])
            for each in taken:
                if each is not None:
                    self.store.add(SAMPLES, each)


async def _tasks_of(service: HttpService) -> int | None:
    """How many tasks a sandbox of our own has; None while it is away."""
    with trio.move_on_after(_ASK_SECONDS), suppress(TransportError, ServiceError):
        return await service.tasks()
    return None
