"""Files of lines that are only ever appended to, read back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def decode_lines(lines: Iterable[bytes], decode: Callable[[bytes], T]) -> Iterator[T]:
    """Each line, decoded; a last one without its newline is a crash's, and is left out.

    Args:
        decode: raises ValueError for a line that is none (msgspec's errors are such).

    Raises:
        ValueError: a line is broken; the message names its number.
    """
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            return
        try:
            decoded = decode(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        yield decoded
