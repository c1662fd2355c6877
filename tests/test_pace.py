"""The plan: due times from positions, by whole-number arithmetic."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from replay.audio import BIT_DEPTHS, NS, SAMPLE_RATES, AudioFormat, Chunk
from replay.pace import UNPACED, Phase, Plan

FORMAT = AudioFormat()
CHUNK = FORMAT.bytes_in(0.1)
START = 123_456_789

formats = st.builds(
    AudioFormat,
    sample_rate=st.sampled_from(SAMPLE_RATES),
    bit_depth=st.sampled_from(BIT_DEPTHS),
    channels=st.integers(1, 8),
)
speeds = st.fractions(Fraction(1, 100), 100, max_denominator=1000)
offsets = st.integers(0, 10**12)


def chunk(index: int, size: int = CHUNK) -> Chunk:
    return Chunk(index * CHUNK, bytes(size))


def test_a_chunk_is_due_when_its_last_sample_was_spoken() -> None:
    """As if live, chunk k is due at start + (k + 1)·d."""
    plan = Plan(START, FORMAT)
    assert [plan.due(chunk(k)) for k in range(3)] == [
        START + 100_000_000,
        START + 200_000_000,
        START + 300_000_000,
    ]


def test_eager_is_one_chunk_early() -> None:
    """The eager phase differs from the live one by exactly one chunk, at every chunk."""
    live, eager = Plan(START, FORMAT), Plan(START, FORMAT, Phase.EAGER)
    assert {live.due(chunk(k)) - eager.due(chunk(k)) for k in range(1000)} == {100_000_000}


def test_the_last_short_chunk_is_due_at_the_total() -> None:
    """A short last chunk is due when the audio ends, not a whole chunk after the one before."""
    plan = Plan(START, FORMAT)
    assert plan.due(chunk(7, size=32)) == START + 700_000_000 + 1_000_000


def test_speed_divides_every_distance() -> None:
    """Twice the speed halves the times, and a speed that does not divide evenly stays exact."""
    assert Plan(0, FORMAT, speed=Fraction(2)).due(chunk(0)) == 50_000_000
    assert Plan(0, FORMAT, speed=Fraction(1, 2)).due(chunk(0)) == 200_000_000
    third = Plan(0, FORMAT, speed=Fraction(3))
    assert third.due(chunk(0)) == 33_333_333
    assert third.due(chunk(29)) == NS


def test_an_arrival_is_due_when_it_came() -> None:
    """A live source's chunk is due at its arrival, whatever its position and the speed."""
    plan = Plan(START, FORMAT, Phase.ARRIVAL, Fraction(5))
    assert plan.due(replace(chunk(9), arrival=2.5)) == 2_500_000_000


def test_an_unpaced_plan_has_no_distances() -> None:
    """Without a pace everything is due at the start."""
    plan = Plan(START, FORMAT, speed=UNPACED)
    assert plan.due(chunk(0)) == plan.due(chunk(10**6)) == START


@pytest.mark.parametrize("rate", SAMPLE_RATES)
@pytest.mark.parametrize("hours", [1, 12])
def test_no_drift_over_hours(rate: int, hours: int) -> None:
    """Hours of audio end on the nanosecond, at rates too whose chunks last no whole ones."""
    fmt = AudioFormat(sample_rate=rate)
    end = hours * 3600 * fmt.bytes_per_second
    assert Plan(START, fmt).at(end) == START + hours * 3600 * NS
    last = Chunk(end - fmt.frame_bytes, bytes(fmt.frame_bytes))
    assert Plan(START, fmt).due(last) == START + hours * 3600 * NS


@given(formats, speeds, offsets)
def test_every_instant_is_the_nearest_nanosecond(
    fmt: AudioFormat, speed: Fraction, offset: int
) -> None:
    """No instant is further than half a nanosecond from the exact one: errors do not add up."""
    exact = Fraction(offset * NS, fmt.bytes_per_second) / speed
    assert abs(Plan(START, fmt, speed=speed).at(offset) - START - exact) <= Fraction(1, 2)


@given(formats, speeds, offsets, st.integers(0, 10**9))
def test_later_audio_is_never_due_earlier(
    fmt: AudioFormat, speed: Fraction, offset: int, more: int
) -> None:
    """The plan never runs backwards."""
    plan = Plan(START, fmt, speed=speed)
    assert plan.at(offset) <= plan.at(offset + more)
