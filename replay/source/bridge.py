"""From a thread to a task: a bounded queue that never blocks the task's event loop."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

import outcome
import trio

T = TypeVar("T")


class Stopped(Exception):
    """The task has gone; raised in the thread, to unwind it."""


class Bridge(Generic[T]):
    """One thread puts, one task gets.

    `limit` bounds the weights of what waits in between: a put blocks its thread until less than
    that waits. Made inside a trio run.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._token = trio.lowlevel.current_trio_token()
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._waiting: deque[tuple[T, float]] = deque()
        self._weight = 0.0
        self._closed = False
        self._end: outcome.Outcome[None] | None = None
        self._news = trio.Event()

    # ---- the thread's side

    @property
    def closed(self) -> bool:
        return self._closed

    def put(self, item: T, weight: float = 0.0) -> None:
        """Raises Stopped when the task has closed the bridge, also while waiting for room."""
        with self._room:
            while self._weight >= self._limit and not self._closed:
                self._room.wait()
            if self._closed:
                raise Stopped
            self._waiting.append((item, weight))
            self._weight += weight
        self._wake()

    def finish(self, end: outcome.Outcome[None]) -> None:
        """The thread's last word: how it ended."""
        with self._lock:
            self._end = end
        self._wake()

    def _wake(self) -> None:
        with suppress(trio.RunFinishedError):  # nobody left to wake
            self._token.run_sync_soon(self._rouse, idempotent=True)

    def _rouse(self) -> None:
        self._news.set()

    # ---- the task's side

    async def get(self) -> T:
        """The next item. Once all are taken: the thread's exception, or StopAsyncIteration."""
        await trio.lowlevel.checkpoint()
        while True:
            self._news = trio.Event()
            with self._room:
                if self._waiting:
                    item, weight = self._waiting.popleft()
                    self._weight -= weight
                    self._room.notify()
                    return item
                end = self._end
            if end is not None:
                self._end = outcome.Value(None)  # an exception is raised once
                end.unwrap()
                raise StopAsyncIteration
            await self._news.wait()

    def close(self) -> None:
        """Lets go of the thread: its next put raises."""
        with self._room:
            self._closed = True
            self._waiting.clear()
            self._room.notify()

    async def finished(self) -> None:
        """Returns once the thread has had its last word."""
        while self._end is None:
            self._news = trio.Event()
            if self._end is None:
                await self._news.wait()
