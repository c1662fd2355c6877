"""One journal, sorted by kind, with the arithmetic that relates audio to time.

Three axes meet here. *Journal time* is in ns. *Offsets* are bytes of session audio as the client
counts them. *Service seconds* are the times inside transcripts: what the service has recorded,
which runs ahead of the client's count when audio had to be sent twice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from msgspec import UNSET

from replay import journal
from replay.audio import NS, AudioFormat, Encoding
from replay.statistics import Floats
from replay.wire import messages

Ints = npt.NDArray[np.int64]
_E = TypeVar("_E", bound=journal.Entry)
_M = TypeVar("_M", bound=messages.Message)


@dataclass(frozen=True, slots=True)
class Chunks:
    """Every chunk, in order. Columns: ns, ns, bytes, bytes."""

    t: Ints
    due: Ints
    offset: Ints
    size: Ints


@dataclass(frozen=True, slots=True)
class Frames:
    """Every audio frame handed to a socket, in order, repeats included."""

    t: Ints
    done: Ints
    connection: Ints
    offset: Ints
    size: Ints


@dataclass(frozen=True, slots=True)
class Acks:
    """Every positive acknowledgement; `start` and `end` as the service counts, `upto` as we do."""

    t: Ints
    connection: Ints
    start: Ints
    end: Ints
    upto: Ints


#: A source's announced length may be off by so many seconds, for reasons of its container.
_ROUNDING = 0.1
#: And the end of a word by so many.
_ROUNDED_WORD = 0.001


@dataclass(frozen=True, slots=True)
class Heard:
    """A message other than an acknowledgement of audio."""

    t: int
    connection: int
    message: messages.Received


class Timeline:
    """What one journal says.

    Attributes:
        zero: journal time of the plan's beginning; 0 when the run did not get so far.
        speed: times real time; 0 for unpaced.
        produced: bytes that the source gave out.
        sent: bytes handed to a socket at least once.

    Raises:
        ValueError: there is no header, so this is no journal.
    """

    def __init__(self, entries: Iterable[journal.AnyEntry]) -> None:
        kinds: defaultdict[type[journal.Entry], list[Any]] = defaultdict(list)
        last = 0
        for entry in entries:
            kinds[type(entry)].append(entry)
            last = max(last, entry.t)
        self._kinds = kinds
        headers = self.all(journal.Header)
        if not headers:
            raise ValueError("there is no header")
        self.header: journal.Header = headers[0]
        self.last = last
        self.format = _format(self.header.format)
        self.speed = self.header.plan.speed
        started = self.first(journal.Started)
        self.zero = started.t if started else 0
        self.chunks = Chunks(*self._columns(journal.Produced, "t", "due", "offset", "size"))
        self.frames = Frames(
            *self._columns(journal.Frame, "t", "done", "connection", "offset", "size")
        )
        self.acks = Acks(*self._columns(journal.Ack, "t", "connection", "start", "end", "upto"))
        self.heard = [_heard(entry) for entry in self.all(journal.Received)]
        self._messages: defaultdict[type, list[Any]] = defaultdict(list)
        for heard in self.heard:
            self._messages[type(heard.message)].append((heard, heard.message))
        self.produced = int((self.chunks.offset + self.chunks.size).max(initial=0))
        self._new_ends, self._new_times = _first_sends(self.frames)
        self.sent = int(self._new_ends[-1]) if len(self._new_ends) else 0
        self._breaks, self._shifts = _shifts(self.acks, self.frames)
        self._plan_offsets, self._plan_times = self._plan()

    # ------------------------------------------------------------------ entries

    def all(self, kind: type[_E]) -> list[_E]:
        """Every entry of this kind, in order."""
        return self._kinds.get(kind, [])

    def first(self, kind: type[_E]) -> _E | None:
        found = self.all(kind)
        return found[0] if found else None

    def final(self, kind: type[_E]) -> _E | None:
        """The last entry of this kind."""
        found = self.all(kind)
        return found[-1] if found else None

    def messages(self, kind: type[_M]) -> list[tuple[Heard, _M]]:
        """Every message of exactly this type, in order, beside when and where it came."""
        return self._messages.get(kind, [])

    @property
    def reference(self) -> journal.Reference | None:
        """What was said in the audio that was played: words heard to their end.

        Without word times only the whole has a reference.
        """
        whole = self.first(journal.Reference)
        played = self.format.seconds(self.produced)
        expected = self.header.source.seconds
        if whole is None or expected is None or played >= expected - _ROUNDING:
            return whole
        if not whole.words:
            return None
        # Times in files are rounded, so that a word may end a little after the audio that holds it.
        words = [word for word in whole.words if word.end <= played + _ROUNDED_WORD]
        text = " ".join(word.word for word in words)
        return journal.Reference(t=whole.t, text=text, words=words)

    @cached_property
    def frames_of(self) -> dict[int, Ints]:
        """Which rows of `frames` are each connection's, by its number."""
        return _by_connection(self.frames.connection)

    @cached_property
    def acks_of(self) -> dict[int, Ints]:
        """Which rows of `acks` are each connection's, by its number."""
        return _by_connection(self.acks.connection)

    def told_by(self, connection: int, t: int) -> int | None:
        """When a connection last brought anything but an acknowledgement of audio, its own opening
        included, up to `t`; in ns."""
        times = self._signs.get(connection, [])
        at = bisect_right(times, t)
        return times[at - 1] if at else None

    @cached_property
    def _signs(self) -> dict[int, list[int]]:
        found: defaultdict[int, list[int]] = defaultdict(list)
        for opened in self.all(journal.Connected):
            found[opened.connection].append(opened.t)
        for heard in self.heard:
            found[heard.connection].append(heard.t)
        return {connection: sorted(times) for connection, times in found.items()}

    @property
    def finished(self) -> bool:
        """The journal was written to its end."""
        return bool(self.all(journal.Closed))

    # ------------------------------------------------------------------ audio and time

    def due(self, offsets: npt.ArrayLike) -> Floats:
        """When the plan has the audio before each offset spoken, in ns.

        Paced recordings follow the plan's straight line; live sources and unpaced runs have only
        their chunks' own times, between which it is drawn straight.
        """
        wanted = np.asarray(offsets, dtype=np.float64)
        if self._straight:
            return self.zero + wanted * (NS / (self.format.bytes_per_second * self.speed))
        if not len(self._plan_offsets):
            return np.full_like(wanted, np.nan)
        return np.interp(wanted, self._plan_offsets, self._plan_times)

    def first_sent(self, offsets: npt.ArrayLike) -> Floats:
        """When the audio before each offset had all been handed to a socket once, in ns, or NaN."""
        return _look_up(self._new_ends, self._new_times, offsets)

    def acknowledged(self, offsets: npt.ArrayLike) -> Floats:
        """When the audio before each offset had all been acknowledged, in ns, or NaN."""
        return _look_up(np.maximum.accumulate(self.acks.upto), self.acks.t, offsets)

    def spoken(self, times: npt.ArrayLike) -> Floats:
        """How many seconds of audio the plan has spoken by each journal time."""
        wanted = np.asarray(times, dtype=np.float64)
        if self._straight:
            size = (wanted - self.zero) * (self.format.bytes_per_second * self.speed / NS)
            return np.clip(size, 0, self.produced) / self.format.bytes_per_second
        return self._between(wanted, self._plan_times, self._plan_offsets)

    def handed_over(self, times: npt.ArrayLike) -> Floats:
        """How many seconds of audio were sent by each time, drawn straight between frames."""
        wanted = np.asarray(times, dtype=np.float64)
        return self._between(wanted, self._new_times, self._new_ends)

    def offset_of(self, seconds: npt.ArrayLike) -> Floats:
        """Where, in the client's offsets, the service's times lie.

        Audio that was recorded twice moves all later times of the service by its length. Each
        acknowledgement carries both counts, so their difference is known from the first byte of
        the connection on which it arose.
        """
        counted = np.asarray(seconds, dtype=np.float64) * self.format.bytes_per_second
        if len(self._shifts) == 1:
            return counted
        # A time that lies on the seam ends what came before it.
        which = np.searchsorted(self._breaks, counted, side="left") - 1
        return counted - self._shifts[np.maximum(which, 0)]

    @property
    def _straight(self) -> bool:
        return self.speed > 0 and self.header.plan.phase != "arrival"

    def _plan(self) -> tuple[Floats, Floats]:
        """The corners of a plan that is not one straight line."""
        if not len(self.chunks.t):
            return np.empty(0), np.empty(0)
        ends = self.chunks.offset + self.chunks.size
        speed = self.speed or np.inf
        begun = self.chunks.due[0] - self.format.nanoseconds(int(self.chunks.size[0])) / speed
        return (
            np.concatenate(([self.chunks.offset[0]], ends)).astype(np.float64),
            np.concatenate(([begun], self.chunks.due)).astype(np.float64),
        )

    def _between(self, times: Floats, at: Floats | Ints, offsets: Floats | Ints) -> Floats:
        if not len(at):
            return np.full_like(times, np.nan)
        return np.interp(times, at, offsets) / self.format.bytes_per_second

    def _columns(self, kind: type[journal.Entry], *names: str) -> list[Ints]:
        rows = self.all(kind)
        return [np.fromiter(map(attrgetter(name), rows), np.int64, len(rows)) for name in names]


