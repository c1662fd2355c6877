"""Distributions whose parts add up: recording in parts and merging is recording all in one.

Values go in and come out in ms and are counted in whole µs, to so many significant digits
(HdrHistogram's buckets). Nothing is clamped: negative values have buckets of their own below zero,
what is over an hour is counted as overflow, and what never came as a lower bound. The smallest, the
largest, and the sum are exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import UNSET, Struct

from replay.endurance.hdr import HIGHEST, Buckets, Ints, decode, encode
from replay.statistics import (
    QUANTILES,
    Distribution,
    Floats,
    Series,
    rank,
    smallest_sample,
)

_US_PER_MS = 1000
_NOTHING = np.empty(0, dtype=np.int64)
#: So many entries wait before they are put together.
_WAITING = 8192


class Encoded(Struct, kw_only=True, omit_defaults=True):
    """A histogram as it is kept: counts as HdrHistogram's V2 text, "" for none; times in µs.

    counts: of values from 0 to an hour; negatives: of what is below, by its size; bounds: of lower
    bounds of what never came, with `bound` the lowest. overflow: values over an hour. low, high,
    total: the exact smallest, largest and sum of all values, None and 0 without any.
    """

    digits: int = 3
    counts: str = ""
    negatives: str = ""
    bounds: str = ""
    bound: int | None = None
    overflow: int = 0
    low: int | None = None
    high: int | None = None
    total: int = 0


class Histogram:
    """`digits`: significant ones; only histograms of the same number of them can be merged."""

    def __init__(self, digits: int = 3) -> None:
        self.digits = digits
        self._values = _Counts()
        self._bounds = _Counts()
        self._bound: int | None = None
        self._low: int | None = None
        self._high: int | None = None
        self._total = 0
        self.overflow = 0
        self._asked: dict[float, tuple[float, bool]] = {}  # quantiles, until something comes

    @classmethod
    def of(cls, series: Series, digits: int = 3) -> Histogram:
        """Of every single value of a measure."""
        made = cls(digits)
        made.add(series.values, series.censored)
        return made

    @classmethod
    def decoded(cls, text: Encoded) -> Histogram:
        """As it was kept.

        Raises:
            ValueError: it is damaged.
        """
        made = cls(text.digits)
        for kept, counts, below in (
            (text.counts, made._values, False),
            (text.negatives, made._values, True),
            (text.bounds, made._bounds, False),
        ):
            if kept:
                digits, index, count = decode(kept)
                if digits != text.digits:
                    raise ValueError(f"a histogram of {digits} digits among {text.digits}")
                counts.put(-1 - index[::-1] if below else index, count[::-1] if below else count)
        made._bound, made._low, made._high = text.bound, text.low, text.high
        made._total, made.overflow = text.total, text.overflow
        return made

    # ------------------------------------------------------------------ filling

    def add(
        self, values: Sequence[float] | Floats, censored: Sequence[float] | Floats = ()
    ) -> None:
        """Count values and lower bounds, in ms; NaN stands for "does not apply"."""
        self._asked.clear()
        known, bounds = _microseconds(values), _microseconds(censored)
        if len(known):
            self._low = _least(self._low, int(known.min()))
            self._high = _most(self._high, int(known.max()))
            self._total += int(known.sum())
            self.overflow += int((known > HIGHEST).sum())
            self._values.put(*np.unique(self._index(known[known <= HIGHEST]), return_counts=True))
        if len(bounds):
            self._bound = _least(self._bound, int(bounds.min()))
            index = self._index(np.clip(bounds, 0, HIGHEST))  # a lower bound may be lower
            self._bounds.put(*np.unique(index, return_counts=True))

    def merge(self, other: Histogram) -> None:
        """Add all that another has counted.

        Raises:
            ValueError: it keeps other digits.
        """
        if other.digits != self.digits:
            raise ValueError(f"histograms of {self.digits} and {other.digits} digits do not add up")
        self._asked.clear()
        self._values.put(*other._values.all)
        self._bounds.put(*other._bounds.all)
        self._bound = _least(self._bound, other._bound)
        self._low = _least(self._low, other._low)
        self._high = _most(self._high, other._high)
        self._total += other._total
        self.overflow += other.overflow

    def _index(self, values: Ints) -> Ints:
        index = Buckets(self.digits).index(np.abs(values))
        return np.asarray(np.where(values < 0, -1 - index, index))

    # ------------------------------------------------------------------ reading

    @property
    def n(self) -> int:
        """Everything counted, what never came included."""
        return int(self._values.all[1].sum()) + self.overflow + self.censored

    @property
    def negative(self) -> int:
        index, counts = self._values.all
        return int(counts[index < 0].sum())

    @property
    def censored(self) -> int:
        return int(self._bounds.all[1].sum())

    def quantile(self, q: float) -> float | None:
        """Nearest-rank, in ms: the middle of the bucket that it lies in. None where there is
        nothing, or where what never came, or overflowed, decides."""
        value, at_least = self._quantile(q)
        return None if at_least else value

    def distribution(self) -> Distribution:
        """As `statistics.distribution` has it of the same values, to the digits kept."""
        n = self.n
        if n == 0:
            return Distribution()
        found = Distribution(n=n, censored=self.censored)
        needed, at_least = {}, {}
        for name, q in QUANTILES.items():
            if n < smallest_sample(q):
                needed[name] = smallest_sample(q)
                continue
            value, bound = self._quantile(q)
            if bound:
                at_least[name] = value
            else:
                setattr(found, name, value)
        if self._low is not None and (self._bound is None or self._low < self._bound):
            found.min = self._low / _US_PER_MS
        if not self.censored and self._high is not None:
            found.max = self._high / _US_PER_MS
            found.mean = round(self._total / n / _US_PER_MS, 3)
        elif self.censored:
            top = int(self._bounds.all[0][-1])
            bound_top = int(Buckets(self.digits).lowest(np.array([top]))[0])
            at_least["max"] = max(bound_top, self._high or 0) / _US_PER_MS
        found.needed, found.at_least = needed or UNSET, at_least or UNSET
        return found

    def buckets(self) -> list[tuple[float, float, int]]:
        """Every bucket in use: from and until, in ms, and how many values; upwards."""
        index, counts = self._values.all
        size = np.where(index < 0, -1 - index, index)
        low, width = Buckets(self.digits).lowest(size), Buckets(self.digits).width(size)
        begins = np.where(index < 0, -(low + width - 1), low) / _US_PER_MS
        ends = begins + width / _US_PER_MS
        return list(zip(begins.tolist(), ends.tolist(), counts.tolist(), strict=True))

    def encoded(self) -> Encoded:
        index, counts = self._values.all
        below = index < 0
        bound_index, bound_counts = self._bounds.all
        return Encoded(
            digits=self.digits,
            counts=self._text(index[~below], counts[~below]),
            negatives=self._text(-1 - index[below][::-1], counts[below][::-1]),
            bounds=self._text(bound_index, bound_counts),
            bound=self._bound,
            overflow=self.overflow,
            low=self._low,
            high=self._high,
            total=self._total,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self.encoded() == other.encoded()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"<Histogram of {self.n}>"

    def _text(self, index: Ints, counts: Ints) -> str:
        return encode(self.digits, index, counts) if len(index) else ""

    def _quantile(self, q: float) -> tuple[float, bool]:
        """A quantile, and whether it is only a lower bound; (0, True) where there is nothing."""
        if q not in self._asked:
            self._asked[q] = self._found(q)
        return self._asked[q]

    def _found(self, q: float) -> tuple[float, bool]:
        n = self.n
        if n == 0:
            return 0.0, True
        index, counts = self._values.all
        bound_index, bound_counts = self._bounds.all
        both = np.concatenate((index, bound_index))
        order = np.argsort(both, kind="stable")
        reached = np.cumsum(np.concatenate((counts, bound_counts))[order])
        at = int(np.searchsorted(reached, rank(n, q), side="right"))
        if at == len(reached):
            return HIGHEST / _US_PER_MS, True
        place = both[order][at : at + 1]
        # In the bucket of the lowest bound nobody can tell which is which.
        if len(bound_index) and place[0] >= bound_index[0]:
            return int(Buckets(self.digits).lowest(place)[0]) / _US_PER_MS, True
        value = int(self._middle(place)[0])
        assert self._low is not None
        assert self._high is not None
        # The middle of a bucket may lie beside all that was seen in it.
        return min(max(value, self._low), self._high) / _US_PER_MS, False

    def _middle(self, index: Ints) -> Ints:
        size = Buckets(self.digits).middle(np.where(index < 0, -1 - index, index))
        return np.asarray(np.where(index < 0, -size, size))


def merged(several: Iterable[Histogram | Encoded], digits: int = 3) -> Histogram:
    """All of them as one."""
    made = Histogram(digits)
    for each in several:
        made.merge(Histogram.decoded(each) if isinstance(each, Encoded) else each)
    return made


class _Counts:
    """Counts by bucket, for the buckets in use; put together when there are many or they are
    asked for."""

    def __init__(self) -> None:
        self._index, self._counts = _NOTHING, _NOTHING
        self._waiting: list[tuple[Ints, Ints]] = []
        self._size = 0

    def put(self, index: Ints, counts: Ints) -> None:
        """`index` ascends."""
        if len(index):
            self._waiting.append((index, counts))
            self._size += len(index)
            if self._size > max(_WAITING, len(self._index)):
                self._together()

    @property
    def all(self) -> tuple[Ints, Ints]:
        """The buckets in use, upwards, and their counts."""
        if self._waiting:
            self._together()
        return self._index, self._counts

    def _together(self) -> None:
        index = np.concatenate([self._index, *(each for each, _ in self._waiting)])
        counts = np.concatenate([self._counts, *(each for _, each in self._waiting)])
        self._waiting, self._size = [], 0
        self._index, place = np.unique(index, return_inverse=True)
        self._counts = np.zeros(len(self._index), dtype=np.int64)
        np.add.at(self._counts, place, counts)


def _microseconds(values: Sequence[float] | Floats) -> Ints:
    array = np.asarray(values, dtype=np.float64)
    return np.rint(array[~np.isnan(array)] * _US_PER_MS).astype(np.int64)


def _least(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)


def _most(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else max(one, other)
