"""A clock that stands still while anything can run, and then leaps to what comes next.

trio asks its clock how long it may sleep at the one moment when no task can run: there this clock
moves. Besides trio's own deadlines it knows alarms, which cost neither a task nor a cancel scope:
what is on its way through a simulated network arrives by one, and who sleeps is woken by one.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from functools import partial

import trio


class VirtualClock(trio.abc.Clock):
    """Seconds from 0. Threads and sockets count as idle: nothing simulated may wait for one."""

    def __init__(self) -> None:
        self._now = 0.0
        self._alarms: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._off: set[int] = set()  # alarms that were called off before their moment

    def start_clock(self) -> None:
        """It has begun with its making."""

    def current_time(self) -> float:
        return self._now

    def at(self, moment: float, ring: Callable[[], None]) -> int:
        """Call `ring` once `moment` has come and nothing can run; of several at one moment, in the
        order in which they were set. Returns its number, to call it off by."""
        self._count += 1
        heapq.heappush(self._alarms, (moment, self._count, ring))
        return self._count

    async def sleep_until(self, deadline: float) -> None:
        """What `trio.sleep_until` does, at a fraction of its cost: no scope, and no exception."""
        if deadline <= self._now:
            await trio.lowlevel.checkpoint()
            return

        def abort(_: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
            self._off.add(number)
            return trio.lowlevel.Abort.SUCCEEDED

        number = self.at(deadline, partial(trio.lowlevel.reschedule, trio.lowlevel.current_task()))
        await trio.lowlevel.wait_task_rescheduled(abort)

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Nothing can run until `deadline`: then this is the time."""
        alarms, off = self._alarms, self._off
        while off and alarms and alarms[0][1] in off:
            off.remove(heapq.heappop(alarms)[1])
        if alarms and alarms[0][0] <= deadline:
            self._now = now = max(self._now, alarms[0][0])
            while alarms and alarms[0][0] <= now:
                _, number, ring = heapq.heappop(alarms)
                if number in off:
                    off.remove(number)
                else:
                    ring()
            return 0.0
        if deadline < math.inf:
            self._now = max(self._now, deadline)
            return 0.0
        return math.inf
