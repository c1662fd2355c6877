"""Which stretches of one long byte string stand where in another, in linear time.

Walk both from the front. Where they part, look for the next place in the recording whose bytes
are somewhere in what was sent: blocks of the sent audio are indexed by hash, and a window slides
over the recording byte by byte. Of the places found, the one that agrees for longest wins, and
among equals the one that takes the fewest edits. Silence and other steady sound agrees with
itself everywhere and says nothing about where it belongs, so it is passed over; the place found
behind it is then followed back through it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
_Hashes = npt.NDArray[np.uint64]
#: Bytes of agreement, less the edits to get there; offset in the sent, place in the recording.
_Rank = tuple[int, int, int, int]

#: Length of a block and of the window, in bytes.
BLOCK = 32
#: Windows looked up in one go: at first, and at most.
_BATCH = 1 << 10
_BATCH_MAX = 1 << 20
#: Agreement beyond this is not measured when places are compared.
_FAR = 1 << 18
#: Bytes to each side within which a place is sought first, and then.
_NEAR = (1 << 17, 1 << 20)
#: Places compared at most, and how many neighbours on each side a block may offer.
_TRIES = 64
_NEIGHBOURS = 3
#: A block that comes again within so many bytes is part of a steady sound (64 ms at 16 kHz).
_SOON = 2048
_FACTORS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93],
    dtype=np.uint64,
)


@dataclass(frozen=True, slots=True)
class Run:
    """`size` bytes of `recorded` from `at` on are those of `sent` from `offset` on."""

    at: int
    offset: int
    size: int


def runs(sent: Bytes, recorded: Bytes) -> list[Run]:
    """The agreeing stretches, in the order of `recorded`; what lies between is in none of them."""
    tail = _common_tail(sent, recorded)
    index: _Index | None = None
    found: list[Run] = []
    i = j = 0
    while j < len(recorded):
        size = _agree(sent, i, recorded, j)
        if size:
            found.append(Run(j, i, size))
            i, j = i + size, j + size
        if j >= len(recorded):
            break
        place = _by_tail(sent, recorded, j, tail)
        if place is None and index is None:
            place = _nearby(sent, recorded, i, j)
        if place is None:
            index = index or _Index(sent, 0, len(sent))
            place = _resume(index, sent, recorded, i, j, len(recorded))
        if place is None:
            break
        i, j = place
    return found


def _by_tail(sent: Bytes, recorded: Bytes, j: int, tail: int) -> tuple[int, int] | None:
    """Where to go on if the rest of the recording is the end of what was sent.

    The shortest explanation there is, and the only one that holds through steady sound.
    """
    left = len(recorded) - j
    return (len(sent) - left, j) if left <= tail else None


def _nearby(sent: Bytes, recorded: Bytes, i: int, j: int) -> tuple[int, int] | None:
    """Where to go on if both agree again from here on, for as long as places are compared: no place
    further away could be better, unless this one left something out of the recording. It spares
    most recordings the index of all that was sent."""
    for near in _NEAR:
        begin = max(0, i - near) // BLOCK * BLOCK
        index = _Index(sent, begin, min(i + near, len(sent)))
        place = _resume(index, sent, recorded, i, j, min(j + near // 2, len(recorded)))
        if place is not None and place[1] == j:
            far = _agree(sent, place[0], recorded, j, limit=_FAR)
            return place if far == _FAR else None
    return None


class _Index:
    """Where in the sent audio, from `begin` (a multiple of `BLOCK`) to `end`, each block stands:
    those that tell something, and steady ones."""

    def __init__(self, sent: Bytes, begin: int, end: int) -> None:
        count = (end - begin) // BLOCK
        hashes = _hash(sent[begin : begin + count * BLOCK].reshape(count, BLOCK))
        order = np.argsort(hashes, kind="stable")
        hashes, offsets = hashes[order], order.astype(np.int64) * BLOCK + begin
        steady = _steady(hashes, offsets)
        self.telling = _Places(hashes[~steady], offsets[~steady])
        self.steady = _Places(hashes[steady], offsets[steady])


def _steady(hashes: _Hashes, offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which blocks come again so soon, anywhere, that they say nothing about where they belong."""
    if not len(hashes):
        return np.zeros(0, dtype=bool)
    new = np.append(True, hashes[1:] != hashes[:-1])
    soon = np.append(False, ~new[1:] & (np.diff(offsets) <= _SOON))
    groups = np.flatnonzero(new)
    sizes = np.diff(np.append(groups, len(hashes)))
    return np.repeat(np.logical_or.reduceat(soon, groups), sizes)


