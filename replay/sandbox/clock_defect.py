"""A planted defect of the clock that messages are stamped by."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction

from replay import units
from replay.audio import AudioFormat
from replay.sandbox.defect import Defect


class Clock(Defect):
    """Stamps are ahead of the time of day, or behind it (-5s), and gain; by default 5s,200ppm."""

    name = "clock"
    argument = "TIME[,PPM]"
    _since: datetime | None = None

    def __init__(self, fmt: AudioFormat, argument: str | None = None) -> None:
        super().__init__(fmt, argument)
        ahead, _, gain = (argument or "5s,200ppm").partition(",")
        self._ahead = timedelta(seconds=float(_signed(ahead)))
        self._gain = _per_million(gain) if gain else 0.0

    def clock(self, now: datetime) -> datetime:
        self._since = self._since or now
        return now + self._ahead + (now - self._since) * (self._gain / 1e6)


def _signed(text: str) -> Fraction:
    sign, size = (-1, text.strip()[1:]) if text.strip()[:1] in "-−" else (1, text.strip())
    return sign * units.duration(size.removeprefix("+"))


def _per_million(text: str) -> float:
    try:
        return float(text.strip().replace("−", "-").removesuffix("ppm"))
    except ValueError:
        raise ValueError(f"{text!r} is no rate: write 200ppm, or -50ppm") from None
