"""Processes of our own that each do a part of some work: one line of JSON at a time, both ways.

A worker is `python -m MODULE`. What it is asked comes in on its standard input, what it has to say
goes out on its standard output, and whatever a library prints goes to a log of its own. It ends
when its input is closed, so that none is left when whoever started it is killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import trio

from replay.errors import MachineError
from replay.tasks import end_process

#: How long a worker may take to end once it has been asked to.
END_SECONDS = 10.0
_LONGEST = 1 << 24
#: For glibc, whose own rules let gaps grow between what lives, as long as a process does: what is
#: freed goes back to the system.
_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
    "MALLOC_ARENA_MAX": "1",
}

In = TypeVar("In")
Out = TypeVar("Out")


class Lines:
    """Lines out of a stream of bytes.

    Raises:
        MachineError: on iterating, at a line of more than 16 MiB.
    """

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self._rest = bytearray()

    def __aiter__(self) -> Lines:
        return self

    async def __anext__(self) -> bytes:
        searched = 0
        while (end := self._rest.find(b"\n", searched)) < 0:
            searched = len(self._rest)
            if searched > _LONGEST:
                raise MachineError("a worker's line is too long")
            try:
                data = await self._stream.receive_some()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            if not data:  # half a line, of a process that was killed, says nothing
                raise StopAsyncIteration
            self._rest += data
        line = bytes(self._rest[:end])
        del self._rest[: end + 1]
        return line


class Worker(Generic[In, Out]):
    """A worker as its owner sees it. Made by `open_worker`; iterate it for what it says, until it
    is gone.

    Attributes:
        pid: of its process.
    """

    def __init__(self, process: trio.Process, says: type[Out]) -> None:
        self.pid = process.pid
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self._to = process.stdin
        self._lines = Lines(process.stdout)
        self._decoder = msgspec.json.Decoder(says)
        self._turn = trio.Lock()

    async def ask(self, what: In) -> None:
        """Hand it something to do; nothing happens when it is gone."""
        async with self._turn:
            try:
                await self._to.send_all(msgspec.json.encode(what) + b"\n")
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async def dismiss(self) -> None:
        """There is no more to do: it ends what it has begun, and then itself."""
        await self._to.aclose()

    def __aiter__(self) -> AsyncIterator[Out]:
        return self._said()

    async def _said(self) -> AsyncIterator[Out]:
        async for line in self._lines:
            yield self._decoder.decode(line)

    async def wait(self) -> int:
        """Its exit code once it is gone; below zero the signal that killed it."""
        return await self._process.wait()


@asynccontextmanager
async def open_worker(
    module: str, says: type[Out], log: Path, asks: type[In]
) -> AsyncIterator[Worker[In, Out]]:
    """Run `python -m MODULE` for as long as the block; it is gone afterwards.

    Args:
        says: what its lines are.
        log: what it writes to standard error is added there.
        asks: what it is asked; only for the types.

    Raises:
        MachineError: the log cannot be written, or the process not started.
    """
    del asks
    try:
        with log.open("ab") as errors:
            process = await trio.lowlevel.open_process(
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**_MEMORY, **os.environ},
                # A Ctrl-C in the terminal is for its owner alone, who asks it to end.
                start_new_session=True,
            )
    except OSError as error:
        raise MachineError(f"cannot start {module}: {(error.strerror or '').lower()}") from None
    try:
        yield Worker(process, says)
    finally:
        with trio.CancelScope(shield=True):
            assert process.stdin is not None
            assert process.stdout is not None
            await process.stdin.aclose()
            await end_process(process, END_SECONDS)
            await process.stdout.aclose()


class Desk(Generic[In, Out]):
    """What a worker itself has of all this: iterate it for what is asked."""

    def __init__(self, asked: type[In]) -> None:
        # The two are taken away from everybody else: a library that prints would break a line.
        self._lines = Lines(trio.lowlevel.FdStream(os.dup(0)))
        self._out = trio.lowlevel.FdStream(os.dup(1))
        os.dup2(2, 1)
        self._decoder = msgspec.json.Decoder(asked)
        self._turn = trio.Lock()

    async def say(self, what: Out) -> None:
        """Tell the owner; nothing happens when there is none any more."""
        async with self._turn:
            try:
                await self._out.send_all(msgspec.json.encode(what) + b"\n")
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    def __aiter__(self) -> AsyncIterator[In]:
        return self._asked()

    async def _asked(self) -> AsyncIterator[In]:
        async for line in self._lines:
            yield self._decoder.decode(line)


def work(asked: type[In], job: Callable[[Desk[In, Out]], Awaitable[None]]) -> None:
    """What the module of a worker does when it is run: `job`, until it is done."""

    async def main() -> None:
        await job(Desk(asked))

    trio.run(main)
