"""How bytes pass, one way between client and target: at what rate, how late, in what pieces.

A `Way` outlives connections: what is done to the path holds for those that follow. Times are
seconds on trio's clock; a setting whose time is over is as if it had never been made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

#: Bytes are let through in portions of this much time at the throttled rate.
_PORTION_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Setting:
    """Something that is done to what passes, until a time. What `value` and `spread` mean depends
    on what it is."""

    value: float
    until: float
    spread: float = 0.0


@dataclass(slots=True)
class Way:
    """One direction. `rng`: draws the jitter."""

    rng: Random
    _rate: Setting | None = None
    _delay: Setting | None = None
    _slice: Setting | None = None
    _join: Setting | None = None
    _done: bool = False  # something is being done to it
    _free_at: float = -math.inf

    def throttle(self, rate: int, until: float) -> None:
        """No more than `rate` bytes a second."""
        self._done = True
        self._rate = Setting(rate, until)

    def delay(self, mean: float, jitter: float, until: float) -> None:
        """Everything `mean` seconds later, give or take `jitter`."""
        self._done = True
        self._delay = Setting(mean, until, jitter)

    def slice(self, size: int, until: float) -> None:
        """In writes of `size` bytes."""
        self._done = True
        self._slice = Setting(size, until)

    def coalesce(self, count: int, until: float) -> None:
        """`count` frames in one write."""
        self._done = True
        self._join = Setting(count, until)

    def heal(self) -> None:
        """As if nothing had been done."""
        self._rate = self._delay = self._slice = self._join = None

    def clear(self, now: float) -> bool:
        """Whether nothing is done to what passes now."""
        if self._done:
            live = (self._rate, self._delay, self._slice, self._join)
            self._done = any(_live(each, now) for each in live) or now < self._free_at
        return not self._done

    def due(self, now: float) -> float:
        """When something that is here now may pass, once what came before it has passed."""
        delay = _live(self._delay, now)
        if delay is None:
            return now
        drawn = self.rng.uniform(-delay.spread, delay.spread) if delay.spread else 0.0
        return now + max(0.0, delay.value + drawn)

    def joined(self, now: float) -> int:
        """How many frames make one write."""
        join = _live(self._join, now)
        return int(join.value) if join else 1

    def piece(self, now: float) -> int | None:
        """The most bytes of one write, None for no limit."""
        cut, rate = _live(self._slice, now), _live(self._rate, now)
        sizes = [int(cut.value)] if cut else []
        if rate:
            sizes.append(max(1, int(rate.value * _PORTION_SECONDS)))
        return min(sizes, default=None)

    def throttled(self, now: float) -> bool:
        """Whether writes have to wait for their turn."""
        return _live(self._rate, now) is not None

    def book(self, size: int, now: float) -> float:
        """When `size` bytes may be written, which are counted as written then."""
        rate = _live(self._rate, now)
        if rate is None:
            return now
        start = max(now, self._free_at)
        self._free_at = start + size / rate.value
        return start


def _live(setting: Setting | None, now: float) -> Setting | None:
    return setting if setting is not None and now < setting.until else None
