"""The service's clock beside ours, and what of a latency is the network's: truths, read back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import Builder, Cut

from replay import ends, network, utterances, waterfall, words
from replay import journal as j
from replay.network import Network
from replay.timeline import Timeline
from replay.waterfall import STEPS, Steps

WORD = ("good", 200, 500)
PAIR = [WORD, ("morning", 550, 1010)]


def measured(timeline: Timeline) -> Network:
    return network.measure(timeline, utterances.gather(timeline), network.split(timeline))


def taken_apart(timeline: Timeline) -> Steps:
    spoken = utterances.gather(timeline)
    said = words.measure(timeline, spoken)
    whole = ends.gather(timeline, spoken, said)
    return waterfall.steps(timeline, spoken, said, whole, network.split(timeline))


def test_round_trips_are_from_the_frame_to_its_own_acknowledgement() -> None:
    """Forty chunks with 20 ms each: no stamp is needed for that."""
    found = measured(Builder().play().finish(4600).timeline())
    assert (found.round_trip.n, found.round_trip.min, found.round_trip.max) == (40, 20, 20)
    assert (found.offset_ms, found.bound_ms, found.uplink.n) == (None, None, 0)


def test_audio_sent_again_makes_a_round_trip_of_its_own() -> None:
    """An outage is no long way: what is sent again is acknowledged where it was sent."""
    found = measured(Builder().play([Cut(1205, 1850)]).finish(4600).timeline())
    assert (found.round_trip.min, found.round_trip.max) == (20, 20)


def test_a_clock_that_is_ahead_is_read_back() -> None:
    """7.5 s ahead, the round trip even both ways: the offset is exact, and so is the way down.

    The final is made at 1490 by our clock and is here at 1497.
    """
    built = Builder(ahead_ms=7500).play()
    built.transcript(1497, [WORD], final=True, created=1490)
    found = measured(built.finish(4600).timeline())
    assert (found.offset_ms, found.skew_ppm) == (7500, None)
    assert (found.uplink.min, found.uplink.max) == (10, 10)
    assert (found.downlink.n, found.downlink.p50) == (1, 7)
    # The word ends at 500, with the chunk of 500; that chunk is there at 510.
    assert (found.service_final.n, found.service_final.p50) == (1, 980)
    # Half of 20 ms, and a millisecond that the stamps do not tell.
    assert found.bound_ms == 11


@pytest.mark.parametrize("share", [0.0, 0.2, 0.8, 1.0])
def test_a_path_that_is_slower_one_way_is_wrong_by_no_more_than_the_bound(share: float) -> None:
    """It cannot be told from a clock that is off; half the round trip covers it."""
    built = Builder(ahead_ms=300, up_share=share).play()
    built.transcript(1497, [WORD], final=True, created=1490)
    found = measured(built.finish(4600).timeline())
    assert found.bound_ms is not None
    assert found.offset_ms == pytest.approx(300 + 20 * (share - 0.5))
    assert found.downlink.p50 == pytest.approx(7 + 20 * (share - 0.5))
    assert abs(7 - (found.downlink.p50 or 0)) <= found.bound_ms


def test_a_service_that_is_slow_to_acknowledge_looks_faster_than_it_is() -> None:
    """Audio arrives at once and is acknowledged 20 ms later: what the service takes for its final
    seems 20 ms less, twice the half of a round trip."""
    built = Builder(ahead_ms=300, up_share=1.0).play()
    built.transcript(1490, [WORD], final=True, created=1490)
    found = measured(built.finish(4600).timeline())
    assert (found.bound_ms, found.service_final.p50) == (11, 990 - 20)


def test_a_clock_that_runs_faster_is_followed() -> None:
    """Half a per mille over a minute is 30 ms, and the way down is 7 ms throughout."""
    built = Builder(seconds=60, ahead_ms=-1234, skew_ppm=500, stamp_digits=6).play()
    for number, at in enumerate((500, 30_000, 59_900)):
        word = [("good", at - 400, at - 100)]
        built.transcript(at + 7, word, final=True, name=str(number), created=at)
    found = measured(built.finish(61_000).timeline())
    assert found.skew_ppm == pytest.approx(500, abs=0.5)
    assert found.downlink.min == pytest.approx(7, abs=0.01)
    assert found.downlink.max == pytest.approx(7, abs=0.01)


def test_slow_answers_do_not_move_the_clock() -> None:
    """Nine in ten acknowledgements wait for 80 ms at the service: the quick ones tell."""
    built = Builder(seconds=20, ahead_ms=40).play()
    for number, ack in enumerate(e for e in built.entries if isinstance(e, j.Ack)):
        if number % 10:
            late = ack.t / 1e6 - 1000 + 80
            ack.t = round((late + 1000) * 1e6)
            ack.created_at = built.stamp(late)
    assert measured(built.timeline()).offset_ms == 40


def test_without_enough_stamps_nothing_is_estimated() -> None:
    """Nineteen acknowledgements tell nothing of a clock, nor do stamps that are none."""
    assert network.split(Builder(seconds=1.9, ahead_ms=5).play().timeline()) is None
    assert network.split(Builder(seconds=2.0, ahead_ms=5).play().timeline()) is not None
    built = Builder(ahead_ms=5)
    built.stamp = lambda ms: "soon"  # type: ignore[method-assign, assignment]
    assert network.split(built.play().timeline()) is None
    assert network.split(Builder(ahead_ms=5).timeline()) is None


def test_the_steps_of_a_word() -> None:
    """Both words of an utterance, taken apart by hand.

    The utterance ends at 1010; the chunk with that is full, and sent, at 1100, and at the service
    at 1110. speech_end is made at 1410, the final at 1450, and that is here at 1457.
    """
    built = Builder(ahead_ms=99).play()
    built.speech_end(1420, 1010, created=1410)
    built.transcript(1457, PAIR, final=True, created=1450)
    found = taken_apart(built.finish(4600).timeline())
    # good ends at 500, morning at 1010.
    assert found.took.tolist() == [[510, 90, 10, 300, 40, 7], [0, 90, 10, 300, 40, 7]]
    assert found.took.sum(axis=1).tolist() == [1457 - 500, 1457 - 1010]


def test_without_speech_end_the_service_is_one_step() -> None:
    """Endpointing is not known then, and decoding holds both."""
    built = Builder(ahead_ms=99).play().transcript(1457, PAIR, final=True, created=1450)
    timeline = built.finish(4600).timeline()
    found = waterfall.measure(taken_apart(timeline), network.split(timeline))
    assert (found.words, found.endpointing.n, found.decoding.p50) == (2, 0, 340)


def test_a_final_that_was_forced_is_not_taken_apart() -> None:
    """It comes of the stop, and waited for no silence."""
    built = Builder(ahead_ms=99).play().transcript(4457, PAIR, final=True, created=4450)
    assert len(taken_apart(built.finish(4600).timeline()).word) == 0


def test_without_stamps_no_word_is_taken_apart() -> None:
    """No clock, no steps."""
    built = Builder().play().transcript(1457, PAIR, final=True)
    timeline = built.finish(4600).timeline()
    found = waterfall.measure(taken_apart(timeline), network.split(timeline))
    assert (found.words, found.bound_ms, found.rest.n) == (0, None, 0)


@given(
    st.lists(st.tuples(st.integers(50, 900), st.integers(0, 300)), min_size=1, max_size=8),
    st.integers(-10_000, 10_000),
    st.integers(0, 50),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_the_steps_add_up_to_the_latency(
    lengths: list[tuple[int, int]], ahead: int, late: int, cut: bool
) -> None:
    """Whatever the clocks, the pace and the outages: no time is lost between two steps."""
    built = Builder(seconds=12, ahead_ms=ahead).play([Cut(1210, 1905)] if cut else [], late=late)
    start, row = 2500.0, []
    for number, (length, gap) in enumerate(lengths):
        row.append((f"word{number}", start, start + length))
        start += length + gap
    moved = [(w, a + built.shift_ms, b + built.shift_ms) for w, a, b in row]
    end = row[-1][2]
    built.speech_end(end + 410, moved[-1][2], created=end + 400)
    built.transcript(end + 507, moved, final=True, created=end + 500)
    timeline = built.timeline()
    found = taken_apart(timeline)
    spoken = utterances.gather(timeline)
    said = words.measure(timeline, spoken)
    whole = (said.column("final") - timeline.due(said.ends)) / 1e6
    assert len(found.word) == len(row)
    assert found.took.shape == (len(row), len(STEPS))
    assert found.took.sum(axis=1) == pytest.approx(whole)
