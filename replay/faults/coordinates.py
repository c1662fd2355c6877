"""Where in the session something happens, in the protocol's own terms.

The moment that stands in `Coordinates.trigger` is the event at which a fault fired, or, when time
alone brought it, the last firm event before. Firm is what follows from what the client sends and
the connections it opens, and comes again at the same place when a run is repeated; transcripts and
acknowledgements are not, since they depend on how quick the target was. Within the audio the place
is told as `conn#2 + byte 64000`: so many bytes of audio after that connection opened.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field

from replay.faults.events import (
    AckDown,
    AudioUp,
    ConnectionLost,
    ConnectionOpened,
    EndRecordingDown,
    Event,
    HttpRequest,
    PostDown,
    StopAckDown,
    StopUp,
)
from replay.faults.moments import CONN, FRAME, START, Seen, SentBytes, wait_text

_FIRM = (
    ConnectionOpened,
    AudioUp,
    StopUp,
    StopAckDown,
    EndRecordingDown,
    PostDown,
    HttpRequest,
)


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where in the session a fault fired.

    Attributes:
        connection: the number of the latest connection, 0 before the first.
        trigger: the moment it fired at, or the last firm one before it, in the language of faults.
        after_ms: milliseconds from that moment.
        offset: the furthest position of session audio that has come up, in bytes.
        frame: frames of audio that have come up, those sent again included.
        acks: acknowledgements that have gone down.
        connection_ms: milliseconds since that connection opened.
    """

    connection: int
    trigger: str
    after_ms: float
    offset: int
    frame: int
    acks: int
    connection_ms: float

    def as_dict(self) -> dict[str, int | float | str]:
        """As `journal.FaultFired.at` keeps it."""
        return asdict(self)


#: What a moment is called: its event's name, how many of these there were, and of connections, and
#: the bytes of audio on the latest. Put into words only where a fault fires.
Called = tuple[str, int, int, int]


@dataclass(slots=True)
class Position:
    """How far a session has come. Times in ns."""

    connection: int = 0
    alive: bool = False
    offset: int = 0
    acks: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    _opened_at: int = 0
    _connection_bytes: int = 0
    _firm: Called = (START, 1, 0, 0)
    _firm_at: int = 0

    def started(self, now: int) -> None:
        """Before anything has come."""
        self._firm_at = now

    def passed(self, event: Event, names: tuple[str, ...], now: int) -> Called | None:
        """Takes an event in; returns what this moment is called, None when it has no name."""
        for name in names:
            self.counts[name] += 1
        match event:
            case ConnectionOpened(k):
                self.connection, self.alive = k, True
                self._opened_at, self._connection_bytes = now, 0
            case ConnectionLost(k):
                self.alive = self.alive and k != self.connection
            case AudioUp(_, offset, size):
                self.offset = max(self.offset, offset + size)
                self._connection_bytes += size
            case AckDown():
                self.acks += 1
        if not names:
            return None
        name = names[-1]
        called = (name, self.counts[name], self.counts[CONN], self._connection_bytes)
        if isinstance(event, _FIRM):
            self._firm, self._firm_at = called, now
        return called

    def coordinates(self, now: int, moment: Called | None = None) -> Coordinates:
        """Here and now. `moment`: what this very moment is called, if something happens at it."""
        return Coordinates(
            connection=self.connection,
            trigger=_text(moment or self._firm),
            after_ms=0.0 if moment else _milliseconds(now - self._firm_at),
            offset=self.offset,
            frame=self.counts[FRAME],
            acks=self.acks,
            connection_ms=_milliseconds(now - self._opened_at) if self.connection else 0.0,
        )


def _text(called: Called) -> str:
    """In the language of faults."""
    name, count, connections, size = called
    if name != FRAME:
        return wait_text(Seen(name, count))
    return f"{wait_text(Seen(CONN, connections))} + {wait_text(SentBytes(size))}"


def _milliseconds(ns: int) -> float:
    """To the microsecond: finer than any clock that a fault could be repeated by."""
    return round(ns / 1_000_000, 3)
