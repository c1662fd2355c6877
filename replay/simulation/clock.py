"""A clock that stands still while anything can run, and then leaps to what comes next.

trio asks its clock how long it may sleep at the one moment when no task can run: there this clock
moves. Besides trio's own deadlines it knows alarms, which cost neither a task nor a cancel scope:
what is on its way through a simulated network arrives by one.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable

import trio


class VirtualClock(trio.abc.Clock):
    """Seconds from 0. Threads and sockets count as idle: nothing simulated may wait for one."""

    def __init__(self) -> None:
        self._now = 0.0
        self._alarms: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def start_clock(self) -> None:
        """It has begun with its making."""

    def current_time(self) -> float:
        return self._now

    def at(self, moment: float, ring: Callable[[], None]) -> None:
        """Call `ring` once `moment` has come and nothing can run; of several at one moment, in the
        order in which they were set."""
        self._count += 1
        heapq.heappush(self._alarms, (moment, self._count, ring))

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Nothing can run until `deadline`: then this is the time."""
        alarms = self._alarms
        if alarms and alarms[0][0] <= deadline:
            self._now = now = max(self._now, alarms[0][0])
            while alarms and alarms[0][0] <= now:
                heapq.heappop(alarms)[2]()
            return 0.0
        if deadline < math.inf:
            self._now = max(self._now, deadline)
            return 0.0
        return math.inf
