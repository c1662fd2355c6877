"""The sandbox in a process of its own, so that recognition never disturbs who measures."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import trio

from replay.sandbox import program
from replay.sandbox.program import Ready
from replay.sandbox.scratch import scratch_directory
from replay.tasks import end_process


@asynccontextmanager
async def sandbox_process(*args: str) -> AsyncIterator[str]:
    """Run `replay sandbox --port 0 ARGS` for as long as the block; gives its base URL.

    The child ends with the block, however that ends. It also ends when this process dies: its
    standard input is a pipe from here, and it watches for that to close. (Asking the kernel for a
    signal at the parent's death would tie it to the thread that started it.)

    Raises:
        MachineError: it did not start; what it wrote to standard error was shown as it came.
    """
    async with owned_sandbox(*args) as sandbox:
        yield sandbox.url


@asynccontextmanager
async def owned_sandbox(*args: str) -> AsyncIterator[SandboxProcess]:
    """The same, as a process that can be killed and started again; its sessions survive that.

    Raises:
        MachineError: it did not start.
    """
    with scratch_directory() as data:
        kept = args if "--data" in args else ("--data", str(data), *args)
        sandbox = SandboxProcess(kept)
        try:
            await sandbox.start()
            yield sandbox
        finally:
            await sandbox.end()


class SandboxProcess:
    """A sandbox on a port that stays the same. Use `owned_sandbox`."""

    def __init__(self, args: tuple[str, ...]) -> None:
        self.url = ""
        self._args = args
        self._process: trio.Process | None = None

    @property
    def pid(self) -> int | None:
        """While it runs."""
        return None if self._process is None else self._process.pid

    @property
    def died(self) -> int | None:
        """The exit code, once it has ended although nobody has ended it."""
        return None if self._process is None else self._process.returncode

    async def start(self) -> None:
        """Start it, and wait until it can be used.

        Raises:
            MachineError: it did not start.
        """
        port = urlsplit(self.url).port or 0
        self._process = await trio.lowlevel.open_process(
            program.command(port, self._args),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A Ctrl-C in the terminal is for this process alone: the session has yet to end.
            start_new_session=True,
        )
        self.url = (await _ready(self._process)).url

    async def kill(self) -> None:
        """Let it die at once, as when the machine fails (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            await self.end()

    async def end(self) -> None:
        """End it, gently first."""
        process, self._process = self._process, None
        if process is not None:
            await _end(process)


async def _ready(process: trio.Process) -> Ready:
    assert process.stdout is not None
    line = b""
    with trio.move_on_after(program.READY_SECONDS):
        while not line.endswith(b"\n") and (data := await process.stdout.receive_some()):
            line += data
    return program.ready(line)


async def _end(process: trio.Process) -> None:
    """End the child, gently first; shielded, since this is what a cancelled caller owes."""
    with trio.CancelScope(shield=True):
        await end_process(process, program.END_SECONDS)
        for pipe in (process.stdin, process.stdout):
            if pipe:
                await pipe.aclose()
