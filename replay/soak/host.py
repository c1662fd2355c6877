"""The sandbox of a soak: guarded, and taken from all sessions at once when the plan says so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

import trio

from replay.faults import Fault, Plan, Schedule
from replay.faults.events import ConnectionOpened
from replay.sandbox.process import SandboxProcess
from replay.soak.orders import Cut
from replay.soak.playlist import Playlist

_LOOK_SECONDS = 1.0
#: It forgets what has ended so long ago: nobody asks for it any more.
_KEEPS = "2m"


class Host:
    """Args:
    generation: of its process now.
    clock: the soak's.
    cut: is told before each time that it is taken away.
    died: is told of each time that it has gone on its own.

    Attributes:
        generation: one more each time that it is started.
        calm: it is not to be taken away any more.
    """

    def __init__(
        self,
        sandbox: SandboxProcess,
        generation: int,
        clock: Callable[[], float],
        cut: Callable[[Cut], Awaitable[None]],
        died: Callable[[str], None],
    ) -> None:
        self.generation = generation
        self.calm = False
        self._sandbox = sandbox
        self._clock = clock
        self._cut = cut
        self._died = died

    @property
    def pid(self) -> int | None:
        """While it runs."""
        return self._sandbox.pid

    async def guard(self) -> None:
        """Start it again whenever it dies on its own.

        Raises:
            MachineError: it does not start.
        """
        while True:
            await trio.sleep(_LOOK_SECONDS)
            code = self._sandbox.died
            if code is not None:
                self._died(f"exit code {code}")
                await self._again()

    async def disturb(self, plan: Plan, rng: Random, since: float) -> None:
        """Do what the plan says, which is `restart` at certain times.

        Args:
            since: the soak's clock; what was due before has been done by an earlier run.
        """
        schedule = Schedule(plan, rng, bytes_per_second=1)
        firings = [*schedule.start(0.0), *schedule.observe(ConnectionOpened(1), 0.0)]
        if since:
            schedule.tick(since)
            firings = []
        while True:
            for firing in firings:
                if not self.calm:
                    await self._restart(firing.fault)
            due = schedule.due()
            if due is None:
                return
            await trio.sleep(max(0.0, due - self._clock()))
            firings = schedule.tick(self._clock())

    async def _restart(self, fault: Fault) -> None:
        begun = round(self._clock(), 3)
        over = round(begun + fault.seconds(), 3)
        await self._cut(Cut(fault=str(fault), kind=fault.kind, begun=begun, over=over))
        await self._sandbox.kill()
        await trio.sleep(fault.seconds())
        await self._again()

    async def _again(self) -> None:
        await self._sandbox.end()
        await self._sandbox.start()
        self.generation += 1


def arguments(given: tuple[str, ...], script: str, playlist: Playlist) -> tuple[str, ...]:
    """Of a sandbox of our own: `given`, and what a soak adds to it.

    It says what the playlist says, unless another recogniser is asked for: real recognition of many
    sessions would take all of a machine's time. It forgets what has ended.
    """
    names = {each.partition("=")[0] for each in given}
    added: list[str] = []
    if not names & {"--recognizer", "--script"}:
        if playlist.words:
            added += ["--script", script, "--repeat", f"{playlist.seconds:.6f}s"]
        else:
            added += ["--recognizer", "silent"]
    if "--keep" not in names:
        added += ["--keep", _KEEPS]
    return (*given, *added)
