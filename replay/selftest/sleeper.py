"""Listens to the machine: how late it wakes a process that does nothing but sleep (`metronome`)."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import msgspec
import trio

from replay.errors import MachineError
from replay.tasks import end_process

_END_SECONDS = 3.0
_TICKS = msgspec.json.Decoder(list[tuple[float, float]])


class Sleeper:
    """Made by `open_sleeper`.

    Attributes:
        late: how late it was woken, in ms, each time that somebody listened; known at the end.
    """

    def __init__(self) -> None:
        self.late: list[float] = []
        self._spans: list[tuple[float, float]] = []

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Only what happens in such blocks counts: what else is done may keep a machine busy."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._spans.append((began, time.monotonic()))

    def heard(self, ticks: list[tuple[float, float]]) -> None:
        """`ticks`: when each was due, by `time.monotonic`, and how many ms late it was."""
        self.late = [
            late
            for due, late in ticks
            if any(began <= due <= ended for began, ended in self._spans)
        ]


@asynccontextmanager
async def open_sleeper() -> AsyncIterator[Sleeper]:
    """A process that sleeps for as long as the block.

    Raises:
        MachineError: it did not run.
    """
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "replay.selftest.metronome"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    sleeper, told = Sleeper(), b""
    try:
        yield sleeper
        await process.stdin.aclose()
        with trio.move_on_after(_END_SECONDS):
            async for data in process.stdout:
                told += data
    finally:
        with trio.CancelScope(shield=True):
            await end_process(process, _END_SECONDS)
            await process.stdin.aclose()
            await process.stdout.aclose()
    try:
        sleeper.heard(_TICKS.decode(told))
    except msgspec.DecodeError:
        raise MachineError("the process that listens to the machine broke down") from None
