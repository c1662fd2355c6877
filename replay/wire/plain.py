"""Plain websocket messages: whole ones, in one frame each (RFC 6455, section 5).

Nearly everything that passes is such. `Splitter` takes them out of the bytes of one direction, at a
small part of what a full implementation takes for it; to that it leaves all else, in order: control
frames, fragments, what has not come whole, and what is broken.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

E_co = TypeVar("E_co", covariant=True)

TEXT, BINARY = 0x1, 0x2
_FINAL, _MASKED, _SHORT = 0x80, 0x80, 0x7F
_CONTROL = 0x8
_NO_KEY = bytes(4)


@dataclass(frozen=True, slots=True)
class Other:
    """Bytes for a full implementation."""

    data: bytes


def frame(opcode: int, payload: bytes, *, masked: bool = False) -> bytes:
    """A whole message, or a control frame. `masked`: as from a client, with a key of zeros, which
    hides nothing from anybody in between."""
    size = len(payload)
    bit = _MASKED if masked else 0
    if size < 126:
        head = bytes((_FINAL | opcode, bit | size))
    elif size < 1 << 16:
        head = struct.pack(">BBH", _FINAL | opcode, bit | 126, size)
    else:
        head = struct.pack(">BBQ", _FINAL | opcode, bit | 127, size)
    return head + _NO_KEY + payload if masked else head + payload


def unmask(data: bytes, key: bytes) -> bytes:
    """`data` without its mask, or with it."""
    if key == _NO_KEY:
        return data
    size = len(data)
    mask = (key * (size // 4 + 1))[:size]
    # Whole numbers are the fastest way to combine two strings of bytes without a library.
    return (int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")


class Splitter:
    """Holds back what has come of a plain message, or of the head of a frame.

    Args:
        masked: whether frames of this direction are.
        held: bytes of a frame that it holds back at most; larger ones are left to others.
    """

    def __init__(self, *, masked: bool, held: int = 1 << 16) -> None:
        self._masked = masked
        self._held = held
        self._kept = bytearray()
        self._needed = 0  # so much is to be there before it is looked at again
        self._owed = 0  # of a frame that was left to others: how much of it is still to come
        self._open = False  # a message in fragments has begun, and not ended

    def feed(self, data: bytes) -> list[str | bytes | Other]:
        """What is in `data`: messages, and what is left to others."""
        if self._kept:
            self._kept += data
            if len(self._kept) < self._needed:
                return []
            data = bytes(self._kept)
            self._kept.clear()
        found: list[str | bytes | Other] = []
        at = min(self._owed, len(data))
        if at:
            self._owed -= at
            found.append(Other(data[:at]))
        while at < len(data):
            size = _size(data, at)
            if size is None:
                self._keep(data, at, len(data) - at + 1)
                break
            head, whole = size
            end = at + whole
            if end > len(data) and whole <= self._held and self._is_plain(data, at, whole - head):
                self._keep(data, at, whole)
                break
            message = self._message(data, at, at + head, end)
            if message is None:
                self._note(data[at])
                self._owed = max(0, end - len(data))
                found.append(Other(data[at:end]))
            else:
                found.append(message)
            at = end
        return found

    def _keep(self, data: bytes, at: int, needed: int) -> None:
        self._kept += data[at:]
        self._needed = needed

    def _note(self, first: int) -> None:
        if first & 0x0F < _CONTROL:
            self._open = not first & _FINAL

    def _is_plain(self, data: bytes, at: int, size: int) -> bool:
        """Whether the frame that begins there is a plain message, as far as its head tells."""
        first, second = data[at], data[at + 1]
        return (
            first in (_FINAL | TEXT, _FINAL | BINARY)
            and not self._open
            and bool(second & _MASKED) is self._masked
            and _shortest(second & _SHORT, size)
        )

    def _message(self, data: bytes, start: int, payload: int, end: int) -> str | bytes | None:
        """The plain message of a frame, if it is one; None for all others."""
        if end > len(data) or not self._is_plain(data, start, end - payload):
            return None
        body = data[payload:end]
        if self._masked:
            body = unmask(body, data[payload - 4 : payload])
        if data[start] == _FINAL | BINARY:
            return body
        try:
            return body.decode()
        except UnicodeDecodeError:
            return None


class Machine(Protocol[E_co]):
    """A full implementation, such as wsproto's."""

    def receive_data(self, data: bytes, /) -> None: ...

    def events(self) -> Iterable[E_co]: ...


def sort_out(
    splitter: Splitter, machine: Machine[E_co], pieces: Iterable[bytes]
) -> Iterator[str | bytes | E_co]:
    """What is in `pieces`, one by one: plain messages as they are, and what `machine` makes of all
    else."""
    for data in pieces:
        for found in splitter.feed(data):
            if isinstance(found, Other):
                machine.receive_data(found.data)
                yield from machine.events()
            else:
                yield found


def _size(data: bytes, at: int) -> tuple[int, int] | None:
    """How long the head of the frame at `at` is, and the frame; None when that is not told yet."""
    here = len(data) - at
    if here < 2:
        return None
    second = data[at + 1]
    size, head = second & _SHORT, 2
    if size >= 126:
        head = 4 if size == 126 else 10
        if here < head:
            return None
        size = int.from_bytes(data[at + 2 : at + head], "big")
    if second & _MASKED:
        head += 4
    if here < head:
        return None
    return head, head + size


def _shortest(form: int, size: int) -> bool:
    """Whether a size is written in as few bytes as it takes; others are broken."""
    return form < 126 or (size >= 126 if form == 126 else size >= 1 << 16)
