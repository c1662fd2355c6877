"""The owner's side of a soak's workers: what each is told, also one that comes late."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from replay.endurance.summary import Death
from replay.soak import crew as crews
from replay.soak.crew import Crew, Finished, Hand
from replay.soak.orders import Begun, Cut, Finish, Order, Report, Start

START = cast("Start", "start")
HOUR = 3600.0


class Process:
    """Stands for a worker: says nothing, and is gone with `code` once it `may_go`."""

    def __init__(self, code: int) -> None:
        self.pid = 1
        self.asked: list[Order] = []
        self.may_go = trio.Event()
        self._code = code

    async def ask(self, what: Order) -> None:
        self.asked.append(what)
        await trio.lowlevel.checkpoint()

    async def __aiter__(self) -> AsyncIterator[Report]:
        await self.may_go.wait()
        for _ in ():
            yield _

    async def wait(self) -> int:
        return self._code


class Listener:
    def __init__(self) -> None:
        self.deaths: list[Death] = []

    def begun(self, begun: Begun, worker: int) -> None:
        raise AssertionError("nothing begins here")

    def died(self, death: Death) -> None:
        self.deaths.append(death)


@pytest.mark.parametrize(("left", "told"), [(HOUR, True), (-1.0, False)])
async def test_a_worker_that_comes_in_the_middle_of_a_cut_is_told_of_it(
    left: float,
    told: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Its sessions begin while the target is away; without that nobody would know why they fail.
    Of one that is over it hears nothing."""
    processes = [Process(-9), Process(0)]
    waiting = iter(processes)

    @asynccontextmanager
    async def open_worker(*_: Any) -> AsyncIterator[Process]:
        yield next(waiting)

    monkeypatch.setattr(crews, "open_worker", open_worker)
    send, receive = trio.open_memory_channel[Finished](1)
    listener = Listener()
    origin = time.monotonic()
    crew = Crew(tmp_path, [Hand(1, [0])], lambda _: START, send, listener, origin)
    cut = Cut(fault="restart(1h)", kind="restart", begun=0.0, over=left)
    with send, receive:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crew.work)
            await trio.testing.wait_all_tasks_blocked()
            processes[0].may_go.set()
            await trio.testing.wait_all_tasks_blocked()
            await crew.cut(cut)  # nobody is there to hear it
            await trio.sleep(HOUR)
            await crew.finish()
            processes[1].may_go.set()
    assert [each.why for each in listener.deaths] == ["killed by SIGKILL"]
    assert processes[0].asked == [START]
    assert processes[1].asked == [START, *([cut] if told else []), Finish()]
