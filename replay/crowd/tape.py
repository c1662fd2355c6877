"""A recorder that keeps figures of a stretch of time, and no entries: thousands of chunks a second
would fill a disk, and writing them down is not what is measured."""

from __future__ import annotations

import errno
import os
from array import array
from collections import deque
from collections.abc import Callable
from typing import Any

import trio

from replay import journal as j
from replay.audio import NS
from replay.capacity.judge import MEASURED, TOLD
from replay.capacity.records import Cause, Failure
from replay.endurance.histogram import Encoded, Histogram
from replay.wire import messages as m

_NS_PER_MS = 1e6
_OPENED = 201
_NO_MORE_FILES = (os.strerror(errno.EMFILE).lower(), os.strerror(errno.ENFILE).lower())


class Window:
    """What counts: everything due from `begin` to `end`, in ns on trio's clock.

    Attributes:
        values: by figure, in ms; `lateness` among them.
        stalls: ms of each step of a task that held the loop.
    """

    def __init__(self, begin: int, end: int) -> None:
        self.begin = begin
        self.end = end
        self.values = {name: array("d") for name in (*MEASURED, "lateness")}
        self.stalls = array("d")

    def holds(self, t: int) -> bool:
        return self.begin <= t < self.end

    @property
    def told(self) -> bool:
        """Something of what was spoken in it has come."""
        return any(self.values[name] for name in TOLD)

    def counts(self, never: dict[str, list[float]]) -> dict[str, Encoded]:
        """All figures of which there is something. `never`: see `Tape.waited`."""
        found = {}
        for name, values in self.values.items():
            histogram = Histogram()
            histogram.add(values, never.get(name, ()))
            if histogram.n:
                found[name] = histogram.encoded()
        return found


class Tapes:
    """What the tapes of a process share: the window."""

    def __init__(self) -> None:
        self.window = Window(0, 0)


class Tape:
    """A `Recorder` of one session, whose origin is that of trio's clock.

    Attributes:
        broken: the session is not what it should be, and that was told.
    """

    def __init__(self, number: int, shared: Tapes, tell: Callable[[Failure], None]) -> None:
        """`tell` hears of the first thing that goes wrong."""
        self.broken = False
        self._number = number
        self._shared = shared
        self._tell = tell
        self._start = 0
        self._chunks: deque[tuple[int, int]] = deque()  # up to which byte, when due
        self._frames: deque[tuple[int, int]] = deque()  # up to which byte, when sent
        self._stamps: deque[int] = deque()
        self._hear: dict[type[j.AnyEntry], Callable[[Any], None]] = {
            j.Started: self._started,
            j.Produced: self._produced,
            j.Frame: self._frame,
            j.Ack: self._acked,
            j.Received: self._received,
            j.Init: self._init,
            j.ConnectRefused: self._connect_refused,
            j.Lost: self._lost,
            j.Observation: self._observed,
        }

    def now(self) -> int:
        return round(trio.current_time() * NS)

    def at(self, moment: float) -> int:
        return round(moment * NS)

    def write(self, entry: j.AnyEntry) -> None:
        hear = self._hear.get(type(entry))
        if hear is not None:
            hear(entry)

    def hear(self, message: m.Received) -> None:
        """Each message that the session gives out, in order."""
        t = self._stamps.popleft()
        if not isinstance(message, m.Transcript):
            return
        said = message.data.utterance
        if not message.data.is_final:
            self._told("partial_lag", t, said.end)
            return
        self._told("final", t, said.end)
        for word in said.words:
            self._told("word_final", t, word.end)

    def _told(self, figure: str, t: int, end: float) -> None:
        """What was spoken in the window counts, however late it comes."""
        spoken, window = self._start + round(end * NS), self._shared.window
        if window.holds(spoken):
            window.values[figure].append((t - spoken) / _NS_PER_MS)

    @property
    def waits(self) -> bool:
        """Is anything of the window not acknowledged yet?"""
        return bool(self._chunks)

    def waited(self, now: int) -> dict[str, list[float]]:
        """How long, in ms, what was due in the window and is not acknowledged has been waited for;
        it is waited for no longer."""
        never = {
            name: [(now - since) / _NS_PER_MS for _, since in waiting]
            for name, waiting in (("ack", self._chunks), ("round_trip", self._frames))
        }
        self._chunks.clear()
        self._frames.clear()
        return never

    def fail(self, cause: Cause, detail: str, status: int = 0) -> None:
        """Something went wrong; only the first thing counts."""
        if self.broken:
            return
        if any(text in detail for text in _NO_MORE_FILES):
            cause = "machine"
        self.broken = True
        self._tell(Failure(session=self._number, cause=cause, status=status, detail=detail))

    # ------------------------------------------------------------ what is written

    def _started(self, entry: j.Started) -> None:
        self._start = entry.t

    def _produced(self, entry: j.Produced) -> None:
        window = self._shared.window
        if window.holds(entry.due):
            window.values["lateness"].append((entry.t - entry.due) / _NS_PER_MS)
            self._chunks.append((entry.offset + entry.size, entry.due))

    def _frame(self, entry: j.Frame) -> None:
        if self._shared.window.holds(entry.t) and entry.size:
            self._frames.append((entry.offset + entry.size, entry.t))

    def _acked(self, entry: j.Ack) -> None:
        values = self._shared.window.values
        for waiting, name in ((self._chunks, "ack"), (self._frames, "round_trip")):
            while waiting and waiting[0][0] <= entry.upto:
                values[name].append((entry.t - waiting.popleft()[1]) / _NS_PER_MS)

    def _received(self, entry: j.Received) -> None:
        self._stamps.append(entry.t)

    def _init(self, entry: j.Init) -> None:
        if entry.status != _OPENED:
            self._no_answer(entry.status, entry.error)

    def _connect_refused(self, entry: j.ConnectRefused) -> None:
        self._no_answer(entry.status or 0, entry.error)

    def _no_answer(self, status: int, detail: str) -> None:
        self.fail("refused" if status else "unreachable", detail, status)

    def _lost(self, entry: j.Lost) -> None:
        if entry.cause == "ended":
            return
        if entry.cause in ("silence", "ping"):
            self.fail("silent", "nothing was acknowledged any more")
            return
        why = f": {entry.reason}" if entry.reason else ""
        self.fail("closed", f"the connection was closed with {entry.code}{why}", entry.code)

    def _observed(self, entry: j.Observation) -> None:
        if entry.severity == "error":
            self.fail("audio", entry.detail)
