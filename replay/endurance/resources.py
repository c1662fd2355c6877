"""What processes took over time."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
from msgspec import Struct

from replay.statistics import Floats

#: What of a process may grow without end.
MEASURES = ("rss", "fds", "threads", "tasks")

_UNKNOWN = float("nan")
_COLUMNS = ("t", "reconnects", "sessions", *MEASURES)


class Sample(Struct, kw_only=True, omit_defaults=True):
    """One process at one moment.

    t: the soak's clock, in seconds. who: "worker 1", "sandbox", "supervisor", "pid 4711".
    generation: from 0; a process that was started again begins a new one, and no slope is taken
    across. rss: bytes, of the process and its children where `who` has some. tasks: None for
    processes that nobody can look into. reconnects, sessions: so far, in what this process serves:
    a worker's own; for the sandbox and for others all. Sessions count once they are over.
    """

    t: float
    who: str
    pid: int
    generation: int = 0
    rss: int
    fds: int
    threads: int
    tasks: int | None = None
    reconnects: int = 0
    sessions: int = 0


class Track:
    """One process's samples by column, in the order in which they came."""

    def __init__(self) -> None:
        self._columns = {name: array("d") for name in _COLUMNS}

    def add(self, sample: Sample) -> None:
        for name, column in self._columns.items():
            value = getattr(sample, name)
            column.append(_UNKNOWN if value is None else value)

    def column(self, name: str) -> Floats:
        """By the name of a sample's field; NaN where it is unknown. By time."""
        order = np.argsort(np.array(self._columns["t"]), kind="stable")
        return np.asarray(np.array(self._columns[name])[order])


class History:
    """The samples of all processes, by who it is and which generation."""

    def __init__(self, samples: Iterable[Sample] = ()) -> None:
        self.tracks: dict[tuple[str, int], Track] = {}
        for each in samples:
            self.add(each)

    def add(self, sample: Sample) -> None:
        self.tracks.setdefault((sample.who, sample.generation), Track()).add(sample)
