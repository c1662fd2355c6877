"""Processes of our own, with a line of JSON at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import trio
import trio.testing

from replay.errors import MachineError
from replay.workers import Lines, open_worker

MODULE = "tests.worker_of_tests"
ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


async def test_a_worker_answers_and_ends_when_it_is_dismissed(tmp_path: Path) -> None:
    """It finishes what it was doing; what it prints is in the log and not among its answers."""
    log = tmp_path / "log"
    async with open_worker(MODULE, int, log, list[int]) as worker:
        await worker.ask([1, 2])
        await worker.ask([3] * 100_000)
        await worker.dismiss()
        assert [said async for said in worker] == [3, 300_000, -1]
        assert await worker.wait() == 0
    assert log.read_text().splitlines() == ["this is no answer"] * 2


async def test_a_worker_that_dies_is_noticed(tmp_path: Path) -> None:
    """What it says ends, its exit code tells why, and asking it something more does no harm."""
    async with open_worker(MODULE, int, tmp_path / "log", list[int]) as worker:
        await worker.ask([5])
        await worker.ask([])
        assert [said async for said in worker] == [5]
        assert await worker.wait() == -signal.SIGKILL
        await worker.ask([1])


async def test_no_worker_is_left_behind(tmp_path: Path) -> None:
    """One that is in the middle of its work is gone with the block."""
    async with open_worker(MODULE, int, tmp_path / "log", list[int]) as worker:
        pid = worker.pid
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)


def test_a_worker_dies_with_its_owner(tmp_path: Path) -> None:
    """The owner is killed outright, and nobody is there to end the worker."""
    program = f"""
import trio
from pathlib import Path
from replay.workers import open_worker
async def main():
    async with open_worker({MODULE!r}, int, Path({str(tmp_path / "log")!r}), list[int]) as worker:
        print(worker.pid, flush=True)
        await trio.sleep_forever()
trio.run(main)
"""
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    worker = psutil.Process(int(owner.stdout.readline()))
    os.kill(owner.pid, signal.SIGKILL)
    owner.communicate()
    worker.wait(20)


async def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    """It says so in one line."""
    with pytest.raises(MachineError, match=r"cannot start tests\.worker_of_tests: no such file"):
        async with open_worker(MODULE, int, tmp_path / "no" / "log", list[int]):
            pass  # pragma: no cover


async def test_lines_come_whole(autojump_clock: trio.testing.MockClock) -> None:
    """However the bytes are cut; half a line at the end is none."""
    send, receive = trio.testing.memory_stream_one_way_pair()
    async with trio.open_nursery() as nursery:

        async def write() -> None:
            for piece in (b"on", b"e\ntwo\n\nth", b"ree\nfo"):
                await send.send_all(piece)
                await trio.sleep(1)
            await send.aclose()

        nursery.start_soon(write)
        assert [line async for line in Lines(receive)] == [b"one", b"two", b"", b"three"]
