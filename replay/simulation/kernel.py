"""trio's run loop for a program without an outside world: no sockets, no threads, no real time.

trio's scheduler does the work; this is only its loop once more, without what there is no use for:
instruments, and a look at input and output at each turn, which takes as long as the turn's work. It
looks now and then, so that Ctrl-C is heard. A test holds it against `trio.run`, turn by turn.

trio runs the tasks that are ready in an order drawn by lot, so that nobody relies on it, from a set
whose order changes with their addresses. For its own Hypothesis plugin it has a switch that sorts
them before they are drawn, and a generator that can be seeded; there is no public way to either.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, TypeVar, cast

import trio
import trio._core._run as scheduler
from outcome import Error, Outcome, Value
from sniffio import thread_local as sniffed
from trio._core._ki import enable_ki_protection
from trio._core._traps import CancelShieldedCheckpoint, WaitTaskRescheduled

from replay.simulation.clock import VirtualClock

#: Turns of the loop between two looks at the outside world.
_TURNS = 1024

T = TypeVar("T")


def run(main: Callable[..., Awaitable[T]], *args: Any, clock: VirtualClock, seed: int) -> T:
    """What `trio.run` does, on this clock; the same program takes its turns in the same order."""

    keep, trio.current_time = trio.current_time, clock.current_time
    with _settled_order(seed):
        runner = scheduler.setup_runner(clock, (), False, True)
        runner.instruments = cast(Any, {})  # there are none, and a dictionary says so sooner
        before, sniffed.name = sniffed.name, "trio"
        try:
            _loop(runner, clock, main, args)
        finally:
            sniffed.name = before
    assert runner.main_task_outcome is not None
    return cast(T, runner.main_task_outcome.unwrap())


@enable_ki_protection
def _loop(runner: Any, clock: VirtualClock, main: Any, args: Any) -> None:
    """`trio._core._run.unrolled_run`, as far as it is needed."""
    context, runq, deadlines = scheduler.GLOBAL_RUN_CONTEXT, runner.runq, runner.deadlines
    shuffle, count = scheduler._r.shuffle, attrgetter("_counter")
    turn = 0
    try:
        runner.entry_queue.wakeup.wakeup_on_signals()
        runner.init_task = runner.spawn_impl(
            runner.init, (main, args), None, "<init>", system_task=True
        )
        while runner.tasks:
            turn += 1
            if not runq:
                clock.deadline_to_sleep_time(deadlines.next_deadline())
            if not turn % _TURNS:
                runner.io_manager.process_events(runner.io_manager.get_events(0))
            deadlines.expire(clock.current_time())
            batch = list(runq)
            runq.clear()
            if len(batch) > 1:
                batch.sort(key=count)
                shuffle(batch)
            while batch:
                task = batch.pop()
                context.task = task
                send_fn, value = task._next_send_fn, task._next_send
                task._next_send_fn = task._next_send = None
                ended: Outcome[Any] | None = None
                try:
                    said = task.context.run(send_fn, value)
                except StopIteration as stop:
                    ended = Value(stop.value)
                except BaseException as error:
                    ended = Error(error)
                if ended is not None:
                    runner.task_exited(task, ended)
                    ended = None
                else:
                    task._schedule_points += 1
                    if said is CancelShieldedCheckpoint:
                        runner.reschedule(task)
                    else:
                        assert type(said) is WaitTaskRescheduled, "nothing else is simulated"
                        task._cancel_points += 1
                        task._abort_func = said.abort_func
                        if runner.ki_pending and task is runner.main_task:
                            task._attempt_delivery_of_pending_ki()
                        task._attempt_delivery_of_any_pending_cancel()
                    said = None
                del context.task, task, send_fn, value
    finally:
        runner.close()
        scheduler.GLOBAL_RUN_CONTEXT.__dict__.clear()
        if runner.ki_pending:
            runner.main_task_outcome = Error(KeyboardInterrupt())


@contextmanager
def _settled_order(seed: int) -> Iterator[None]:
    before = scheduler._ALLOW_DETERMINISTIC_SCHEDULING
    drawn = scheduler._r.getstate()
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    scheduler._r.seed(seed)
    try:
        yield
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = before  # type: ignore[misc]
        scheduler._r.setstate(drawn)
