"""The workers of a soak: started, heard, and started again when they die."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import trio

from replay.endurance.outcome import Place
from replay.endurance.summary import Death
from replay.errors import MachineError
from replay.soak.orders import (
    ORDERS,
    REPORTS,
    Begun,
    Broken,
    Cut,
    Finish,
    Order,
    Over,
    Pulse,
    Report,
    Start,
)
from replay.soak.store import LOGS
from replay.workers import Worker, open_worker

_MODULE = "replay.soak.worker"
#: Before a worker that died is started again: so long at first, and at the most.
_AGAIN, _AGAIN_AT_MOST = 1.0, 30.0
#: One that has lived so long has recovered from whatever it was.
_HEALTHY = 60.0


@dataclass(frozen=True, slots=True)
class Finished:
    """A session whose files are complete, as far as they ever will be."""

    place: Place
    ended: float
    error: str


class Listener(Protocol):
    """Who wants to know."""

    def begun(self, begun: Begun, worker: int) -> None:
        """A session has begun."""

    def died(self, death: Death) -> None:
        """A worker has died, and is started again."""


@dataclass(slots=True)
class Hand:
    """One worker's place in the crew.

    Attributes:
        generation: of its process.
        pid: while it runs.
        pulse: the last one of this process.
        playing: its sessions, by path.
    """

    number: int
    slots: list[int]
    generation: int = 0
    pid: int | None = None
    pulse: Pulse | None = None
    playing: dict[str, Begun] = field(default_factory=dict)
    worker: Worker[Order, Report] | None = None


class Crew:
    """All workers.

    Args:
        start: makes what a worker is told first.
        finished: takes each session that is over.
    """

    def __init__(
        self,
        directory: Path,
        hands: list[Hand],
        start: Callable[[Hand], Start],
        finished: trio.MemorySendChannel[Finished],
        listener: Listener,
        origin: float,
    ) -> None:
        self.hands = hands
        self.finishing = trio.Event()
        # Of processes that are gone.
        self._reconnects = 0
        self._faults: Counter[str] = Counter()
        self._directory = directory
        self._start = start
        self._finished = finished
        self._listener = listener
        self._origin = origin
        self._last_cut: Cut | None = None

    @property
    def reconnects(self) -> int:
        """Of all sessions, since this program was started."""
        return self._reconnects + sum(hand.pulse.reconnects for hand in self.hands if hand.pulse)

    @property
    def faults(self) -> Counter[str]:
        """That have fired since this program was started, by kind."""
        found = Counter(self._faults)
        for hand in self.hands:
            found.update(hand.pulse.faults if hand.pulse else {})
        return found

    @property
    def _now(self) -> float:
        """The soak's clock."""
        return time.monotonic() - self._origin

    async def work(self) -> None:
        """Until all workers have done their part.

        Raises:
            MachineError: one cannot go on, and neither could the others.
        """
        async with trio.open_nursery() as nursery:
            for hand in self.hands:
                nursery.start_soon(self._keep, hand)

    async def finish(self) -> None:
        """Have all sessions end here."""
        self.finishing.set()
        await self._tell(Finish())

    async def cut(self, cut: Cut) -> None:
        """Have this put down in the journals of all sessions, also of those that begin in it."""
        self._last_cut = cut
        await self._tell(cut)

    async def _tell(self, order: Order) -> None:
        for hand in self.hands:
            if hand.worker is not None:
                await hand.worker.ask(order)

    async def _keep(self, hand: Hand) -> None:
        again = _AGAIN
        while not self.finishing.is_set():
            began = trio.current_time()
            log = self._directory / LOGS / f"{hand.number}.log"
            worker: Worker[Order, Report]
            async with open_worker(_MODULE, REPORTS, log, ORDERS) as worker:
                hand.pid, hand.worker = worker.pid, worker
                await worker.ask(self._start(hand))
                if self._last_cut is not None and self._now < self._last_cut.over:
                    await worker.ask(self._last_cut)
                if self.finishing.is_set():
                    await worker.ask(Finish())
                await self._hear(hand, worker)
                code = await worker.wait()
            self._part(hand)
            if code == 0:
                return
            self._mourn(hand, code)
            if trio.current_time() - began > _HEALTHY:
                again = _AGAIN
            with trio.move_on_after(again):
                await self.finishing.wait()
            again = min(2 * again, _AGAIN_AT_MOST)

    async def _hear(self, hand: Hand, worker: Worker[Order, Report]) -> None:
        async for report in worker:
            match report:
                case Begun():
                    hand.playing[report.path] = report
                    self._listener.begun(report, hand.number)
                case Over():
                    begun = hand.playing.pop(report.path)
                    place = self._place(hand, begun)
                    await self._finished.send(Finished(place, report.at, report.error))
                case Pulse():
                    hand.pulse = report
                case Broken():
                    raise MachineError(report.error)

    def _part(self, hand: Hand) -> None:
        if hand.pulse is not None:
            self._reconnects += hand.pulse.reconnects
            self._faults.update(hand.pulse.faults)
        hand.pid, hand.worker, hand.pulse = None, None, None

    def _mourn(self, hand: Hand, code: int) -> None:
        """A worker has died: its sessions are judged by what they have left behind."""
        now = self._now
        lost = list(hand.playing.values())
        hand.playing.clear()
        hand.generation += 1
        why = (
            f"killed by {signal.Signals(-code).name}"
            if code < 0
            else f"ended with exit code {code}"
        )
        self._listener.died(
            Death(worker=hand.number, t=round(now, 3), why=why, sessions=[b.path for b in lost])
        )
        for begun in lost:
            place = self._place(hand, begun)
            place.cut = True
            self._finished.send_nowait(Finished(place, now, f"its worker was {why}"))

    def _place(self, hand: Hand, begun: Begun) -> Place:
        return Place(
            slot=begun.slot,
            number=begun.number,
            attempt=begun.attempt,
            worker=hand.number,
            path=begun.path,
            seed=begun.seed,
            began=round(begun.at, 3),
        )
