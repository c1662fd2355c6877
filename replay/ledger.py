"""The audio that the service has not acknowledged yet, and the strict account of what it has.

Pure: values in, values out. `AudioBuffer` holds bytes, `Ledger` counts them. Positions are byte
offsets in the session's audio as the client counts. The service counts for itself, and the two
differ by what it recorded twice: a cut between receipt and acknowledgement makes a repeat that no
client of this protocol can avoid, since upstream frames carry no offset. The first acknowledgement
of a connection says where the service stands, and so how long the repeat was.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from msgspec import Struct


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

    Pieces are kept, never joined or copied until somebody reads across a border, and found by
    bisection, so that going through a long backlog costs no more than its length. Beyond `limit`
    bytes in memory `overflow` names the oldest pieces; once the caller has put them elsewhere and
    said so, `read` answers None for them.

    Attributes:
        start: everything before it is released.
        end: where the next byte goes.
        memory_start: everything before it is not in memory.
    """

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._pieces: list[bytes] = []
        self._gone = 0  # how many at the front are let go, and not yet taken out of the lists
        self.start = 0
        self.end = 0
        self.memory_start = 0

    @property
    def in_memory(self) -> int:
        """Bytes held in memory."""
        return self.end - self.memory_start

    def append(self, data: bytes) -> None:
        if data:
            self._starts.append(self.end)
            self._pieces.append(data)
            self.end += len(data)

    def piece(self, offset: int, limit: int) -> int:
        """How many bytes from `offset` to the end of the piece it is in, at most `limit`.

        What is not in memory counts as one piece.
        """
        if offset < self.memory_start:
            return min(limit, self.memory_start - offset)
        index = self._index(offset)
        return min(limit, self._starts[index] + len(self._pieces[index]) - offset)

    def read(self, start: int, stop: int) -> bytes | None:
        """The bytes from `start` to `stop`, or None when some of them are not in memory.

        Raises:
            IndexError: they were released, or never appended.
        """
        if not self.start <= start <= stop <= self.end:
            raise IndexError(f"{start}..{stop} is not within {self.start}..{self.end}")
        if start == stop:
            return b""
        if start < self.memory_start:
            return None
        parts: list[bytes] = []
        index = self._index(start)
        while start < stop:
            data = self._pieces[index]
            at = start - self._starts[index]
            part = data[at : at + stop - start]  # of a whole piece: the piece itself
            parts.append(part)
            start += len(part)
            index += 1
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def release(self, upto: int) -> None:
        """Forget everything before `upto`."""
        self.start = max(self.start, min(upto, self.end))
        while self._gone < len(self._pieces) and self._first_end() <= self.start:
            self._drop_first()
        self.memory_start = max(self.memory_start, self.start)

    def overflow(self, limit: int) -> list[tuple[int, bytes]]:
        """The oldest pieces beyond `limit` bytes in memory, as (offset, bytes); see `spilled`."""
        found: list[tuple[int, bytes]] = []
        index, kept_from = self._gone, self.memory_start
        while kept_from < self.end - limit:
            found.append((self._starts[index], self._pieces[index]))
            kept_from = self._starts[index] + len(self._pieces[index])
            index += 1
        return found

    def spilled(self, upto: int) -> None:
        """What `overflow` gave out before `upto` is kept elsewhere now: let it go."""
        while self._gone < len(self._pieces) and self._starts[self._gone] < upto:
            self._drop_first()

    def _index(self, offset: int) -> int:
        return bisect_right(self._starts, offset, self._gone) - 1

    def _first_end(self) -> int:
        return self._starts[self._gone] + len(self._pieces[self._gone])

    def _drop_first(self) -> None:
        self.memory_start = self._first_end()
        self._pieces[self._gone] = b""
        self._gone += 1
        if 2 * self._gone > len(self._pieces):  # as many are moved as were dropped since
            del self._starts[: self._gone], self._pieces[: self._gone]
            self._gone = 0


class Sent(Struct, frozen=True):
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
        self._again = 0  # acknowledged bytes that it began with all the same
        self._maybe = 0  # bytes of earlier connections that may or may not have arrived
        self._service_at: int | None = None if joined else 0
        self._base: int | None = None  # service's count minus ours, on this connection
        self._refused = 0  # bytes of this connection that the service would not take

    @property
    def in_flight(self) -> int:
        """Bytes that went out on this connection and are not acknowledged."""
        # An acknowledgement may end within the frame that a connection begins with.
        return max(0, self.sent - (self._resumed if self._base is None else self.acked))

    def resume(self) -> int:
        """A connection opened: audio goes on from the returned offset, a frame boundary."""
        self._maybe += self.in_flight
        self.outstanding.clear()
        self._base = None
        self._refused = 0
        self._again = self.acked % self._frame_bytes
        self.sent = self._resumed = self.acked - self._again
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

    def refuse(self, *, stopped: bool = False) -> list[Finding]:
        """The service would not take the oldest frame on its way: that audio is lost.

        `stopped`: all audio and the stop went out on an earlier connection. Then the service has
        heard this audio before the stop, and refuses the repeat.
        """
        if not self.outstanding:
            return [_broken("refused audio that was never sent", {})]
        frame = self.outstanding.popleft()
        self._refused += frame.size
        self._settle(frame.end)
        if not frame.size:
            return []  # a sign of life, which was heard
        where = {"offset": frame.offset, "size": frame.size}
        if stopped:
            detail = f"the service refused {frame.size} bytes sent again after the stop"
            return [Finding("A1", "info", detail, where)]
        return [Finding("A1", "error", f"the service refused {frame.size} bytes of audio", where)]

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
        repeat = arrived + self._again
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