@dataclass(frozen=True, slots=True)
class _Places:
    """Hashes in order, and the offsets of their blocks, in order within each hash."""

    hashes: _Hashes
    offsets: npt.NDArray[np.int64]

    def of(self, recorded: Bytes, start: int, end: int, shift: int) -> Iterator[tuple[int, int]]:
        """Candidates for the windows from `start` to `end`: places in the recording and the sent.

        Of many places of one block, those nearest to where it would stand without an edit.
        """
        windows = _window_hashes(recorded, start, end)
        first = np.searchsorted(self.hashes, windows, side="left")
        last = np.searchsorted(self.hashes, windows, side="right")
        for k in np.flatnonzero(last > first).tolist():
            here = self.offsets[first[k] : last[k]]
            middle = int(np.searchsorted(here, start + k + shift))
            for offset in here[max(0, middle - _NEIGHBOURS) : middle + _NEIGHBOURS].tolist():
                yield start + k, offset


def _resume(
    index: _Index, sent: Bytes, recorded: Bytes, i: int, j: int, until: int
) -> tuple[int, int] | None:
    """Where both agree again from `j` to `until`: the place in each, or None."""
    start, batch = j, _BATCH
    while start + BLOCK <= until:
        end = min(start + batch, until)
        ranks = []
        tried: set[int] = set()
        for at, offset in index.telling.of(recorded, start, end, i - j):
            if offset - at not in tried:
                tried.add(offset - at)
                ranks.append(_rank(sent, recorded, i, j, offset, at))
            if len(tried) >= _TRIES:
                break
        place = _first(ranks)
        if place is not None:
            return place
        start, batch = end, min(batch * 2, _BATCH_MAX)
    # Nothing but steady sound to the end: any place of it is as good as another.
    near = islice(index.steady.of(recorded, j, j + _BATCH, i - j), _TRIES)
    return _first([_rank(sent, recorded, i, j, offset, at) for at, offset in near])


def _first(ranks: list[_Rank]) -> tuple[int, int] | None:
    """The best place, or what explains the bytes that it would skip."""
    # Less than a block is a chance meeting of hashes.
    ranks = [rank for rank in ranks if rank[0] >= BLOCK]
    if not ranks:
        return None
    best = max(ranks)
    while earlier := [rank for rank in ranks if rank[3] + BLOCK <= best[3]]:
        best = max(earlier)
    return best[2], best[3]


def _rank(sent: Bytes, recorded: Bytes, i: int, j: int, offset: int, at: int) -> _Rank:
    """How long both agree around a place, less what it costs to get there, and where it begins."""
    back = _agree_back(sent, offset, recorded, at, at - j)
    offset, at = offset - back, at - back
    size = _agree(sent, offset, recorded, at, limit=_FAR)
    return size, -(abs(offset - i) + at - j), offset, at


def _window_hashes(data: Bytes, start: int, end: int) -> _Hashes:
    """The hash of every window that begins from `start` to `end`."""
    piece = data[start : min(end + BLOCK - 1, len(data))]
    if len(piece) < BLOCK:
        return np.empty(0, dtype=np.uint64)
    return _hash(np.lib.stride_tricks.sliding_window_view(piece, BLOCK))


def _hash(rows: Bytes) -> _Hashes:
    words = np.ascontiguousarray(rows).view(np.uint64)
    mixed: _Hashes = np.zeros(len(words), dtype=np.uint64)
    for column in range(BLOCK // 8):
        mixed ^= words[:, column] * _FACTORS[column]
        mixed = (mixed << np.uint64(29)) | (mixed >> np.uint64(35))
    return mixed


def _agree(a: Bytes, i: int, b: Bytes, j: int, limit: int | None = None) -> int:
    """How many bytes are the same from a[i] and b[j] on."""
    most = min(len(a) - i, len(b) - j)
    most = most if limit is None else min(most, limit)
    done, step = 0, 1 << 10
    while done < most:
        step = min(step, most - done)
        differ = a[i + done : i + done + step] != b[j + done : j + done + step]
        if differ.any():
            return done + int(differ.argmax())
        done, step = done + step, min(step * 4, 1 << 20)
    return done


def _agree_back(a: Bytes, i: int, b: Bytes, j: int, limit: int) -> int:
    """How many bytes are the same right before a[i] and b[j], up to `limit`."""
    most = min(i, j, limit)
    return _agree(a[i - most : i][::-1], 0, b[j - most : j][::-1], 0) if most else 0


def _common_tail(a: Bytes, b: Bytes) -> int:
    return _agree_back(a, len(a), b, len(b), min(len(a), len(b)))
