"""Many times in little room: each to three significant digits, with how often it came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct

from replay import statistics
from replay.statistics import Distribution, Floats

_DIGITS = 3


class Counts(Struct, kw_only=True, omit_defaults=True):
    """`ms`: values, sorted; `n`: how often each came. `never_ms` and `never_n`: the same of what
    never came, with how long it had been waited for."""

    ms: list[float] = []
    n: list[int] = []
    never_ms: list[float] = []
    never_n: list[int] = []


def count(values: Sequence[float] | Floats, never: Sequence[float] | Floats = ()) -> Counts:
    """`values` in ms; `never`: how long, in ms, what never came had been waited for."""
    ms, n = _count(np.asarray(values, dtype=np.float64))
    never_ms, never_n = _count(np.asarray(never, dtype=np.float64))
    return Counts(ms=ms, n=n, never_ms=never_ms, never_n=never_n)


def merge(several: Iterable[Counts]) -> Counts:
    """The counts of all of them together: the same as if all had been counted in one."""
    parts = list(several)
    ms, n = _count(*_all([(each.ms, each.n) for each in parts]))
    never_ms, never_n = _count(*_all([(each.never_ms, each.never_n) for each in parts]))
    return Counts(ms=ms, n=n, never_ms=never_ms, never_n=never_n)


def distribution(counts: Counts) -> Distribution:
    """In figures. Rounding keeps the order, so each is a value that happened, rounded."""
    return statistics.distribution(
        np.repeat(np.asarray(counts.ms, dtype=np.float64), counts.n),
        np.repeat(np.asarray(counts.never_ms, dtype=np.float64), counts.never_n),
    )


def _all(parts: list[tuple[list[float], list[int]]]) -> tuple[Floats, Floats]:
    values = [each for ms, _ in parts for each in ms]
    return np.asarray(values, dtype=np.float64), np.asarray([x for _, n in parts for x in n])


def _count(values: Floats, times: Floats | None = None) -> tuple[list[float], list[int]]:
    found, where = np.unique(_rounded(values), return_inverse=True)
    n = np.bincount(where, times, minlength=len(found)).astype(int)
    return found.tolist(), n.tolist()


def _rounded(values: Floats) -> Floats:
    """To three significant digits, and no finer than a microsecond."""
    size = np.abs(values)
    magnitude = np.floor(np.log10(np.maximum(size, 1e-3)))
    unit = 10.0 ** np.maximum(magnitude - (_DIGITS - 1), -3)
    return np.asarray(np.round(np.round(values / unit) * unit, _DIGITS), dtype=np.float64)
