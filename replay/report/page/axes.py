"""Where values go on an axis, and where its ticks are: round numbers, few enough to be read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
#: Of time, in seconds.
_CLOCK = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 14400, 28800, 43200, 86400, 172800, 604800),
)


@dataclass(frozen=True, slots=True)
class Tick:
    """`at`: 0 to 1 along the axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Axis:
    """From `low` to `high`; with `log`, both above zero."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value goes, 0 to 1 and beyond."""
        if self.log:
            if value <= 0:
                return -math.inf
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def inside(self, value: float) -> bool:
        return self.low <= value <= self.high

    def ticks(self, count: int = 6) -> list[Tick]:
        """About `count` of them, at round numbers."""
        values = _decades(self.low, self.high) if self.log else _even(self.low, self.high, count)
        return [Tick(self.at(value), plain(value)) for value in values]

    def clock_ticks(self, count: int = 7) -> list[Tick]:
        """The same of an axis in ms of a session, as times of the clock."""
        seconds = (self.high - self.low) / 1e3
        step = next((each for each in _CLOCK if seconds / each <= count), _CLOCK[-1])
        first = math.ceil(self.low / 1e3 / step - 1e-9)
        last = math.floor(self.high / 1e3 / step + 1e-9)
        times = [k * step * 1e3 for k in range(first, last + 1)]
        return [Tick(self.at(each), clock(each, fine=step < 1)) for each in times]


def linear(low: float, high: float) -> Axis:
    """An axis that begins and ends at round numbers around these, and at 0 when that is near."""
    low, high = _apart(low, high)
    step = _step(low, high, 6)
    return Axis(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step)


def close(low: float, high: float) -> Axis:
    """An axis no longer than these values need it, and from 0 when that is near."""
    low, high = _apart(low, high)
    room = 0.02 * (high - low)
    return Axis(low - room if low else low, high + room)


def level(values: Sequence[float]) -> Axis:
    """An axis around values that are much the same, which makes no mountains of what is nothing:
    it reaches over a twentieth of them and 10 at least."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    lacking = max(10.0, 0.05 * abs(high)) - (high - low)
    return close(low - max(lacking, 0) / 2, high + max(lacking, 0) / 2)


def _apart(low: float, high: float) -> tuple[float, float]:
    low = 0.0 if 0 < low < high / 2 else low
    return (low, high) if high > low else (low - 1, high + 1)


def logarithmic(low: float, high: float) -> Axis:
    """The same in powers of ten, halves and fifths of them; both values must be above zero."""
    high = max(high, low * 1.5)
    return Axis(_round_down(low), 1 / _round_down(1 / high), log=True)


def plain(value: float) -> str:
    """A round number as it stands at a tick."""
    return f"{value:,.10g}" if abs(value) >= 1000 else f"{value:.4g}"


def clock(ms: float, *, fine: bool = True) -> str:
    """A moment of a session: `0:04.2`, `1:02:03`; with tenths when `fine`."""
    tenths = round(abs(ms) / 100) if fine else round(abs(ms) / 1000) * 10
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / 10:04.1f}" if fine else f"{rest // 10:02d}"
    sign = "-" if ms < 0 and tenths else ""
    return sign + (f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}")


def _step(low: float, high: float, count: int) -> float:
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    return next(each * power for each in _STEPS if each * power >= rough * (1 - 1e-9))


def _even(low: float, high: float, count: int) -> Iterator[float]:
    step = _step(low, high, count)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return (round(k * step, 10) for k in range(first, last + 1))


def _decades(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [part * 10.0**power for power in powers for part in (1, 2, 5)]
    found = [each for each in every if low * (1 - 1e-9) <= each <= high * (1 + 1e-9)]
    if len(found) > 7:
        found = [each for each in found if math.log10(each) % 1 < 1e-6]
    return found


def _round_down(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value) + 1e-12)
    return max(part * power for part in (1.0, 2.0, 5.0) if part * power <= value * (1 + 1e-9))
