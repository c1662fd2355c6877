"""Messages on their way to a client that may come and go."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from replay.sandbox.schedule import Signal


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """One message. `keep`: worth delivering to the next connection when this one is gone."""

    text: str
    keep: bool


class Outbox:
    """A queue that holds each message until it was handed over whole.

    A message whose sending was cut short is still first, so that the next connection gets it; one
    that went into the socket's buffer before the cut is gone, as on any server.
    """

    def __init__(self, limit: int) -> None:
        self._queue: deque[Parcel] = deque()
        self._limit = limit
        self._characters = 0
        self.changed = Signal()

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
            self.changed.set()

    def forget_passing(self) -> None:
        """Drop what only the connection that is gone could use."""
        self._queue = deque(parcel for parcel in self._queue if parcel.keep)
        self._characters = sum(len(parcel.text) for parcel in self._queue)
        self.changed.set()

    async def room(self) -> None:
        """Wait until the client has read enough for more to be put in."""
        while self._characters > self._limit:
            await self.changed.wait()
