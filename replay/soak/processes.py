"""What the processes of a soak take, now and again, on the soak's clock."""

from __future__ import annotations

import os
from collections.abc import Iterable

from replay.endurance.resources import History, Sample
from replay.watching import sample

SUPERVISOR, SANDBOX = "supervisor", "sandbox"


class Processes:
    """Attributes:
    history: all samples, also those of earlier runs.
    latest: the last sample of each.
    """

    def __init__(self, earlier: Iterable[Sample]) -> None:
        """`earlier`: samples of earlier runs: whatever is started now is another generation."""
        self.history = History()
        self.latest: dict[str, Sample] = {}
        self._last: dict[str, int] = {}
        self._began: dict[tuple[str, int], float] = {}
        for each in earlier:
            self.history.add(each)
            self._last[each.who] = max(self._last.get(each.who, 0), each.generation)

    def first_generation(self, who: str) -> int:
        """Of a process that is started by this run."""
        return self._last[who] + 1 if who in self._last else 0

    def take(
        self,
        t: float,
        who: str,
        pid: int,
        generation: int,
        *,
        tasks: int | None = None,
        reconnects: int,
        sessions: int,
    ) -> Sample | None:
        """Look at a process; None when it is gone, also when another has its number now. Our own
        children have samples of their own."""
        usage = sample(pid, children=pid != os.getpid())
        if usage is None or usage.began != self._began.setdefault((who, generation), usage.began):
            return None
        taken = usage.sample(
            t,
            who,
            pid,
            generation=generation,
            tasks=tasks,
            reconnects=reconnects,
            sessions=sessions,
        )
        self.latest[who] = taken
        self.history.add(taken)
        return taken


def name_of(pid: int) -> str:
    """What a process that somebody else has started is called."""
    return f"pid {pid}"
