"""What charts show, worked out of journals whose truth is known."""

from __future__ import annotations

import math
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import Builder, Cut, ns

from replay import journal as j
from replay import stability
from replay.align import fold
from replay.charts.course import course, rounds
from replay.charts.curves import STEPS, curve
from replay.charts.flicker import edits
from replay.charts.loudness import FULL, loudness
from replay.charts.session import session
from replay.charts.shades import shades
from replay.charts.ticks import NONE
from replay.reading import Reading, read
from replay.statistics import QUANTILES, Series, quantile
from replay.timeline import Timeline
from replay.utterances import Utterance, Utterances, Version

SAID = [("Good", 200, 500), ("morning", 550, 1000), ("everyone", 1100, 1650)]
LOW = ("good", 200, 500)


def reading(built: Builder) -> Reading:
    return read(built.timeline())


def series(values: list[float], censored: list[float] | None = None) -> Series:
    return Series(np.array(values, dtype=float), np.array(censored or [], dtype=float))


# ------------------------------------------------------------------ curves


def test_a_curve_steps_at_its_values() -> None:
    """At each value the share that lies at or below it; what does not apply is no part of it."""
    found = curve(series([30, 10, math.nan, 20, 20]))
    assert found.x == [10, 20, 30]
    assert found.share == found.most == [0.25, 0.75, 1]
    assert (found.distribution.n, found.distribution.p50, found.negative) == (4, 20, 0)


def test_what_never_came_holds_a_curve_down() -> None:
    """It counts in n, so that the curve ends below one; from its bound on it may be there too."""
    found = curve(series([10, 20, 90], [50]))
    assert found.x == [10, 20, 50, 90]
    assert found.share == [0.25, 0.5, 0.5, 0.75]
    assert found.most == [0.25, 0.5, 0.75, 1]
    assert found.distribution.censored == 1


def test_a_curve_of_nothing() -> None:
    """Is empty; of nothing but what never came it is flat."""
    assert curve(series([])).x == []
    flat = curve(series([], [40, 40]))
    assert (flat.x, flat.share, flat.most) == ([40], [0], [1])


def test_negative_values_are_counted() -> None:
    """And they are in the curve."""
    found = curve(series([-5, -0.5, 0, 10]))
    assert (found.negative, found.x[0]) == (2, -5)


finite = st.floats(-1e5, 1e5).map(lambda value: round(value, 3))


@given(st.lists(finite, min_size=1, max_size=2000), st.lists(finite, max_size=20))
@settings(max_examples=60, deadline=None)
def test_a_thinned_curve_is_true_at_every_step(values: list[float], never: list[float]) -> None:
    """Each step of it is one of the whole curve, none is left out over more than a few values, and
    every percentile is one of its steps."""
    found = curve(series(values, never))
    n = len(values) + len(never)
    ordered = np.sort(values)
    assert found.share == [round(np.searchsorted(ordered, x, side="right") / n, 5) for x in found.x]
    assert all(share <= most for share, most in zip(found.share, found.most, strict=True))
    every = np.sort(np.concatenate((ordered, never)))
    ranks = np.searchsorted(every, found.x, side="right")
    begins = np.searchsorted(every, found.x, side="left")
    assert (begins[1:] - ranks[:-1]).max(initial=0) <= math.ceil(n / STEPS) + 1
    assert {round(quantile(every, q), 3) for q in QUANTILES.values()} <= set(found.x)


def test_a_long_sample_is_thinned() -> None:
    """Ten thousand values take a few hundred steps, with both ends as they were."""
    found = curve(series([float(k) for k in range(10_000)]))
    assert len(found.x) < STEPS + 60
    assert (found.x[:3], found.x[-3:]) == ([0, 1, 2], [9997, 9998, 9999])


# ------------------------------------------------------------------ shades


