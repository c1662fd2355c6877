"""trio's run loop for a program without an outside world: no sockets, no threads, no real time.

It is trio's own loop. It is only not asked to look for input and output at each turn, which takes
as long as the turn's work, but now and then, so that Ctrl-C is heard; and its tasks take their
turns in an order that is the same each time. The time is asked of the clock itself, which is asked
forty times with each chunk, and it is the clock that wakes who sleeps until a moment.

trio runs the tasks that are ready in an order drawn by lot, so that nobody relies on it, from a set
whose order changes with their addresses. For its own Hypothesis plugin it has a switch that sorts
them before they are drawn, and a generator that can be seeded; there is no public way to either.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, MutableSequence
from contextlib import contextmanager
from random import Random
from typing import Any, TypeVar, cast

import trio
import trio._core._run as scheduler
from sniffio import thread_local as sniffed

from replay.simulation.clock import VirtualClock

#: Turns of the loop between two looks at the outside world.
_TURNS = 1024

T = TypeVar("T")


def run(main: Callable[..., Awaitable[T]], *args: Any, clock: VirtualClock, seed: int) -> T:
    """What `trio.run` does, on this clock; the same program takes its turns in the same order."""

    with settled_order(seed):
        runner = scheduler.setup_runner(clock, (), False, True)
        runner.instruments = cast(Any, {})  # there are none, and a dictionary says so sooner
        before, sniffed.name = sniffed.name, "trio"
        asked, trio.current_time = trio.current_time, clock.current_time
        slept, trio.sleep_until = trio.sleep_until, clock.sleep_until
        try:
            _drive(runner, scheduler.unrolled_run(runner, main, args))
        finally:
            sniffed.name, trio.current_time, trio.sleep_until = before, asked, slept
    assert runner.main_task_outcome is not None
    return cast(T, runner.main_task_outcome.unwrap())


def _drive(runner: Any, loop: Any) -> None:
    nothing: list[Any] = []
    turn = 0
    next(loop)
    try:
        while True:
            turn += 1
            loop.send(nothing if turn % _TURNS else runner.io_manager.get_events(0))
    except StopIteration:
        return


@contextmanager
def settled_order(seed: int) -> Iterator[None]:
    """Within the block, a `trio.run` of the same program takes its turns in the same order."""
    before = scheduler._ALLOW_DETERMINISTIC_SCHEDULING
    drawn = scheduler._r
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    scheduler._r = _Lot(seed)
    try:
        yield
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = before  # type: ignore[misc]
        scheduler._r = drawn


class _Lot(Random):
    """Draws as little as can be: most of the time one task is ready, or two."""

    def shuffle(self, x: MutableSequence[Any]) -> None:
        if len(x) == 2:
            if self.random() < 0.5:
                x.reverse()
        elif len(x) > 2:
            super().shuffle(x)
