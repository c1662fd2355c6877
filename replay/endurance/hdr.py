"""HdrHistogram's buckets and its V2 text, over whole arrays, and only for the buckets in use.

Written from the published format: the package `hdrhistogram` takes one value at a time (0.7 µs,
where numpy takes 0.05), keeps every bucket that there could be (183 KB for an hour in µs, of which
a soak of twelve hours needs thousands), and asks for setuptools at run time. It is what the tests
hold this against. Any tool that reads HdrHistogram's V2 text reads what is written here.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64decode, b64encode
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

#: The largest value that has a bucket: an hour in µs.
HIGHEST = 3_600_000_000

_HEAD, _WRAP = struct.Struct(">iiiiqqd"), struct.Struct(">ii")
_PLAIN, _COMPRESSED = 0x1C849313, 0x1C849314


@dataclass(frozen=True, slots=True)
class Buckets:
    """The buckets for whole values from 0, each as wide as so many significant digits leave it."""

    digits: int

    @property
    def _magnitude(self) -> int:
        """Values below two to the power of one more have a bucket each."""
        return (2 * int(10**self.digits) - 1).bit_length() - 1

    def index(self, values: Ints) -> Ints:
        """The bucket of each value; they must be below 2**53."""
        half = self._magnitude
        bits = np.frexp(np.maximum(values, 1).astype(np.float64))[1].astype(np.int64)
        shift = np.maximum(bits - half - 1, 0)
        return np.asarray((values >> shift) + (shift << half))

    def lowest(self, index: Ints) -> Ints:
        """The smallest value of each bucket."""
        shift, sub = self._parts(index)
        return np.asarray(sub << shift)

    def width(self, index: Ints) -> Ints:
        """How many values each bucket holds."""
        return np.asarray(np.int64(1) << self._parts(index)[0])

    def middle(self, index: Ints) -> Ints:
        return np.asarray(self.lowest(index) + self.width(index) // 2)

    def _parts(self, index: Ints) -> tuple[Ints, Ints]:
        half = self._magnitude
        shift = np.maximum((index >> half) - 1, 0)
        return shift, index - (shift << half)


def encode(digits: int, index: Ints, counts: Ints) -> str:
    """The V2 text of a histogram: base64 of deflated counts. `index` ascends, counts are over 0."""
    gaps = np.diff(index, prepend=-1) - 1
    pairs = np.stack([np.where(gaps > 1, -gaps, 0), counts], axis=1).ravel()
    keep = np.stack([gaps > 0, np.ones(len(gaps), dtype=bool)], axis=1).ravel()
    payload = _varints(pairs[keep])
    head = _HEAD.pack(_PLAIN, len(payload), 0, digits, 1, HIGHEST, 1.0)
    packed = zlib.compress(head + payload)
    return b64encode(_WRAP.pack(_COMPRESSED, len(packed)) + packed).decode()


def decode(text: str) -> tuple[int, Ints, Ints]:
    """Digits, buckets in use and their counts.

    Raises:
        ValueError: it is no such text.
    """
    try:
        data = b64decode(text, validate=True)
        cookie, size = _WRAP.unpack_from(data)
        plain = zlib.decompress(data[_WRAP.size : _WRAP.size + size])
        inner, length, offset, digits, lowest, _, ratio = _HEAD.unpack_from(plain)
    except (struct.error, zlib.error) as error:
        raise ValueError(f"no histogram: {error}") from None
    if (cookie, inner, offset, lowest, ratio) != (_COMPRESSED, _PLAIN, 0, 1, 1.0):
        raise ValueError("no histogram in the V2 encoding of whole values from 1")
    values = _of_varints(np.frombuffer(plain, np.uint8, length, _HEAD.size))
    ends = np.cumsum(np.where(values < 0, -values, 1))
    held = values > 0
    return digits, ends[held] - 1, values[held]


def _varints(values: Ints) -> bytes:
    """ZigZag, then seven bits a byte, the lowest first; below 2**55."""
    zigzag = (values << 1) ^ (values >> 63)
    bits = np.frexp(np.maximum(zigzag, 1).astype(np.float64))[1]
    length = (bits + 6) // 7
    place = np.arange(int(length.max(initial=1)))
    septets = (zigzag[:, None] >> (7 * place)) & 0x7F
    septets |= np.where(place < length[:, None] - 1, 0x80, 0)
    kept: npt.NDArray[np.uint8] = septets[place < length[:, None]].astype(np.uint8)
    return kept.tobytes()


def _of_varints(data: npt.NDArray[np.uint8]) -> Ints:
    last = np.flatnonzero(data < 0x80)
    if not len(last):
        return np.empty(0, dtype=np.int64)
    first = np.concatenate(([0], last[:-1] + 1))
    place = np.arange(last[-1] + 1) - np.repeat(first, last - first + 1)
    septets = (data[: last[-1] + 1].astype(np.int64) & 0x7F) << (7 * place)
    zigzag = np.add.reduceat(septets, first)
    return np.asarray((zigzag >> 1) ^ -(zigzag & 1))