def test_outages_and_faults_as_stretches() -> None:
    """An outage from the last sign of life until it had settled, the part without a connection,
    and a fault from its moment to its end; in ms of the plan."""
    built = Builder(reference=SAID).play([Cut(2010, 2400)])
    fault = {"rule": 0, "fault": "reset", "connection": 1}
    built.entries.append(j.FaultFired(t=ns(2009), text="reset", **fault))
    built.entries.append(j.FaultFired(t=ns(3000), text="hold(1s)", until=ns(3900), **fault))
    found = shades(reading(built.finish(4600)))
    # The last acknowledgement before the cut came at 1920, of the chunk of 1900; the audio was
    # caught up at 2405, and no partial came to be behind.
    assert [(each.kind, each.begun, each.over, each.text) for each in found] == [
        ("outage", 1920, 2405, "connection 1 lost (reset)"),
        ("fault", 2009, 2009, "reset"),
        ("down", 2010, 2400, "no connection"),
        ("fault", 3000, 3900, "hold(1s)"),
    ]


# ------------------------------------------------------------------ loudness


def pcm(*levels: int, each: int = 80) -> bytes:
    """So many samples of each level; 80 are a bucket of 5 ms."""
    return np.repeat(np.array(levels, dtype="<i2"), each).tobytes()


def played(seconds: float, **options: object) -> Timeline:
    return Builder(seconds=seconds, chunk_ms=5, **options).play().timeline()  # type: ignore[arg-type]


def test_a_waveform_of_three_levels() -> None:
    """Silence, half and full, whatever the sign: of a square wave peak and mean are the same."""
    found = loudness(played(0.02), memoryview(pcm(0, 8192, -16384, 16384)))
    assert found is not None
    assert (found.step, found.peak.tolist()) == (5, [0, 128, FULL, FULL])
    assert found.rms.tolist() == found.peak.tolist()


def test_a_peak_is_not_the_mean() -> None:
    """One loud sample of 80: the mean square is an eightieth."""
    data = np.zeros(160, dtype="<i2")
    data[3] = 16384
    found = loudness(played(0.01), memoryview(data.tobytes()))
    assert found is not None
    assert (found.peak.tolist(), found.rms.tolist()) == ([FULL, 0], [round(FULL / 80**0.5), 0])


def test_loudness_follows_the_plan() -> None:
    """At twice the pace of speech 5 ms hold twice the audio."""
    found = loudness(played(0.02, speed=2.0), memoryview(pcm(0, 16384, 8192, 0)))
    assert found is not None
    assert found.peak.tolist() == [FULL, 128]


def test_there_is_no_waveform_of_nothing() -> None:
    """Without audio, and without a plan to lay it along."""
    assert loudness(played(0.02), memoryview(b"")) is None
    assert loudness(Builder().timeline(), memoryview(pcm(1))) is None


