"""Cutting a stream of samples into a section, and the section into chunks. Pure."""

from __future__ import annotations

from replay.audio import Chunk


class Section:
    """Passes on `length` frames after the first `start`; None for all the rest."""

    def __init__(self, start: int, length: int | None, frame_bytes: int) -> None:
        self._skip = start * frame_bytes
        self._left = None if length is None else length * frame_bytes

    @property
    def done(self) -> bool:
        """Nothing that is still to come belongs to the section."""
        return self._left == 0

    def cut(self, data: bytes) -> bytes:
        """The part of `data`, the next bytes of the stream, that belongs to the section."""
        dropped = min(self._skip, len(data))
        self._skip -= dropped
        kept = data[dropped:] if self._left is None else data[dropped : dropped + self._left]
        if self._left is not None:
            self._left -= len(kept)
        return kept


class Chunker:
    """Collects bytes and gives them out in chunks of `size`."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept = bytearray()
        self._given = 0

    @property
    def offset(self) -> int:
        """Bytes taken so far, given out or not."""
        return self._given + len(self._kept)

    def feed(self, data: bytes, arrival: float | None = None) -> list[Chunk]:
        """The chunks that `data`, which came at `arrival`, completes."""
        self._kept += data
        whole = len(self._kept) - len(self._kept) % self._size
        chunks = [
            Chunk(self._given + at, bytes(self._kept[at : at + self._size]), arrival)
            for at in range(0, whole, self._size)
        ]
        del self._kept[:whole]
        self._given += whole
        return chunks

    def flush(self, arrival: float | None = None) -> list[Chunk]:
        """The last, shorter chunk, if anything is left."""
        if not self._kept:
            return []
        last = Chunk(self._given, bytes(self._kept), arrival)
        self._given += len(self._kept)
        self._kept.clear()
        return [last]
