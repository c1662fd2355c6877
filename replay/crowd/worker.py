"""A worker: its share of a crowd, in a process of its own. Run as `python -m replay.crowd.worker`.

What it is asked and what it says is in `talk`.
"""

from __future__ import annotations

import gc
import os
import resource
import time
from contextlib import suppress
from typing import cast

import psutil
import trio

from replay import journal as j
from replay.audio import NS
from replay.capacity.records import Client, Failure
from replay.crowd import talk
from replay.crowd.member import Member, Part
from replay.crowd.tape import Tapes, Window
from replay.endurance.histogram import Encoded
from replay.observer import settle_memory, watch_stalls
from replay.recorder import ListRecorder
from replay.transport.http import open_service
from replay.wire.config import complete
from replay.workers import Desk, work

#: Seconds that sessions have for leaving, before they are cut off.
_LEAVING = 10.0
#: Descriptors are asked for up to so many, as far as the machine lets us.
_FILES = 65_536
_FOREVER = 1 << 62
#: So often it is looked whether all that counts was acknowledged.
_LOOK_SECONDS = 0.05

AnyDesk = Desk[talk.Ask, talk.Say]


class Stalls(ListRecorder):
    """Hears of the loop's stalls, and counts them in the window."""

    def __init__(self, shared: Tapes) -> None:
        super().__init__(keep=False)
        self._shared = shared

    def write(self, entry: j.AnyEntry) -> None:
        window = self._shared.window
        if isinstance(entry, j.Stall) and window.holds(round(trio.current_time() * NS)):
            window.stalls.append(entry.lasted / 1e6)


