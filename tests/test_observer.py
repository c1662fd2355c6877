"""The instrument's look at itself."""

from __future__ import annotations

import gc

import pytest
import trio

from replay import journal as j
from replay.observer import StallWatch, settle_memory
from replay.recorder import ListRecorder


async def test_a_step_that_holds_the_loop_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step counts alone, from where the one before it ended; waiting for the network does
    not count."""
    now = 100.0
    monkeypatch.setattr("replay.observer.time.perf_counter", lambda: now)
    recorder, task = ListRecorder(), trio.lowlevel.current_task()
    watch = StallWatch([recorder])
    for seconds, waits in [(0.019, False), (0.5, True), (0.03, False), (0.001, False)]:
        now += seconds
        if waits:
            watch.after_io_wait(0.0)
        else:
            watch.after_task_step(task)
    (stall,) = recorder.entries
    assert isinstance(stall, j.Stall)
    assert stall.lasted == 30_000_000


def test_the_collector_runs_seldom_once_memory_is_settled() -> None:
    """What there is by then is not looked through again, and the rest not often."""
    before = gc.get_threshold()
    try:
        gc.set_threshold(700, 10, 10)  # Python's own, whatever another test has left
        settle_memory()
        assert gc.get_threshold() == (10_000, 10, 10)
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
