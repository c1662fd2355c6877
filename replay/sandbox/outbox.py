"""Messages on their way to a client that may come and go."""

from __future__ import annotations

import logging
from collections import deque

from msgspec import Struct

from replay.errors import MachineError
from replay.sandbox.schedule import Signal
from replay.sandbox.store import Store

_log = logging.getLogger(__name__)


class Parcel(Struct, frozen=True, eq=False):
    """One message.

    Attributes:
        keep: worth delivering to the next connection when this one is gone.
        acknowledges: how far it acknowledges the audio, 0 when it does not.
    """

    text: str
    keep: bool
    acknowledges: int = 0


class Outbox:
    """A queue that holds each message until it was handed over whole.

    A message whose sending was cut short is still first, so that the next connection gets it; one
    that went into the socket's buffer before the cut is gone, as on any server.

    Attributes:
        acknowledged: how far audio was acknowledged by what was handed over.
        changed: something was put in.
        taken: something was handed over, or dropped.
    """

    def __init__(self, limit: int, store: Store) -> None:
        """`store`: where what was handed over is noted."""
        self._store = store
        self.acknowledged = 0
        self._queue: deque[Parcel] = deque()
        self._limit = limit
        self._characters = 0
        self.changed = Signal()
        self.taken = Signal()

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, parcel: Parcel) -> None:
        self._queue.append(parcel)
        self._characters += len(parcel.text)
        self.changed.set()

    def head(self) -> Parcel | None:
        return self._queue[0] if self._queue else None

    def done(self, parcel: Parcel) -> None:
        """`parcel` was handed over. Does nothing when it is not the first any more."""
        if self._queue and self._queue[0] is parcel:
            self._queue.popleft()
            self._characters -= len(parcel.text)
            self.acknowledged = max(self.acknowledged, parcel.acknowledges)
            if parcel.keep:
                self._note()
            self.taken.set()

    def _note(self) -> None:
        try:
            self._store.note_delivered()
        except MachineError as error:
            _log.warning("a message may be delivered twice after a restart: %s", error)

    def forget_passing(self) -> None:
        """Drop what only the connection that is gone could use."""
        self._queue = deque(parcel for parcel in self._queue if parcel.keep)
        self._characters = sum(len(parcel.text) for parcel in self._queue)
        self.taken.set()

    @property
    def full(self) -> bool:
        """Does more wait than is good?"""
        return self._characters > self._limit

    async def room(self) -> None:
        """Wait until the client has read enough for more to be put in."""
        while self.full:
            await self.taken.wait()
