"""Acknowledgements that are to take their time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

import trio

from replay.sandbox.latency import Spread
from replay.sandbox.schedule import Signal
from replay.wire import messages as m


class Lane:
    """Puts messages out later, in the order in which they came. Without a delay, at once."""

    def __init__(
        self, spread: Spread, seed: int, put: Callable[[m.Message], None], spin: float = 0.0
    ) -> None:
        """`seed`: of what is drawn; every session draws alike. `spin`: see `Signal.wait_until`."""
        self._spread = spread
        self._random = Random(f"{seed}/ack")  # noqa: S311
        self._put = put
        self._spin = spin
        self._queue: deque[tuple[float, m.Message]] = deque()
        self._last = 0.0
        self._gone = 0  # how many are not in the queue any more
        self._changed = Signal()

    def put(self, message: m.Message, since: float) -> None:
        """`since`: when that came which `message` answers, on trio's clock."""
        if not self._spread:
            self._put(message)
            return
        self._last = max(self._last, since + self._spread.draw(self._random))
        self._queue.append((self._last, message))
        self._changed.set()

    def clear(self) -> None:
        """Nobody is there any more to whom what waits could be said."""
        self._gone += len(self._queue)
        self._queue.clear()
        self._changed.set()

    async def run(self) -> None:
        """Put out what is due, until cancelled. May run for two connections at once."""
        while True:
            deadline = self._queue[0][0] if self._queue else float("inf")
            await self._changed.wait_until(deadline, self._spin)
            while self._queue and self._queue[0][0] <= trio.current_time():
                self._gone += 1
                self._put(self._queue.popleft()[1])
                self._changed.set()

    async def settled(self) -> None:
        """Wait until all that waits now was put out, or dropped."""
        until = self._gone + len(self._queue)
        while self._gone < until:
            await self._changed.wait()
