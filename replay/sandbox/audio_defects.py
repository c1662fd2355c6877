"""Planted defects of the record: audio that is acknowledged, and not recorded as it came."""

from __future__ import annotations

from replay import units
from replay.audio import AudioFormat
from replay.sandbox.defect import Defect

#: Audio is spoiled where the record reaches these seconds: early once, and then now and again.
_FIRST_SECONDS, _EVERY_SECONDS = 1.0, 5.0


class _AtPlaces(Defect):
    """Spoils one piece of audio at each of the places above."""

    _again: float | None = _EVERY_SECONDS

    def __init__(self, fmt: AudioFormat, argument: str | None = None) -> None:
        super().__init__(fmt, argument)
        self._format = fmt
        self._seen = 0
        self._next: float = fmt.bytes_in(_FIRST_SECONDS)

    def record(self, data: bytes) -> bytes:
        self._seen += len(data)
        if self._seen <= self._next or len(data) < 2 * self._format.frame_bytes:
            return data
        again = self._again
        self._next = float("inf") if again is None else self._seen + self._format.bytes_in(again)
        return self._spoil(data)

    def _spoil(self, data: bytes) -> bytes:
        raise NotImplementedError


class Lose(_AtPlaces):
    """Audio that is acknowledged is not recorded, some bytes now and then."""

    name = "lose"
    argument = "BYTES"

    def __init__(self, fmt: AudioFormat, argument: str | None = None) -> None:
        super().__init__(fmt, argument)
        self._size = units.size(argument or "3200")
        self._owed = 0

    def record(self, data: bytes) -> bytes:
        data = super().record(data)
        lost = min(self._owed, len(data))
        self._owed -= lost
        return data[lost:]

    def _spoil(self, data: bytes) -> bytes:
        self._owed = self._size
        return data


class Double(_AtPlaces):
    """A piece of audio is recorded twice now and then."""

    name = "double"

    def _spoil(self, data: bytes) -> bytes:
        return data + data


class Shift(_AtPlaces):
    """One byte too many is recorded, once, so that everything behind it is shifted."""

    name = "shift"
    _again = None

    def _spoil(self, data: bytes) -> bytes:
        return b"\0" + data


class Reorder(_AtPlaces):
    """The halves of a piece of audio change places now and then."""

    name = "reorder"

    def _spoil(self, data: bytes) -> bytes:
        half = self._format.align(len(data) // 2)
        return data[half:] + data[:half]
