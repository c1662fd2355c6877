"""Audio that counts: each four bytes are their own number, so that any piece says where it was.

Whatever a session's format, its bytes are the whole numbers from 0 on as 32-bit words,
little-endian. It sounds like noise. After 2³² words (16 GiB) it begins again.
"""

from __future__ import annotations

import numpy as np

#: What the counting source and its codec are called; a file of that name is `./counter`.
COUNTER = "counter"

_WORD = 4
_MODULUS = 1 << 32
#: A piece this long cannot stand anywhere else.
ENOUGH = 3 * _WORD


def counted(offset: int, size: int) -> bytes:
    """`size` bytes of it from `offset` on."""
    first, last = offset // _WORD, -(-(offset + size) // _WORD)
    words = np.arange(last - first, dtype="<u4")
    words += np.uint32(first % _MODULUS)  # and begin again where that is so
    start = offset - first * _WORD
    return words.tobytes()[start : start + size]


def place(data: bytes) -> int | None:
    """Where a piece of it stood, or None when it is none, or shorter than `ENOUGH` bytes."""
    if len(data) < ENOUGH:
        return None
    for phase in range(_WORD):
        word = int.from_bytes(data[phase : phase + _WORD], "little")
        at = (word * _WORD - phase) % (_MODULUS * _WORD)
        if counted(at, ENOUGH) == data[:ENOUGH]:
            return at
    return None