@given(st.integers(1, 4000), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_loudness_is_that_of_each_bucket(samples: int, seed: int) -> None:
    """The same as of each bucket by itself."""
    audio = np.random.default_rng(seed).integers(-20_000, 20_000, samples).astype("<i2")
    timeline = played(-(-samples // 80) * 0.005)
    found = loudness(timeline, memoryview(audio.tobytes()))
    assert found is not None
    size = min(samples, timeline.produced // 2)
    buckets = [np.abs(audio[k : k + 80].astype(float)) for k in range(0, size, 80)]
    loudest = max(each.max() for each in buckets) or 1.0
    expected = [round(each.max() / loudest * FULL) for each in buckets]
    np.testing.assert_allclose(found.peak, expected, atol=1)


# ------------------------------------------------------------------ flicker


def version(text: str, t: int = 0) -> Version:
    raw = tuple(text.split())
    folded = tuple(fold(word) for word in raw)
    return Version(t, 1, text, raw, folded, (), (), 0.0, 1.0)


def test_what_each_version_kept_and_lost() -> None:
    """A word for another is taken back, one that comes in between moves nothing, and a capital is
    another way to write the same word."""
    texts = ["good warning", "good morning", "good old morning"]
    heard = Utterance("0", 0, partials=[version(text) for text in texts])
    heard.final = version("Good old morning.")
    assert [(each.kept, each.taken_back) for each in edits(heard)] == [
        (0, [1]),
        (1, []),
        (1, []),
        (0, []),
    ]


def test_an_utterance_without_a_final() -> None:
    """Its last partial is taken back by nothing."""
    heard = Utterance("0", 0, partials=[version("a b"), version("a")])
    assert [(each.kept, each.taken_back) for each in edits(heard)] == [(0, [1]), (1, [])]


texts = st.lists(st.sampled_from("a b c d".split()), max_size=6).map(" ".join)


@given(st.lists(texts, max_size=5), texts)
def test_words_taken_back_are_the_unstable_ones(partials: list[str], final: str) -> None:
    """What is marked is what the measure of stability counts."""
    heard = Utterance("0", 0, partials=[version(text) for text in partials])
    heard.final = version(final)
    marked = sum(len(each.taken_back) for each in edits(heard))
    assert marked == stability.count(Utterances([heard], 0)).unstable


# ------------------------------------------------------------------ a session


def told() -> Builder:
    """A slip, a cut with audio sent again, and a final that comes after it.

    Chunks of 100 ms, acknowledged after 20; the cut at 2010 leaves the chunks of 2000 and before
    sent, those up to 1900 acknowledged. Back at 2400 the audio from 1900 to 2400 goes in one frame.
    """
    built = Builder(reference=SAID, ahead_ms=0).play([Cut(2010, 2400)])
    built.transcript(600, [LOW], final=False)
    built.transcript(1150, [LOW, ("warning", 550, 1000)], final=False)
    built.transcript(1300, [LOW, SAID[1]], final=False)
    built.speech_end(1800, 1650)
    return built.transcript(2600, SAID, final=True, connection=2).finish(4600, connection=2)


def test_audio_of_a_session() -> None:
    """Each frame with when its audio was due, how late it went, and what went again."""
    found = session(reading(told()), None, late_ms=20)
    due = list(accumulate(found.frames.due))
    assert due[:3] == [1000, 2000, 3000]
    assert found.frames.late[:20] == [0] * 20
    # The frame that went at 2400 ends with what was due at 2300, and begins with what went before.
    assert (due[20], found.frames.late[20]) == (23000, 1000)
    assert found.frames.again == [(20, 21)]
    assert found.frames.connections == [(0, 1), (20, 2)]
    assert (found.late, found.unsent, found.loud) == (200, None, None)
    assert [(each.number, each.opened, each.lost) for each in found.connections] == [
        (1, -1000, 20100),
        (2, 24000, 46010),
    ]


def test_a_frame_that_goes_again_whole() -> None:
    """Is marked; from which to which."""
    built = Builder(seconds=1).play()
    for at, offset in ((1100, 3200), (1110, 6400), (1120, 9600)):
        built.entries.append(j.Frame(t=ns(at), done=ns(at), connection=2, offset=offset, size=3200))
    found = session(reading(built), None, late_ms=20)
    assert found.frames.again == [(10, 13)]
    assert found.frames.late[10] == 9000


def test_acknowledgements_of_a_session() -> None:
    """When each came, and how long after its frame; one that answers no frame has no time."""
    built = Builder(seconds=1).play()
    built.entries.append(
        j.Ack(t=ns(1500), connection=7, start=0, end=32_000, upto=32_000, created_at="")
    )
    found = session(reading(built), None, late_ms=20)
    assert list(accumulate(found.acks.t))[:2] == [1200, 2200]
    assert found.acks.took == [200] * 10 + [-1]


def test_audio_that_was_never_sent() -> None:
    """From where the last frame ended to where the source did."""
    found = session(reading(Builder(seconds=2).play([Cut(950, 9000)])), None, late_ms=20)
    assert found.unsent == (9000, 20000)


def test_versions_of_a_session() -> None:
    """What each partial kept and brought, where its words lie, and what was taken back."""
    (heard,) = session(reading(told()), None, late_ms=20).utterances
    first, slip, better, final = heard.told
    assert (first.t, first.start, first.end, first.kept) == (6000, 2000, 5000, 0)
    assert (first.words, first.at, first.back) == (["good"], [2000, 5000], [])
    assert (slip.kept, slip.words, slip.at, slip.back) == (1, ["warning"], [5500, 10000], [1])
    assert (better.kept, better.words, better.via) == (1, ["morning"], 1)
    assert (final.t, final.kept, final.via) == (26000, 0, 2)
    assert (heard.final, heard.words) == (True, (0, 3))


def test_words_of_a_session() -> None:
    """Where each was said, and when it was shown, stood still and was final."""
    found = session(reading(told()), None, late_ms=20)
    words = found.words
    assert (words.start, words.end) == ([2000, 5500, 11000], [5000, 10000, 16500])
    assert (words.first, words.stable) == ([6000, 13000, 26000], [6000, 13000, 26000])
    assert words.final == [26000] * 3
    assert found.anchor == "words"
    assert [(each.t, each.at, each.begins) for each in found.speech] == [(18000, 16500, False)]


def test_a_word_whose_place_is_not_known() -> None:
    """One that the reference does not have lies nowhere."""
    built = Builder(reference=SAID[:1]).play()
    built.transcript(2000, SAID[:2], final=True)
    found = session(reading(built), None, late_ms=20)
    assert found.words.end == [5000, NONE]


def test_an_utterance_that_never_became_final() -> None:
    """Is there, with its partials and without words of its own."""
    built = Builder().play().transcript(900, SAID[:2], final=False)
    (heard,) = session(reading(built), None, late_ms=20).utterances
    assert (heard.final, heard.words, len(heard.told)) == (False, (0, 0), 1)


def test_a_journal_that_was_cut_short_at_once() -> None:
    """A header alone makes a session of nothing."""
    found = session(reading(Builder()), memoryview(b"\x00" * 64), late_ms=20)
    assert (found.begun, found.over, found.utterances, found.frames.due) == (0, 0, [], [])


def test_stalls_of_a_session() -> None:
    """From when to when the event loop stood still, but for what is too short to matter."""
    built = Builder(seconds=1).play()
    built.entries += [j.Stall(t=ns(500), lasted=30_000_000), j.Stall(t=ns(700), lasted=1_000_000)]
    assert session(reading(built), None, late_ms=20).stalls == [(4700, 5000)]


# ------------------------------------------------------------------ along a session


def test_a_course_of_words() -> None:
    """Each word where it ends, with its latencies; what was guessed has no first-shown time."""
    built = Builder(reference=SAID).play().transcript(450, [LOW], final=False)
    found = course(reading(built.transcript(2200, SAID, final=True).finish(4600)))
    assert found.at.tolist() == [500, 1000, 1650]
    np.testing.assert_equal(found.first, [np.nan, 1200, 550])
    assert found.final.tolist() == [1700, 1200, 550]
    assert (len(found.trend), found.over, found.shades) == (0, 4620, [])


def test_a_trend_of_many_words() -> None:
    """Ten stretches of twenty words: the middle of each, and its medians."""
    words = [(f"w{k}", 100.0 * k, 100.0 * k + 50) for k in range(200)]
    built = Builder(seconds=21, reference=words).play()
    for k, word in enumerate(words):
        built.transcript(word[2] + (100 if k < 100 else 400), [word], final=True, name=str(k))
    found = course(reading(built))
    assert found.trend.shape == (10, 3)
    assert found.trend[0].tolist() == [(50 + 1950) / 2, 100, 100]
    assert found.trend[:, 2].tolist() == [100] * 5 + [400] * 5


def test_rounds_of_a_benchmark() -> None:
    """The median of each session, of a round's sessions together, and which were warm-ups."""
    plays = [
        (1, "a", np.array([10.0, 30.0, 20.0])),
        (1, "b", np.array([40.0, np.nan])),
        (0, "a", np.array([90.0])),
        (2, "a", np.array([np.nan])),
    ]
    warm, first, second = rounds(plays, warm_ups=[0])
    assert (warm.number, warm.counts, warm.p50) == (0, False, 90)
    assert [(each.recording, each.n, each.p50) for each in first.sessions] == [
        ("a", 3, 20),
        ("b", 1, 40),
    ]
    assert (first.counts, first.p50) == (True, 20)
    assert (second.sessions, second.p50) == ([], None)


@pytest.mark.parametrize("speed", [0.0, 1.0])
def test_a_run_without_pace(speed: float) -> None:
    """Unpaced, a session has an axis all the same."""
    built = Builder(seconds=1, speed=speed).play().transcript(900, SAID[:1], final=True)
    found = session(reading(built.finish(1500)), memoryview(bytes(32_000)), late_ms=20)
    assert found.over == 15010
    assert course(reading(built)).at.shape == (1,)
