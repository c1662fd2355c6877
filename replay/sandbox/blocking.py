"""The sandbox in a process of its own, for programs that know nothing of trio."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from replay.sandbox import program

_READ = 1 << 12


@contextmanager
def sandbox_process_sync(*options: str, cwd: str | os.PathLike[str] | None = None) -> Iterator[str]:
    """Run `replay sandbox --port 0 OPTIONS` for as long as the block; gives its base URL.

    It blocks until the sandbox is ready, about a second, and again for its end. In between nothing
    of it runs in this process, so threads and event loops of any kind may use the URL. The child
    ends with the block, and also when this process dies. `cwd`: where paths in `options` begin.

    Raises:
        MachineError: it did not start; what it wrote to standard error was shown as it came.
    """
    process = subprocess.Popen(  # noqa: S603 - our own program
        program.command(0, options),
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        # A Ctrl-C in the terminal is for this process alone: whoever uses the sandbox ends first.
        start_new_session=True,
    )
    with process:
        try:
            assert process.stdout is not None
            yield program.ready(_first_line(process.stdout)).url
        finally:
            _end(process)


def _first_line(stdout: IO[bytes]) -> bytes:
    """What was written until a line was whole, or there was no more, or no more time."""
    line = b""
    deadline = time.monotonic() + program.READY_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n") and selector.select(max(0, deadline - time.monotonic())):
            data = os.read(stdout.fileno(), _READ)
            if not data:
                break
            line += data
    return line


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the child, gently first."""
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(program.END_SECONDS)
    finally:
        process.kill()
