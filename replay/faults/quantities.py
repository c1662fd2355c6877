"""Durations, sizes and rates as short exact text: what `replay.units` reads, written back.

A value has one text, in the largest unit in which it stays short, and the text reads back as the
same value.
"""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

_MS = 1_000_000
_S = 1000 * _MS
_LONG = ((3600 * _S, "h"), (60 * _S, "m"), (_S, "s"))
_LARGE = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_PER_HOUR = {"s": 3600, "min": 60, "h": 1}


def duration_text(ns: int) -> str:
    """A duration in ns: `1h`, `5m`, `90s`, `1.5s`, `300ms`, `0.25ms`."""
    for unit, name in _LONG:
        if ns >= unit and ns % unit == 0:
            return f"{ns // unit}{name}"
    if ns >= _S:
        return f"{_decimal(Fraction(ns, _S))}s"
    return f"{_decimal(Fraction(ns, _MS))}ms" if ns else "0s"


def size_text(size: int) -> str:
    """Bytes: `2MiB`, `512KiB`, `64000`."""
    for unit, name in _LARGE:
        if size >= unit and size % unit == 0:
            return f"{size // unit}{name}"
    return str(size)


def rate_text(rate: int) -> str:
    """Bytes per second: `24000/s`, `32KiB/s`."""
    return f"{size_text(rate)}/s"


def frequency(count: Fraction, unit: str) -> Fraction:
    """Events per hour, of so many a `s`, `min` or `h`; KeyError for another unit."""
    return count * _PER_HOUR["min" if unit == "m" else unit]


def frequency_text(per_hour: Fraction) -> str:
    """Events per hour: `2/min`, `90/h`, `0.5/h`."""
    for unit, hourly in _PER_HOUR.items():
        if per_hour % hourly == 0:
            return f"{per_hour // hourly}/{unit}"
    return f"{_decimal(per_hour)}/h"


def string_text(value: str) -> str:
    """In double quotes, as JSON writes it."""
    return json.dumps(value, ensure_ascii=False)


def _decimal(value: Fraction) -> str:
    """Exact, and only for what is a finite decimal: all that was ever read is one."""
    text = f"{Decimal(value.numerator) / Decimal(value.denominator):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
