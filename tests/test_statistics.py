"""Quantiles, distributions and slopes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from replay.statistics import distribution, milliseconds, quantile, slope, smallest_sample

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200)


@given(VALUES, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_quantile_is_the_nearest_rank(values: list[float], q: float) -> None:
    """Ours agrees with numpy's inverse of the empirical distribution."""
    # numpy rounds q*n up without guarding against its last bit; a hair less is the same rank.
    expected = np.quantile(values, q - 1e-12, method="inverted_cdf")
    assert quantile(sorted(values), q) == expected


@given(st.permutations(list(range(80))))
def test_the_order_of_a_sample_does_not_matter(values: list[int]) -> None:
    """A shuffled sample has the same figures."""
    assert distribution([float(v) for v in values]) == distribution(np.arange(80.0))


def test_hand_worked_figures() -> None:
    """1 to 100: rank 50 is 50, rank 90 is 90, rank 95 is 95, and 99 cannot be told from 100."""
    found = distribution([float(v) for v in range(1, 101)])
    assert (found.n, found.min, found.p50, found.p90, found.p95) == (100, 1, 50, 90, 95)
    assert (found.p99, found.max, found.mean, found.censored) == (None, 100, 50.5, 0)
    assert (found.needed, found.at_least) == ({"p99": 368}, UNSET)


@pytest.mark.parametrize(("q", "n"), [(0.5, 1), (0.9, 36), (0.95, 72), (0.99, 368)])
def test_a_percentile_asks_for_its_sample(q: float, n: int) -> None:
    """It appears with the first sample whose 95 % interval has an upper end, and not before."""
    assert smallest_sample(q) == n
    name = f"p{q * 100:.0f}"
    assert getattr(distribution(np.arange(float(n))), name) is not None
    short = distribution(np.arange(n - 1.0))
    assert n == 1 or (getattr(short, name), short.needed[name]) == (None, n)


def test_nothing_measured_is_nothing_claimed() -> None:
    """An empty sample, or one of things that do not apply, has no figures."""
    assert distribution([]) == distribution([math.nan]) == milliseconds(np.empty(0))
    assert (distribution([]).n, distribution([]).p50, distribution([]).mean) == (0, None, None)


def test_what_never_came_counts_and_hides_what_it_could_move() -> None:
    """Seven came within 7 ms, three were waited for 50 ms in vain: the median stands, more not."""
    found = distribution([1.0, 2, 3, 4, 5, 6, 7], [50.0, 50, 50])
    assert (found.n, found.censored, found.min, found.p50) == (10, 3, 1, 5)
    assert (found.max, found.mean) == (None, None)
    assert found.at_least == {"max": 50}
    early = distribution([1.0, 2, 3, 4, 5, 6, 7], [2.5, 2.5, 2.5])
    assert early.p50 is None
    # In the order 1, 2, then 2.5 three times and more: the fifth is one that never came.
    assert early.at_least == {"p50": 2.5, "max": 7}


@given(VALUES, st.lists(st.floats(-1e6, 1e6), max_size=50), st.floats(0, 1e6))
def test_a_bound_holds_wherever_the_censored_come_to_lie(
    values: list[float], bounds: list[float], longer: float
) -> None:
    """Whatever was waited for in vain comes later still: no figure changes, no bound is passed."""
    found = distribution(values, bounds)
    came = distribution([*values, *(bound + longer for bound in bounds)])
    for name in ("p50", "p90", "p95", "p99", "max"):
        if getattr(found, name) is not None:
            assert getattr(found, name) == getattr(came, name)
        elif found.at_least is not UNSET and name in found.at_least:
            assert found.at_least[name] <= getattr(came, name) + 1e-9


def test_a_slope_is_not_moved_by_outliers() -> None:
    """A line with a tenth of wild values keeps its slope; a constant x has none."""
    x = np.arange(1000.0)
    y = 3 * x
    y[::10] = 1e9
    assert slope(x, y) == pytest.approx(3)
    assert slope(np.ones(5), np.arange(5.0)) is None
    assert slope(np.empty(0), np.empty(0)) is None
