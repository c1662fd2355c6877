"""How long finished sessions are kept, and how much room the records of all of them may take."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import trio

from replay.errors import DiskFull
from replay.sandbox.jobs import Entry
from replay.sandbox.settings import Settings
from replay.sandbox.standing import Stage

_log = logging.getLogger(__name__)

#: What is past its time but not quite over is looked at again after so many seconds.
_AGAIN = 1.0


class Retention:
    """Attributes:
    used: bytes that the records of all sessions take, their register left out.
    """

    def __init__(
        self,
        settings: Settings,
        entries: Callable[[], Iterable[Entry]],
        forget: Callable[[Entry], None],
        now: Callable[[], datetime],
    ) -> None:
        """`entries`: all sessions, the oldest first; `forget`: removes one of them."""
        self.used = 0
        self._keep = settings.keep
        self._limit = settings.max_disk
        self._entries = entries
        self._forget = forget
        self._now = now

    def space(self) -> Portion:
        """The space of one more session."""
        return Portion(self)

    def need(self, size: int) -> None:
        """See that there is room for `size` bytes more: the oldest finished sessions go for it.

        Raises:
            DiskFull: they do not suffice.
        """
        if self._limit is None or self.used + size <= self._limit:
            return
        for entry in sorted(self._finished(), key=_ended):
            _log.info("session %s: removed to make room", entry.live.id)
            self._forget(entry)
            if self.used + size <= self._limit:
                return
        raise DiskFull(
            f"the records of the sessions may take {self._limit} bytes (--max-disk), "
            "and those that run leave no room"
        )

    async def run(self) -> None:
        """Let sessions go when they have been over for long enough."""
        if self._keep is None:
            return
        kept = timedelta(seconds=self._keep)
        while True:
            for entry in self._finished():
                if _ended(entry) + kept <= self._now():
                    _log.info("session %s: its time is over", entry.live.id)
                    self._forget(entry)
                    await trio.lowlevel.checkpoint()
            await trio.sleep(self._next())

    def _next(self) -> float:
        """Seconds until another session is due; what has yet to end is so after `keep`."""
        assert self._keep is not None
        now = self._now()
        ended = [_ended(entry) for entry in self._entries() if entry.live.row.ended_at]
        left = [self._keep + (each - now).total_seconds() for each in ended]
        return min((max(each, _AGAIN) for each in left), default=self._keep)

    def _finished(self) -> list[Entry]:
        return [entry for entry in self._entries() if entry.live.stage is Stage.OVER]


class Portion:
    """What one session takes of it."""

    def __init__(self, retention: Retention) -> None:
        self._retention = retention
        self._held = 0

    def take(self, size: int) -> None:
        self._retention.need(size)
        self.count(size)

    def count(self, size: int) -> None:
        self._held += size
        self._retention.used += size

    def release(self) -> None:
        self.count(-self._held)


def _ended(entry: Entry) -> datetime:
    return datetime.fromisoformat(entry.live.row.ended_at or entry.created_at)
