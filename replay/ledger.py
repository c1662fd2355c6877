"""The audio that the service has not acknowledged yet, and the strict account of what it has.

Pure: values in, values out. `AudioBuffer` holds bytes, `Ledger` counts them. Positions are byte
offsets in the session's audio as the client counts. The service counts for itself, and the two
differ by what it recorded twice: a cut between receipt and acknowledgement makes a repeat that no
client of this protocol can avoid, since upstream frames carry no offset. The first acknowledgement
of a connection says where the service stands, and so how long the repeat was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that broke an expectation.

    Attributes:
        invariant: id of the invariant that was broken.
        at: where: byte offsets, the connection.
    """

    invariant: str
    severity: Literal["error", "warning", "info"]
    detail: str
    at: Mapping[str, int | float | str] = field(default_factory=dict)


class AudioBuffer:
    """Bytes by absolute offset, in the pieces they came in; freed from the front.

    Pieces are kept, never joined or copied until somebody reads across a border. Beyond `limit`
    bytes in memory `overflow` names the oldest pieces; once the caller has put them elsewhere and
    said so, `read` answers None for them.
    """

    def __init__(self) -> None:
        self._pieces: deque[tuple[int, bytes]] = deque()
        self.start = 0
        self.end = 0
        self.memory_start = 0

    @property
    def in_memory(self) -> int:
        """Bytes held in memory."""
        return self.end - self.memory_start

    def append(self, data: bytes) -> None:
        if data:
            self._pieces.append((self.end, data))
            self.end += len(data)

    def piece(self, offset: int, limit: int) -> int:
        """How many bytes from `offset` to the end of the piece it is in, at most `limit`."""
        for start, data in reversed(self._pieces):
            if start <= offset:
                return min(limit, start + len(data) - offset)
        return min(limit, self.memory_start - offset)

    def read(self, start: int, stop: int) -> bytes | None:
        """The bytes from `start` to `stop`, or None when some of them are not in memory.

        Raises:
            IndexError: they were released, or never appended.
        """
        if not self.start <= start <= stop <= self.end:
            raise IndexError(f"{start}..{stop} is not within {self.start}..{self.end}")
        if start < self.memory_start:
            return None
        parts: list[bytes] = []
        # What is read is nearly always the newest piece: look from the end.
        for at, data in reversed(self._pieces):
            if at < stop and start < at + len(data):
                whole = start <= at and at + len(data) <= stop
                parts.append(data if whole else data[max(0, start - at) : stop - at])
            if at <= start:
                break
        return parts[0] if len(parts) == 1 else b"".join(reversed(parts))

    def release(self, upto: int) -> None:
        """Forget everything before `upto`."""
        self.start = max(self.start, min(upto, self.end))
        while self._pieces and self._pieces[0][0] + len(self._pieces[0][1]) <= self.start:
            self._drop_first()
        self.memory_start = max(self.memory_start, self.start)

    def overflow(self, limit: int) -> list[tuple[int, bytes]]:
        """The oldest pieces beyond `limit` bytes in memory, as (offset, bytes); see `spilled`."""
        excess = self.in_memory - limit
        found: list[tuple[int, bytes]] = []
        for offset, data in self._pieces:
            if excess <= 0:
                break
            found.append((offset, data))
            excess -= len(data)
        return found

    def spilled(self, upto: int) -> None:
        """What `overflow` gave out before `upto` is kept elsewhere now: let it go."""
        while self._pieces and self._pieces[0][0] < upto:
            self._drop_first()

    def _drop_first(self) -> tuple[int, bytes]:
        offset, data = self._pieces.popleft()
        self.memory_start = offset + len(data)
        return offset, data


@dataclass(frozen=True, slots=True)
class Sent:
    """One frame on its way. `at`: when it was handed to the socket, in seconds."""

    offset: int
    size: int
    at: float

    @property
    def end(self) -> int:
        return self.offset + self.size


