"""Looking at processes from outside: what they and their children take."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil
import trio
from msgspec import Struct

from replay import storing
from replay.endurance.resources import History, Sample
from replay.errors import UsageError
from replay.recorder import cannot_write

_SAMPLE_SECONDS = 2.0


class Usage(Struct, kw_only=True):
    """What a process and its children take together. rss: bytes; processes: how many there are;
    began: when the process itself did, in seconds of the epoch: another one of the same number
    began later."""

    began: float
    rss: int = 0
    fds: int = 0
    threads: int = 0
    processes: int = 0

    def sample(
        self,
        t: float,
        who: str,
        pid: int,
        *,
        reconnects: int,
        sessions: int,
        generation: int = 0,
        tasks: int | None = None,
    ) -> Sample:
        """As it is kept; see `Sample` for the arguments."""
        return Sample(
            t=round(t, 3),
            who=who,
            pid=pid,
            generation=generation,
            rss=self.rss,
            fds=self.fds,
            threads=self.threads,
            tasks=tasks,
            reconnects=reconnects,
            sessions=sessions,
        )


def sample(pid: int, *, children: bool = True) -> Usage | None:
    """What the process takes now, with its children and theirs; None when it is gone.

    What it has no right to ask of a process counts as nothing: another user's open files.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        began = process.create_time()
        family = [process, *(process.children(recursive=True) if children else ())]
    except psutil.Error:
        return None
    return _together(family, Usage(began=began))


def exists(pid: int) -> bool:
    """Is there such a process, which has not ended?"""
    return sample(pid, children=False) is not None


def _together(family: Iterable[psutil.Process], total: Usage) -> Usage | None:
    for process in family:
        try:
            with process.oneshot():
                rss, threads = process.memory_info().rss, process.num_threads()
        except psutil.Error:
            continue  # it ended meanwhile
        total.rss += rss
        total.threads += threads
        total.fds += _fds(process)
        total.processes += 1
    return total if total.processes else None


def _fds(process: psutil.Process) -> int:
    try:
        return process.num_fds()
    except psutil.Error:
        return 0


@dataclass(slots=True)
class Watched:
    """A process under watch. began: as in `Usage`; gone: the watch's clock when it was found to
    have ended."""

    who: str
    pid: int
    began: float
    gone: float | None = None


class Watch:
    """Takes a sample of some processes every two seconds, in a worker thread.

    Attributes:
        history: all samples so far; `t` is in seconds since this was made.
        watched: the processes, those included that have ended.
    """

    def __init__(self, path: Path, counts: Callable[[], tuple[int, int]]) -> None:
        """`path`: of the file that samples are appended to; `counts`: how many reconnections there
        were, and sessions that are over."""
        self.history = History()
        self.watched: list[Watched] = []
        self._path = path
        self._counts = counts
        self._origin = trio.current_time()

    def add(self, pid: int, who: str = "") -> None:
        """Watch one more, called `who`, or else by its number.

        Raises:
            UsageError: there is no such process.
        """
        found = sample(pid, children=False)
        if found is None:
            raise UsageError(f"there is no process {pid} to watch: give the id of one that runs")
        self.watched.append(Watched(who or f"pid {pid}", pid, found.began))

    async def run(self) -> None:
        """Watch until cancelled.

        Raises:
            MachineError: the samples cannot be written.
        """
        while True:
            await self.look()
            await trio.sleep(_SAMPLE_SECONDS)

    async def look(self) -> None:
        """Sample all of them once.

        Raises:
            MachineError: the samples cannot be written.
        """
        present = [each for each in self.watched if each.gone is None]
        if not present:
            await trio.lowlevel.checkpoint()
            return
        now = trio.current_time() - self._origin
        for each in await trio.to_thread.run_sync(self._look, present, now):
            self.history.add(each)

    def _look(self, present: list[Watched], now: float) -> list[Sample]:
        """Sample them and keep what was seen; for a thread."""
        samples, (reconnects, sessions) = [], self._counts()
        for each in present:
            usage = sample(each.pid)
            if usage is None or usage.began != each.began:
                each.gone = now
                continue
            samples.append(
                usage.sample(now, each.who, each.pid, reconnects=reconnects, sessions=sessions)
            )
        if samples:
            try:
                lines = b"".join(msgspec.json.encode(each) + b"\n" for each in samples)
                storing.append(self._path, lines, sync=False)
            except OSError as error:
                raise cannot_write(self._path, error) from None
        return samples