class Share:
    """The sessions of one worker."""

    def __init__(self, desk: AnyDesk, part: Part, nursery: trio.Nursery) -> None:
        self._desk = desk
        self._part = part
        self._nursery = nursery
        self._members: list[Member] = []
        self._opening: list[Member] = []
        self._out, self._saying = trio.open_memory_channel[talk.Say](float("inf"))
        self.tapes = Tapes()

    async def speak(self) -> None:
        """Say everything in the order in which it happened: failures before what follows them."""
        async for said in self._saying:
            await self._desk.say(said)

    def _failed(self, failure: Failure) -> None:
        self._out.send_nowait(talk.Failed(failure=failure))

    async def answer(self, ask: talk.Ask) -> None:
        match ask:
            case talk.Open():
                self._nursery.start_soon(self._open, ask)
            case talk.Halt():
                for member in self._opening:
                    if not member.settled.is_set():
                        member.leave()
            case talk.Count():
                self._nursery.start_soon(self._count, ask)
            case talk.Clear():
                self._nursery.start_soon(self._clear, ask.gap)

    async def _open(self, ask: talk.Open) -> None:
        shift = trio.current_time() - time.monotonic()
        first, gauge = ask.at + shift, self._gauge(Window(_ns(ask.at + shift), _FOREVER))
        self._opening = [Member(n, self._part, self.tapes, self._failed) for n in ask.numbers]
        self._members += self._opening
        for k, member in enumerate(self._opening):
            self._nursery.start_soon(member.play, first + k * ask.gap)
        for member in self._opening:
            await member.settled.wait()
        client, _ = gauge.read(self._playing, self._waited())
        self.tapes.window = Window(0, 0)
        settle_memory()
        let_in = sum(each.opened and not each.tape.broken for each in self._members)
        self._out.send_nowait(talk.Opened(client=client, let_in=let_in))

    @property
    def _playing(self) -> int:
        return sum(each.playing and not each.tape.broken for each in self._members)

    def _gauge(self, window: Window) -> Gauge:
        self.tapes.window = window
        return Gauge(window)

    async def _count(self, ask: talk.Count) -> None:
        shift = trio.current_time() - time.monotonic()
        window = Window(_ns(ask.begin + shift), _ns(ask.end + shift))
        self.tapes.window, sessions = window, self._playing
        await trio.sleep_until(ask.begin + shift)
        gauge = self._gauge(window)
        await trio.sleep_until(ask.end + shift)
        gauge.stop()
        due = sessions * ((window.end - window.begin) // self._part.chunk_ns)
        played = window.values["lateness"]
        # An event instead of looking would cost something at every chunk. How much is still to be
        # told of what was spoken nobody knows.
        while len(played) < due or self._waits or window.told:
            if trio.current_time() >= ask.tell + shift:
                break
            await trio.sleep(_LOOK_SECONDS)
        client, figures = gauge.read(sessions, self._waited())
        if sessions == self._playing:
            client.missing = max(0, due - len(played))
        self._out.send_nowait(talk.Counted(client=client, figures=figures))

    @property
    def _waits(self) -> bool:
        return any(each.tape.waits for each in self._members)

    def _waited(self) -> dict[str, list[float]]:
        now = round(trio.current_time() * NS)
        found: dict[str, list[float]] = {}
        for member in self._members:
            for name, values in member.tape.waited(now).items():
                found.setdefault(name, []).extend(values)
        return found

    async def leave(self, gap: float = 0.0) -> None:
        """End all sessions."""
        members, self._members = self._members, []
        for member in members:
            member.leave()
            await trio.sleep(gap)
        with trio.move_on_after(_LEAVING):
            for member in members:
                await member.gone.wait()
        for member in members:
            member.drop()
        for member in members:
            await member.gone.wait()

    async def _clear(self, gap: float) -> None:
        await self.leave(gap)
        gc.unfreeze()  # what was put out of the collector's reach is garbage now
        self._out.send_nowait(talk.Cleared())


class Gauge:
    """What this process takes from now on, until it is stopped or read."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._began, self._cpu = time.monotonic(), _cpu()
        self._seconds: float | None = None

    def stop(self) -> None:
        self._seconds, self._cpu = time.monotonic() - self._began, _cpu() - self._cpu

    def read(
        self, sessions: int, waited: dict[str, list[float]]
    ) -> tuple[Client, dict[str, Encoded]]:
        """With what the window has counted."""
        if self._seconds is None:
            self.stop()
        figures = self._window.counts(waited)
        client = Client(
            sessions=sessions,
            seconds=round(self._seconds or 0.0, 3),
            cpu_s=round(self._cpu, 3),
            stalls=len(self._window.stalls),
            stalled_ms=round(sum(self._window.stalls), 1),
            lateness=figures.pop("lateness", Encoded()),
            missing=0,
            rss_bytes=psutil.Process().memory_info().rss,
        )
        return client, figures


def _ns(moment: float) -> int:
    return round(moment * NS)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _make_room(cores: list[int]) -> None:
    """Have as many descriptors as there are, on the cores that are ours."""
    with suppress(ValueError, OSError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = _FILES if hard == resource.RLIM_INFINITY else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(most, _FILES)), hard))
    if cores and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            os.sched_setaffinity(0, cores)


async def share(desk: AnyDesk) -> None:
    """Do what is asked until there is nothing more."""
    asked = aiter(desk)
    first = await anext(asked)
    assert isinstance(first, talk.Prepare)
    _make_room(first.cores)
    fmt = complete(first.config).format
    size = fmt.bytes_in(first.chunk_ns / NS)
    audio = await trio.Path(first.audio).read_bytes() if first.audio else fmt.silence(size)
    chunks = [audio[at : at + size] for at in range(0, len(audio) - size + 1, size)]
    async with open_service(first.url, first.key) as service, trio.open_nursery() as nursery:
        part = Part(service, first.config, first.region, fmt, chunks, first.chunk_ns)
        own = Share(desk, part, nursery)
        nursery.start_soon(own.speak)
        with watch_stalls([Stalls(own.tapes)]):
            async for ask in asked:
                await own.answer(ask)
            await own.leave()
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    work(cast("type[talk.Ask]", talk.Ask), share)
