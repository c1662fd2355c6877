"""Posts on their way to one receiver: in order, each with a few tries, never in anybody's way."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from replay.sandbox.bugs import log_bug
from replay.sandbox.postbook import Postbook, Written
from replay.sandbox.schedule import Signal

_log = logging.getLogger(__name__)

#: Brings one post, as the n-th of its session, to its receiver: "" or what happened instead.
Carry = Callable[[Written], Awaitable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How hard a courier tries; the service's own numbers are not known (protocol 10, row 19).

    Attributes, times in seconds:
        tries: of one post, before the next has its turn.
        timeout: of one try.
        backoff: before the second try; before each further one twice as long.
        queue_bytes: what may wait at most. Beyond it, the oldest that is soon outdated (partials,
            acknowledgements, beginnings and ends of speech) is dropped, or else the oldest.
        linger: how long after the session's end it still tries.
    """

    tries: int = 4
    timeout: float = 5.0
    backoff: float = 0.5
    queue_bytes: int = 4 << 20
    linger: float = 60.0


class Courier:
    """One session's posts to one receiver.

    Attributes:
        dropped: how many were dropped because too much waited.
        failed: how many were given up after their last try.
    """

    def __init__(
        self,
        name: str,
        book: Postbook,
        carry: Carry,
        terms: Terms,
        *,
        secrets: tuple[str, ...] = (),
    ) -> None:
        """`book`: what is owed from before; it notes what comes and what is done. `secrets`: what
        no log may show."""
        self.dropped = 0
        self.failed = 0
        self._name = name
        self._book = book
        self._carry = carry
        self._terms = terms
        self._secrets = secrets
        self._queue: deque[Written] = deque(book.owed)
        self._bytes = sum(len(each.body) for each in self._queue)
        self._changed = Signal()
        self._in_hand: Written | None = None
        self._closed = False
        self._scope = trio.CancelScope()

    @property
    def pending(self) -> bool:
        """Is something owed?"""
        return bool(self._queue)

    def put(self, key: str, body: bytes, *, passing: bool = False) -> None:
        """Have `body` posted, unless a post of that key was put in before.

        `key`: what it is, for something that is told once in a session, else "".
        """
        if key and key in self._book.known:
            return
        self._queue.append(self._book.add(key, body, passing=passing))
        self._bytes += len(body)
        while self._bytes > self._terms.queue_bytes and len(self._queue) > 1:
            self._drop()
        self._changed.set()

    def _drop(self) -> None:
        outdated = next((each for each in self._queue if each.passing), self._queue[0])
        self._queue.remove(outdated)
        self._bytes -= len(outdated.body)
        if not self.dropped:
            _log.warning("%s: more waits than may, so some is dropped", self._name)
        self.dropped += 1

    def close(self) -> None:
        """Nothing more will be put in: what waits has its last time now."""
        self._closed = True
        self._scope.deadline = trio.current_time() + self._terms.linger
        self._changed.set()

    def give_up(self) -> None:
        """The time of what waits is over."""
        self._scope.cancel()

    def cancel(self) -> None:
        """Forget everything."""
        self._queue.clear()
        self._in_hand = None
        self._scope.cancel()
        self.shut()

    async def run(self) -> None:
        """Deliver until closed and empty, or out of time."""
        try:
            with self._scope:
                await self._deliver_all()
            if self._scope.cancelled_caught:
                self._leave_undelivered()
        finally:
            self.shut()

    async def _deliver_all(self) -> None:
        while self._queue or not self._closed:
            if not self._queue:
                await self._changed.wait()
                continue
            self._in_hand = head = self._queue.popleft()
            self._bytes -= len(head.body)
            await self._deliver(head)
            self._in_hand = None
            self._book.done(head.number)

    async def _deliver(self, post: Written) -> None:
        pause = self._terms.backoff
        for attempt in range(1, self._terms.tries + 1):
            reason = f"no answer in {self._terms.timeout:g} s"
            with trio.move_on_after(self._terms.timeout):
                reason = await self._try(post)
            if not reason:
                return
            _log.info("%s: try %d failed: %s", self._name, attempt, reason)
            if attempt < self._terms.tries:
                await trio.sleep(pause)
                pause *= 2
        self.failed += 1
        _log.warning("%s: given up after %d tries: %s", self._name, self._terms.tries, reason)

    async def _try(self, post: Written) -> str:
        try:
            return await self._carry(post)
        except Exception as bug:  # noqa: BLE001 - it costs this post, and nobody else
            log_bug(f"{self._name}: a try broke down", bug, *self._secrets)
            return "internal error"

    def _leave_undelivered(self) -> None:
        owed = len(self._queue) + (self._in_hand is not None)
        if owed:
            _log.warning("%s: out of time, %d were not delivered", self._name, owed)
        self.failed += owed
        self._queue.clear()
        self._book.done_all()

    def shut(self) -> None:
        """Let go of the record."""
        self._book.close()
