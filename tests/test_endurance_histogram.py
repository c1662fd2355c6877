"""Histograms: they add up, nothing is clamped, and other tools read them."""

from __future__ import annotations

from random import Random

import msgspec
import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from replay.endurance.hdr import HIGHEST, Buckets, decode, encode
from replay.endurance.histogram import Encoded, Histogram, merged
from replay.statistics import QUANTILES, distribution, smallest_sample

HOUR_MS = 3_600_000.0
#: ms, as they are measured: a negative one now and then, and one over the hour.
MS = st.floats(-2000, 1.2 * HOUR_MS, allow_nan=False)
BOUNDS = st.floats(0, 5000)


def made(values: list[float], censored: list[float] = (), digits: int = 3) -> Histogram:
    found = Histogram(digits)
    found.add(values, list(censored))
    return found


@given(st.lists(st.tuples(st.lists(MS), st.lists(BOUNDS)), max_size=5), st.sampled_from([1, 2, 3]))
def test_parts_add_up_to_the_whole(
    parts: list[tuple[list[float], list[float]]], digits: int
) -> None:
    """Merging histograms is recording everything in one, to the last digit kept."""
    whole = made(
        [each for values, _ in parts for each in values],
        [each for _, bounds in parts for each in bounds],
        digits,
    )
    assert merged([made(*each, digits) for each in parts], digits) == whole
    assert merged([made(*each, digits).encoded() for each in reversed(parts)], digits) == whole


@given(st.lists(MS), st.lists(BOUNDS))
def test_a_histogram_survives_being_written(values: list[float], bounds: list[float]) -> None:
    """Through JSON and back it is the same, and goes on counting as if nothing had been."""
    before = made(values, bounds)
    text = msgspec.json.encode(before.encoded())
    after = Histogram.decoded(msgspec.json.decode(text, type=Encoded))
    assert after == before
    before.add([1.0, -1.0])
    after.add([1.0, -1.0])
    assert after == before


@given(st.lists(MS, min_size=1, max_size=400), st.lists(BOUNDS, max_size=40))
def test_figures_are_those_of_the_values(values: list[float], bounds: list[float]) -> None:
    """Every statistic, and whether it can be given at all, is that of the sorted values: n, least
    and most exactly, quantiles to three digits."""
    values = [round(each, 3) for each in values]
    bounds = [round(each, 3) for each in bounds]
    found, truth = made(values, bounds).distribution(), distribution(values, bounds)
    assert (found.n, found.censored, found.needed) == (truth.n, truth.censored, truth.needed)
    assert (found.min, found.max) == (truth.min, truth.max)
    assert found.mean == (None if truth.mean is None else pytest.approx(truth.mean, abs=0.002))
    for name in QUANTILES:
        mine, theirs = getattr(found, name), getattr(truth, name)
        if theirs is not None and theirs > HOUR_MS:
            assert mine is None
            assert found.at_least[name] == HOUR_MS
        elif mine is None or theirs is None:
            # A value and a bound in one bucket cannot be told apart: then there is no figure.
            known = {} if found.at_least is UNSET else found.at_least
            bound = theirs if theirs is not None else (truth.at_least or {}).get(name)
            assert mine is None
            assert known.get(name) == (bound and pytest.approx(bound, rel=1e-3, abs=0.001))
        else:
            assert mine == pytest.approx(theirs, rel=1e-3, abs=0.001)


def test_nothing_is_clamped() -> None:
    """Negative values stand below zero, what is over the hour is counted and gives no figure."""
    found = made([-5.0, -1.0, 2.0, 2 * HOUR_MS, 3 * HOUR_MS])
    assert (found.n, found.negative, found.overflow) == (5, 2, 2)
    assert found.quantile(0.2) == -5.0
    assert found.quantile(0.6) == 2.0
    assert found.quantile(0.8) is None
    assert found.distribution().max == 3 * HOUR_MS
    assert [(round(begin, 3), count) for begin, _, count in found.buckets()] == [
        (-5.003, 1),
        (-1.0, 1),
        (2.0, 1),
    ]
    assert Histogram().quantile(0.5) is None
    assert Histogram().distribution() == distribution([])


@given(st.lists(st.integers(0, HIGHEST), min_size=1), st.sampled_from([1, 2, 3, 4]))
def test_the_buckets_are_those_of_hdrhistogram(values: list[int], digits: int) -> None:
    """Every value lies in the bucket in which the published histogram has it."""
    theirs = HdrHistogram(1, HIGHEST, digits)
    array = np.array(values)
    index = Buckets(digits).index(array)
    assert index.tolist() == [theirs.get_counts_array_index(each) for each in values]
    lowest, width = Buckets(digits).lowest(index), Buckets(digits).width(index)
    assert lowest.tolist() == [theirs.get_lowest_equivalent_value(each) for each in values]
    highest = [theirs.get_highest_equivalent_value(each) for each in values]
    assert (lowest + width - 1).tolist() == highest


@given(st.lists(st.integers(0, HIGHEST), min_size=1, max_size=200), st.integers(1, 70_000))
def test_other_tools_read_our_text(values: list[int], times: int) -> None:
    """And we read theirs: the same counts in the same buckets, both ways."""
    theirs = HdrHistogram(1, HIGHEST, 3)
    for each in values:
        theirs.record_value(each, times)
    digits, index, counts = decode(theirs.encode().decode())
    mine = np.unique(Buckets(3).index(np.array(values)), return_counts=True)
    assert digits == 3
    assert index.tolist() == mine[0].tolist()
    assert counts.tolist() == (mine[1] * times).tolist()
    back = HdrHistogram.decode(encode(3, index, counts))
    assert back.get_total_count() == len(values) * times
    assert all(back.get_count_at_index(at) == n for at, n in zip(index, counts, strict=True))


@pytest.mark.parametrize("text", ["", "nonsense!", "aGVsbG8=", "HISTFAAAAAA=", "AAAAAAAAAAA="])
def test_what_is_no_histogram_is_refused(text: str) -> None:
    """With a ValueError, whatever is wrong with it."""
    with pytest.raises(ValueError, match=r"."):
        decode(text)


def test_other_digits_are_refused() -> None:
    """Histograms of other digits do not add up, and a text of other digits is damage."""
    with pytest.raises(ValueError, match="3 and 2 digits do not add up"):
        made([1.0]).merge(made([1.0], digits=2))
    damaged = msgspec.structs.replace(made([1.0]).encoded(), digits=2)
    with pytest.raises(ValueError, match="3 digits among 2"):
        Histogram.decoded(damaged)


def test_a_quantile_is_given_when_the_sample_can_carry_it() -> None:
    """As in every other distribution: p99 from 368 values on."""
    random = Random(1)
    values = [random.lognormvariate(4, 0.5) for _ in range(smallest_sample(0.99))]
    assert made(values[:-1]).distribution().p99 is None
    assert made(values).distribution().p99 == pytest.approx(distribution(values).p99, rel=1e-3)
