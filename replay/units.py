"""Durations and sizes as people write them: `300ms`, `2s`, `5m`, `512KiB`."""

from __future__ import annotations

import re
from fractions import Fraction

_SECONDS = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "min": Fraction(60),
    "h": Fraction(3600),
}
_BYTES = {"b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)\s*")


def duration(text: str) -> Fraction:
    """Seconds, exactly; a bare number is seconds.

    Raises:
        ValueError: with a sentence for the user.
    """
    number, unit = _split(text)
    if number is None or (unit and unit not in _SECONDS):
        raise ValueError(f"{text!r} is no duration: write 300ms, 2s, 5m or 1h")
    return number * _SECONDS[unit or "s"]


def size(text: str) -> int:
    """Bytes; a bare number is bytes.

    Raises:
        ValueError: with a sentence for the user.
    """
    number, unit = _split(text)
    if number is None or (unit and unit not in _BYTES):
        raise ValueError(f"{text!r} is no size: write 512KiB, 64MiB or 1GiB")
    return int(number * _BYTES[unit or "b"])


def _split(text: str) -> tuple[Fraction | None, str]:
    match = _QUANTITY.fullmatch(text)
    return (Fraction(match[1]), match[2].lower()) if match else (None, "")
