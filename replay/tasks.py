"""How tasks and processes end: errors as one plain exception, programs first by asking."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import trio

from replay.errors import ReplayError


@asynccontextmanager
async def open_flat_nursery() -> AsyncIterator[trio.Nursery]:
    """A nursery that raises what its callers can name.

    One error comes out as itself; of several, the first of ours, since the rest follow from it. A
    group without one of ours is a bug, and comes out whole.
    """
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
    except BaseExceptionGroup as group:
        leaves = list(_leaves(group))
        ours = [error for error in leaves if isinstance(error, ReplayError)]
        if ours:
            raise ours[0] from None
        if len(leaves) == 1:
            raise leaves[0] from leaves[0].__cause__
        raise


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def until_signalled(work: Callable[[], Awaitable[None]]) -> bool:
    """Do `work`; whether SIGINT, SIGTERM or SIGHUP cut it short."""
    signalled = False
    async with open_flat_nursery() as nursery:

        async def heed(task_status: trio.TaskStatus[None]) -> None:
            nonlocal signalled
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
                task_status.started()
                async for _ in signals:
                    signalled = True
                    nursery.cancel_scope.cancel()

        await nursery.start(heed)
        await work()
        nursery.cancel_scope.cancel()
    return signalled


async def end_process(process: trio.Process, patience: float) -> None:
    """Ask a program to end, and end it when it has not after `patience` seconds."""
    if process.returncode is None:
        process.terminate()
        with trio.move_on_after(patience):
            await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