def _format(facts: journal.FormatFacts) -> AudioFormat:
    return AudioFormat(Encoding[facts.encoding], facts.sample_rate, facts.bit_depth, facts.channels)


def _heard(entry: journal.Received) -> Heard:
    raw = entry.text if entry.body is UNSET else bytes(entry.body)
    return Heard(entry.t, entry.connection, messages.decode(raw))


def _by_connection(column: Ints) -> dict[int, Ints]:
    order = np.argsort(column, kind="stable")
    numbers, begins = np.unique(column[order], return_index=True)
    return dict(zip(numbers.tolist(), np.split(order, begins[1:]), strict=False))


def _first_sends(frames: Frames) -> tuple[Ints, Ints]:
    """Ends and times of the frames that brought something new; repeats bring nothing."""
    ends = frames.offset + frames.size
    before = np.concatenate(([0], np.maximum.accumulate(ends)[:-1])) if len(ends) else ends
    new = ends > before
    return ends[new], frames.t[new]


def _shifts(acks: Acks, frames: Frames) -> tuple[Ints, Ints]:
    """From which byte of the service's count on it is ahead of ours, and by how much."""
    # One that comes again, or late, tells an old count beside a new one.
    new = acks.end >= np.maximum.accumulate(acks.end)
    ahead, starts, on = (acks.end - acks.upto)[new], acks.start[new], acks.connection[new]
    changed = np.flatnonzero(np.diff(ahead, prepend=0))
    ahead, starts, on = ahead[changed], starts[changed], on[changed]
    # It was so from the connection's beginning on, though the first to say so may have been lost.
    numbers, first = np.unique(frames.connection, return_index=True)
    if len(numbers):
        place = np.minimum(np.searchsorted(numbers, on), len(numbers) - 1)
        begun = np.where(numbers[place] == on, frames.offset[first[place]] + ahead, starts)
        starts = np.minimum(starts, begun)
    starts = np.maximum.accumulate(starts) if len(starts) else starts
    return np.concatenate(([-1], starts)), np.concatenate(([0], ahead))


def _look_up(ends: Ints, times: Ints, offsets: npt.ArrayLike) -> Floats:
    """The time of the first of `ends` that reaches each offset, NaN when none does."""
    wanted = np.asarray(offsets, dtype=np.float64)
    known = np.append(times.astype(np.float64), np.nan)
    found = np.searchsorted(ends, np.nan_to_num(wanted, nan=np.inf), side="left")
    return known[found]
