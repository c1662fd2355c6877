"""Events that must not be told before their time."""

from __future__ import annotations

import heapq

import trio

from replay.sandbox.recognizers.base import Event, SpeechEnded, SpeechStarted


class Signal:
    """Wakes whoever waits at this moment. Look at the state first, then wait, without a
    checkpoint between the two: then no change is missed."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        self._event.set()
        self._event = trio.Event()

    async def wait(self) -> None:
        await self._event.wait()

    async def wait_until(self, moment: float, spin: float) -> None:
        """Wait, but no longer than until `moment` (trio's clock). trio wakes up to a millisecond
        late: the last `spin` seconds are not slept, while others run on between two looks."""
        event = self._event
        with trio.move_on_at(moment - spin):
            await event.wait()
        while not event.is_set() and trio.current_time() < moment:
            await trio.lowlevel.checkpoint()


class Schedule:
    """Holds events back for as long as their delay says, on trio's clock."""

    def __init__(self, spin: float = 0.0) -> None:
        """`spin`: see `Signal.wait_until`."""
        self._spin = spin
        self._heap: list[tuple[float, int, int, Event]] = []
        self._count = 0
        self._last: dict[tuple[int, bool], float] = {}
        self._changed = Signal()
        self._closed = False

    def add(self, channel: int, event: Event, since: float) -> None:
        """`since`: when there was all that `event` took, on trio's clock."""
        # Among a channel's transcripts, and among its speech events, nothing overtakes.
        lane = (channel, isinstance(event, SpeechStarted | SpeechEnded))
        due = max(since + event.delay, self._last.get(lane, 0.0))
        self._last[lane] = due
        heapq.heappush(self._heap, (due, self._count, channel, event))
        self._count += 1
        self._changed.set()

    def close(self) -> None:
        """No more will be added."""
        self._closed = True
        self._changed.set()

    async def next(self) -> tuple[int, Event] | None:
        """The next event with its channel, when its time has come; None after the last."""
        while True:
            if self._heap and self._heap[0][0] <= trio.current_time():
                _, _, channel, event = heapq.heappop(self._heap)
                return channel, event
            if self._closed and not self._heap:
                return None
            deadline = self._heap[0][0] if self._heap else float("inf")
            await self._changed.wait_until(deadline, self._spin)
