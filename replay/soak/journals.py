"""The journals that a worker writes at the moment, and what they have come to so far.

What hits all sessions at once is done by the soak's owner; it is put down in the journal of each
session that it hits, as a rule of its own at the session's own time, so that a session can be
judged, and had again, by its journal alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from replay import journal as j
from replay.audio import NS, AudioFormat
from replay.faults.quantities import duration_text
from replay.recorder import FileRecorder, open_recorder
from replay.soak.orders import Cut

_MS = 1_000_000


@dataclass(slots=True, eq=False)
class _Seen:
    """What is known of a session by its entries. `opened`: in ns of its journal, of the first and
    the last connection; `cuts`: to be put down once the session's own rules are."""

    recorder: FileRecorder | None = None
    planned: int = 0
    connection: int = 0
    opened: tuple[int, int] = (0, 0)
    connected: bool = False
    asked: bool = False
    cuts: list[Cut] = field(default_factory=list)


class Journals:
    """Args:
    clock: the soak's.

    Attributes:
        recorders: of the sessions that play, to be flushed.
        reconnects, faults: of all sessions so far; faults by kind.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.recorders: list[FileRecorder] = []
        self.reconnects = 0
        self.faults: Counter[str] = Counter()
        self._clock = clock
        self._playing: list[_Seen] = []
        self._cut: Cut | None = None
        self._late = 0

    @property
    def connected(self) -> int:
        """Sessions that have a connection."""
        return sum(each.connected for each in self._playing)

    def take_late(self) -> float:
        """The most that a chunk was late since this was asked last, in ms."""
        late, self._late = self._late, 0
        return late / _MS

    @asynccontextmanager
    async def open(self, path: Path, fmt: AudioFormat) -> AsyncIterator[FileRecorder]:
        """A recorder that is flushed with all others, and whose entries are counted."""
        seen = _Seen()
        if self._cut is not None and self._clock() < self._cut.over:
            seen.cuts.append(self._cut)

        def count(entry: j.AnyEntry) -> None:
            self._count(seen, entry)

        async with open_recorder(path, fmt, count) as recorder:
            seen.recorder = recorder
            self.recorders.append(recorder)
            self._playing.append(seen)
            try:
                yield recorder
            finally:
                self.recorders.remove(recorder)
                self._playing.remove(seen)

    def hit(self, cut: Cut) -> None:
        """All sessions are hit by this."""
        self._cut = cut
        for seen in self._playing:
            seen.cuts.append(cut)
            if seen.asked:
                self._put_down(seen)

    def _count(self, seen: _Seen, entry: j.AnyEntry) -> None:
        match entry:
            case j.Produced():
                self._late = max(self._late, entry.t - entry.due)
            case j.Connected():
                first = seen.opened[0] if seen.connection else entry.t
                seen.connection, seen.opened = entry.connection, (first, entry.t)
                seen.connected = True
                self.reconnects += entry.connection > 1
            case j.Lost():
                seen.connected = False
            case j.FaultPlanned():
                seen.planned += 1
            case j.FaultFired():
                self.faults[entry.fault] += 1
            case j.Init() if not seen.asked:
                seen.asked = True
                self._put_down(seen)

    def _put_down(self, seen: _Seen) -> None:
        assert seen.recorder is not None, "it has written something"
        recorder, now = seen.recorder, self._clock()
        cuts, seen.cuts = seen.cuts, []
        for cut in cuts:
            t = max(0, recorder.now() - round((now - cut.begun) * NS))
            moment, at = "start", dict[str, int | float | str](connection=seen.connection)
            if seen.connection:
                moment = duration_text(round(max(0, t - seen.opened[0]) / _MS) * _MS)
                after = round((t - seen.opened[1]) / _MS, 3)
                at |= {"trigger": f"conn#{seen.connection}", "after_ms": after}
            rule = seen.planned
            text = f"{cut.fault} @ {moment}"
            recorder.write(j.FaultPlanned(t=recorder.now(), rule=rule, text=text))
            recorder.write(
                j.FaultFired(
                    t=t,
                    rule=rule,
                    text=cut.fault,
                    fault=cut.kind,
                    connection=seen.connection,
                    at=at,
                    until=t + round((cut.over - cut.begun) * NS),
                )
            )
