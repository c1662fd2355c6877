"""A line of small bars: how something went on, in the room of a line of text."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

_BARS = "▁▂▃▄▅▆▇█"


def spark(stretches: Iterable[tuple[float, float, float | None]], over: float, width: int) -> str:
    """Bars from 0 up, each the highest value of its part of the time; a blank where there is none.

    What is usual, the median, is half as high as there is room; twice that or more is all of it.

    Args:
        stretches: from when until when, from 0 to `over`, and the value then.
        width: in characters.
    """
    tops: list[float | None] = [None] * width
    for begun, until, value in stretches:
        if value is None:
            continue
        first, last = int(begun / over * width), int(until / over * width)
        for place in range(max(first, 0), min(max(last, first + 1), width)):
            before = tops[place]
            tops[place] = value if before is None else max(before, value)
    known = [each for each in tops if each is not None]
    most = 2 * median(known) if known else 0.0
    return "".join(" " if each is None else _bar(each, most) for each in tops)


def _bar(value: float, most: float) -> str:
    if most <= 0 or value <= 0:
        return _BARS[0]
    return _BARS[min(int(value / most * len(_BARS)), len(_BARS) - 1)]
