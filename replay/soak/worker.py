"""A worker of a soak: the sessions of some slots in one process, each with its own journal."""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import trio

from replay.counter import COUNTER
from replay.errors import MachineError, ReplayError
from replay.faults import Plan, chaos, parse_plan
from replay.observer import settle_memory, watch_stalls
from replay.recorder import cannot_write, flush_forever
from replay.soak.journals import Journals
from replay.soak.orders import ORDERS, Begun, Broken, Cut, Finish, Order, Over, Pulse, Report, Start
from replay.soak.playlist import WAV, Reel, spoken_in
from replay.soak.rota import LEAST_SECONDS, Visit, visits
from replay.source import Source, SourceSpec, open_source
from replay.take import RunOptions, Take, inject
from replay.tasks import open_flat_nursery
from replay.transport.http import HttpService, open_service
from replay.workers import Desk, work

PULSE_SECONDS = 2.0
#: A session that could not be opened is tried again, after so long at first and at the most.
_AGAIN, _AGAIN_AT_MOST = 1.0, 30.0
_STOP_SECONDS = 0.2
#: To collect garbage holds the event loop for some milliseconds: not more often than this.
_TIDY_SECONDS = 15.0


def seed_of(seed: int, slot: int, number: int, attempt: int) -> int:
    """The seed of one session: every one has faults of its own, and the same ones each time."""
    digest = hashlib.sha256(f"{seed}/{slot}/{number}/{attempt}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


class Shift:
    """What the sessions of a worker share."""

    def __init__(self, desk: Desk[Order, Report], start: Start, service: HttpService) -> None:
        self._desk = desk
        self._start = start
        self._service = service
        self._directory = Path(start.directory)
        self._rules = parse_plan(start.manner.faults)
        self._journals = Journals(lambda: self.now)
        self._takes: set[Take] = set()
        self._finishing = trio.Event()
        self._tidied = 0.0
        playlist = start.playlist
        shape = start.manner.options(SourceSpec(COUNTER), None, start.url).shape
        self._reel = (
            None
            if playlist.counter
            else Reel(self._directory, playlist, shape.format(playlist.channels))
        )

    @property
    def now(self) -> float:
        """The soak's clock."""
        return time.monotonic() - self._start.origin

    # ------------------------------------------------------------------ tasks

    async def work(self) -> None:
        """Play until the rota is done, or somebody says to finish."""
        settle_memory()
        async with open_flat_nursery() as helpers:
            helpers.start_soon(flush_forever, self._journals.recorders)
            helpers.start_soon(self._beat)
            helpers.start_soon(self._listen, helpers)
            with watch_stalls(self._journals.recorders):
                async with open_flat_nursery() as slots:
                    for slot in self._start.slots:
                        slots.start_soon(self._keep, slot)
            await self._pulse()
            helpers.cancel_scope.cancel()

    async def _listen(self, nursery: trio.Nursery) -> None:
        async for order in self._desk:
            match order:
                case Cut():
                    self._journals.hit(order)
                case Finish():
                    nursery.start_soon(self._finish)
        nursery.cancel_scope.cancel()  # nobody is there any more

    async def _finish(self) -> None:
        self._finishing.set()
        while True:  # also those that are still being opened
            for take in self._takes:
                if take.player is not None:
                    take.player.stop()
            await trio.sleep(_STOP_SECONDS)

    async def _beat(self) -> None:
        while True:
            await self._pulse()
            await trio.sleep(PULSE_SECONDS)

    async def _pulse(self) -> None:
        await self._desk.say(
            Pulse(
                at=self.now,
                playing=len(self._takes),
                connected=self._journals.connected,
                reconnects=self._journals.reconnects,
                tasks=trio.lowlevel.current_statistics().tasks_living,
                faults=dict(self._journals.faults),
                late=self._journals.take_late(),
            )
        )

    # ------------------------------------------------------------------ one slot

    async def _keep(self, slot: int) -> None:
        """Keep a slot busy."""
        for visit in visits(self._start.rota, slot, since=self.now):
            with trio.move_on_after(max(0.0, visit.begin - self.now)):
                await self._finishing.wait()
            again = _AGAIN
            while not self._finishing.is_set() and visit.end - self.now >= LEAST_SECONDS:
                opened = await self._visit(visit)
                self._tidy()
                if opened:
                    break
                with trio.move_on_after(again):
                    await self._finishing.wait()
                again = min(2 * again, _AGAIN_AT_MOST)

    def _tidy(self) -> None:
        """What a session leaves behind hangs together in circles, with megabytes in them. By its
        own rules the collector would come for that after a hundred sessions or so."""
        now = time.monotonic()
        if now >= self._tidied + _TIDY_SECONDS:
            gc.collect()
            self._tidied = now

    async def _visit(self, visit: Visit) -> bool:
        """Play one session, and say so; whether it could be opened."""
        attempt, path = self._make_room(f"{visit.slot:04d}-{visit.number:04d}")
        seed = seed_of(self._start.seed, visit.slot, visit.number, attempt)
        begun = Begun(
            slot=visit.slot,
            number=visit.number,
            attempt=attempt,
            seed=seed,
            path=str(path),
            at=self.now,
        )
        await self._desk.say(begun)
        opened, error = await self._play(self._directory / path, visit.end - self.now, seed)
        await self._desk.say(Over(path=str(path), at=self.now, opened=opened, error=error))
        return opened

    def _make_room(self, place: str) -> tuple[int, Path]:
        """A directory for the next attempt at a session: its number, and where it is."""
        while True:
            attempt = self._start.tries.get(place, 0) + 1
            self._start.tries[place] = attempt
            path = Path("sessions") / (place if attempt == 1 else f"{place}.{attempt}")
            try:
                (self._directory / path).mkdir(parents=True)
            except FileExistsError:
                continue  # of a worker that died before it could tell of it
            return attempt, path

    async def _play(self, path: Path, seconds: float, seed: int) -> tuple[bool, str]:
        """So many seconds of the playlist, in one session; whether it was opened, and why it broke
        off if it did."""
        options = self._options(seconds, seed)
        take: Take | None = None
        try:
            async with (
                self._source(seconds, options) as source,
                self._journals.open(path, source.format) as recorder,
            ):
                plan = self._plan(seed, seconds)
                injected = inject(self._service, options, plan, recorder, source.format, None)
                take = Take(
                    options, source, self._service, injected, recorder, path, observed=False
                )
                self._takes.add(take)
                await take.record()
        except MachineError:
            raise
        except ReplayError as failed:
            return take is not None and take.began, str(failed)
        finally:
            if take is not None:
                self._takes.discard(take)
        return True, ""

    def _options(self, seconds: float, seed: int) -> RunOptions:
        start = self._start
        spoken = None
        if self._reel is None:
            source = SourceSpec(COUNTER, duration=seconds)
        else:
            spoken = spoken_in(self._reel.words, start.playlist, seconds)
            passes = start.playlist.passes(seconds)
            source = SourceSpec(
                str(self._directory / WAV),
                # What repeats a session can cut within the first pass, or else play whole ones.
                duration=round(seconds, 3) if passes == 1 else None,
                loops=passes,
            )
        options = start.manner.options(source, start.api_key, start.url)
        return replace(options, seed=seed, reference=spoken)

    def _plan(self, seed: int, seconds: float) -> Plan:
        """What is done to a session: the rules for all, and what is drawn for it."""
        level = self._start.manner.chaos
        drawn = chaos(level, seed, seconds) if level is not None else Plan()
        return Plan(self._rules.rules + drawn.rules)

    @asynccontextmanager
    async def _source(self, seconds: float, options: RunOptions) -> AsyncIterator[Source]:
        if self._reel is not None:
            yield self._reel.source(seconds, options.chunk)
            return
        async with open_source(options.source, options.shape, options.chunk) as source:
            yield source


async def _job(desk: Desk[Order, Report]) -> None:
    async for order in desk:
        assert isinstance(order, Start)
        try:
            async with open_service(order.url, order.api_key) as service:
                await Shift(desk, order, service).work()
        except MachineError as error:
            await desk.say(Broken(error=str(error)))
        except OSError as error:
            await desk.say(Broken(error=str(cannot_write(Path(order.directory), error))))
        return


if __name__ == "__main__":
    work(ORDERS, _job)
