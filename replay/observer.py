"""The instrument's look at itself: stalls of the event loop, and the process's resources; and what
keeps Python from making such stalls."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import psutil
import trio

from replay import journal as j
from replay.recorder import Recorder

#: One step of a task that holds the loop longer than this is put down.
STALL_SECONDS = 0.02
_SAMPLE_SECONDS = 2.0
#: So many more objects must have been made than dropped before any are looked through.
_COLLECT_AFTER = 10_000


class StallWatch(trio.abc.Instrument):
    """Writes down every task step that kept all the others waiting.

    It is asked after each step, so it does next to nothing: a step began where the one before it
    ended, or the waiting for the network did.
    """

    def __init__(self, recorders: Collection[Recorder]) -> None:
        self._recorders = recorders
        self._began = time.perf_counter()  # the step that adds this instrument ends first

    def after_io_wait(self, _timeout: float) -> None:
        self._began = time.perf_counter()

    def after_task_step(self, _task: trio.lowlevel.Task) -> None:
        began, self._began = self._began, time.perf_counter()
        lasted = self._began - began
        if lasted >= STALL_SECONDS:
            for each in self._recorders:
                each.write(j.Stall(t=each.now(), lasted=round(lasted * 1e9)))


def settle_memory() -> None:
    """Keep the collector of cyclic garbage from holding the event loop, from now on.

    What is loaded by now lives as long as the process, and a full pass over it takes tens of
    milliseconds: it is left out. What tasks make and drop is freed without a pass, but a few
    hundred sessions have more of it at once than sets one off by default.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])


@contextmanager
def watch_stalls(recorders: Collection[Recorder]) -> Iterator[None]:
    """Watch the running event loop for as long as the block lasts. All of them are told, also those
    that come later."""
    watch = StallWatch(recorders)
    trio.lowlevel.add_instrument(watch)
    try:
        yield
    finally:
        trio.lowlevel.remove_instrument(watch)


async def sample_resources(recorder: Recorder) -> None:
    """Write down this process's resources every two seconds, until cancelled."""
    process = psutil.Process()
    while True:
        recorder.write(_sample(process, recorder.now()))
        await trio.sleep(_SAMPLE_SECONDS)


def _sample(process: psutil.Process, t: int) -> j.Resources:
    with process.oneshot():
        cpu = process.cpu_times()
        return j.Resources(
            t=t,
            rss_bytes=process.memory_info().rss,
            fds=process.num_fds(),
            threads=threading.active_count(),
            tasks=trio.lowlevel.current_statistics().tasks_living,
            cpu_ns=round((cpu.user + cpu.system) * 1e9),
        )
