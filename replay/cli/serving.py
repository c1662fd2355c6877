"""`replay sandbox` as a process: from the first line on its output to its end."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from replay import __version__
from replay.errors import MachineError, UsageError

if TYPE_CHECKING:
    import trio

    from replay.sandbox.recognizers.base import Recognizer
    from replay.sandbox.settings import Settings


def need_streams(*, until_eof: bool) -> None:
    """Say so before anything is opened, since files would take the numbers of what is closed.

    Raises:
        UsageError: a stream that is needed was closed by whoever started this.
    """
    if sys.stdout is None:
        raise UsageError(
            "standard output is closed, and the ready line goes there: "
            "send it to a file, or to /dev/null"
        )
    if until_eof and sys.stdin is None:
        raise UsageError("--until-eof needs standard input, and that is closed")


async def serve(settings: Settings, recognizer: Recognizer, options: Mapping[str, Any]) -> None:
    """Serve until told to end.

    The ready line waits for the model: whoever starts measuring on it measures recognition, not
    loading.
    """
    import trio

    from replay.sandbox.hub import open_sandbox
    from replay.sandbox.server import listen, serving
    from replay.tasks import open_flat_nursery
    from replay.waiting import SPIN_SECONDS

    settings = replace(settings, spin=SPIN_SECONDS)  # the clock is a real one
    sock = listen(options["host"], options["port"])
    ended = trio.Event()
    with trio.open_signal_receiver(*_ending_signals()) as signals:
        async with open_flat_nursery() as nursery:
            nursery.start_soon(_end_on_signal, signals, ended)
            if options["until_eof"]:
                nursery.start_soon(_end_on_eof, ended)
            await recognizer.prepare()
            # What was loaded by now stays: a garbage collection in the middle of the sessions need
            # not look through it again.
            gc.collect()
            gc.freeze()
            async with open_sandbox(settings, recognizer) as sandbox, serving(sandbox, sock) as url:
                # Whoever had it ended while it started may not even be there to read this.
                if not ended.is_set():
                    _announce(url, recognizer.name, list(options["defects"]))
                    await ended.wait()
            nursery.cancel_scope.cancel()


def _ending_signals() -> list[signal.Signals]:
    """A hang-up ends it too, unless `nohup` or a shell had it ignored."""
    ending = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        ending.append(signal.SIGHUP)
    return ending


async def _end_on_signal(signals: AsyncIterator[int], ended: trio.Event) -> None:
    async for _ in signals:
        ended.set()


async def _end_on_eof(ended: trio.Event) -> None:
    """End when nobody holds the other end of standard input any more."""
    import trio

    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stdin:
        # A terminal that hung up gives an error in place of an end.
        with suppress(trio.BrokenResourceError):
            while await stdin.receive_some():
                pass
    ended.set()


def _announce(url: str, recognizer: str, defects: list[str]) -> None:
    """Write the ready line.

    Raises:
        BrokenPipeError: nobody reads it.
        MachineError: it cannot be written.
    """
    import msgspec

    from replay.sandbox.program import Ready

    ready = Ready(
        url=url, pid=os.getpid(), recognizer=recognizer, version=__version__, defects=defects
    )
    try:
        sys.stdout.write(msgspec.json.encode(ready).decode() + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise MachineError(f"cannot write to standard output: {error.strerror or error}") from None