class Ledger:
    """What was produced, sent and acknowledged, and whether the service's account agrees.

    Attributes:
        produced: end of the audio handed in.
        sent: next byte to go out on this connection.
        acked: everything before it is acknowledged.
        repeated: bytes the service recorded twice, by its own account.
    """

    def __init__(self, frame_bytes: int, *, joined: bool = False) -> None:
        """`joined`: the session was opened elsewhere, so the service's count may begin anywhere."""
        self._frame_bytes = frame_bytes
        self.produced = 0
        self.sent = 0
        self.acked = 0
        self.repeated = 0
        self.outstanding: deque[Sent] = deque()
        self._resumed = 0  # where this connection began
        self._maybe = 0  # bytes of earlier connections that may or may not have arrived
        self._service_at: int | None = None if joined else 0
        self._base: int | None = None  # service's count minus ours, on this connection
        self._refused = 0  # bytes of this connection that the service would not take

    @property
    def in_flight(self) -> int:
        """Bytes that went out on this connection and are not acknowledged."""
        return self.sent - (self._resumed if self._base is None else self.acked)

    def resume(self) -> int:
        """A connection opened: audio goes on from the returned offset, a frame boundary."""
        self._maybe += max(0, self.in_flight)
        self.outstanding.clear()
        self._base = None
        self._refused = 0
        self.sent = self._resumed = self.acked - self.acked % self._frame_bytes
        return self.sent

    def record_sent(self, size: int, at: float) -> None:
        """`size` bytes from `sent` on were handed to the socket."""
        self.outstanding.append(Sent(self.sent, size, at))
        self.sent += size

    def acknowledge(self, start: int, end: int) -> list[Finding]:
        """The service says it has `start` to `end`, exclusive, by its own count."""
        findings: list[Finding] = []
        at = {"start": start, "end": end}
        if end < start or start < 0:
            return [_broken(f"acknowledged {start}..{end}, which is no range", at)]
        if self._base is None:
            findings += self._first(start, at)
        elif start != self._service_at:
            findings.append(_out_of_line(start, self._service_at or 0, at))
        assert self._base is not None  # set by `_first`
        self._service_at = end
        upto = end - self._base + self._refused
        if upto > self.sent:
            findings.append(
                _broken(
                    f"acknowledged {upto - self.sent} bytes more than were sent",
                    {**at, "sent": self.sent},
                )
            )
            upto = self.sent
        self._settle(upto)
        return findings

    def refuse(self) -> list[Finding]:
        """The service would not take the oldest frame on its way: that audio is lost."""
        if not self.outstanding:
            return [_broken("refused audio that was never sent", {})]
        frame = self.outstanding.popleft()
        self._refused += frame.size
        self._settle(frame.end)
        return [
            Finding(
                "A1",
                "error",
                f"the service refused {frame.size} bytes of audio",
                {"offset": frame.offset, "size": frame.size},
            )
        ]

    def _settle(self, upto: int) -> None:
        self.acked = max(self.acked, upto)
        while self.outstanding and self.outstanding[0].end <= upto:
            self.outstanding.popleft()

    def _first(self, start: int, at: Mapping[str, int]) -> list[Finding]:
        """The first acknowledgement of a connection fixes how the two counts relate."""
        self._base = start - self._resumed
        possible, self._maybe = self._maybe, 0
        expected, self._service_at = self._service_at, start
        if expected is None:
            return []
        where = {**at, "offset": self._resumed}
        arrived = start - expected
        if arrived < 0:
            return [_broken(f"lost {-arrived} bytes that it had acknowledged", where)]
        if arrived > possible:
            return [_broken(f"counts {arrived - possible} bytes that were never sent", where)]
        repeat = arrived + self.acked - self._resumed
        self.repeated += repeat
        if not repeat:
            return []
        detail = f"{repeat} bytes were recorded but not acknowledged before the cut: sent twice"
        return [Finding("A2", "info", detail, {**where, "size": repeat})]


def _out_of_line(start: int, expected: int, at: Mapping[str, int]) -> Finding:
    if start == expected + 1:
        detail = f"skipped a byte at {expected}: the end of the range looks inclusive"
    elif start > expected:
        detail = f"skipped {start - expected} bytes at {expected}"
    else:
        detail = f"went back {expected - start} bytes from {expected}"
    return _broken(detail, {**at, "expected": expected})


def _broken(detail: str, at: Mapping[str, int]) -> Finding:
    return Finding("A3", "error", "acknowledgements: the service " + detail, at)
