"""Known truths in, measured values out: one small journal worked by hand, and its variations."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import BYTES_PER_MS, Builder, Cut, ns

from replay import journal as j
from replay import latency, pacing, stability, transcript, utterances, words
from replay.reading import read
from replay.statistics import Distribution
from replay.timeline import Timeline

SAID = [("Good", 200, 500), ("morning", 550, 1000), ("everyone", 1100, 1650)]
GOOD, MORNING, EVERYONE = SAID


def golden(**options: object) -> Builder:
    """Four partials, the second with a slip in it, and a final, over four seconds on time.

    ====  ====  ======================  =====================================
    t ms  kind  shows                   ends by the service, ms
    ====  ====  ======================  =====================================
    600   part  good                    500
    1150  part  good warning            1000
    1300  part  good morning            1000
    1900  part  good morning everyone   1650
    2200  final Good morning everyone   1650
    ====  ====  ======================  =====================================
    """
    built = Builder(**options).play()  # type: ignore[arg-type]
    low = ("good", 200, 500)
    built.transcript(600, [low], final=False)
    built.transcript(1150, [low, ("warning", 550, 1000)], final=False)
    built.transcript(1300, [low, MORNING], final=False)
    built.transcript(1900, [low, MORNING, EVERYONE], final=False)
    return built.transcript(2200, SAID, final=True).finish(4600)


def measured(timeline: Timeline) -> latency.Latency:
    return latency.measure(read(timeline))


def spread(found: Distribution) -> tuple[int, float | None, float | None, float | None]:
    return found.n, found.min, found.p50, found.max


@pytest.mark.parametrize("reference", [SAID, None], ids=["words", "service"])
def test_the_golden_journal(reference: list[tuple[str, float, float]] | None) -> None:
    """Every latency of the table above, with true times and with the service's (the same here)."""
    found = measured(golden(reference=reference).timeline())
    plan, send = found.from_plan, found.from_send
    # Good is shown at 600, 100 after its end; morning at 1300, 300 after; everyone at 1900, 250
    # after. The frame with everyone's end at 1650 went at 1700: 200 from the send.
    assert spread(plan.word_first) == spread(plan.word_stable) == (3, 100, 250, 300)
    assert spread(send.word_first) == spread(send.word_stable) == (3, 100, 200, 300)
    # The final at 2200: 1700, 1200 and 550 after the words' ends.
    assert spread(plan.word_final) == (3, 550, 1200, 1700)
    assert spread(plan.final) == (1, 550, 550, 550)
    assert spread(send.final) == (1, 500, 500, 500)
    # Speech begins at 200, the first partial comes at 600.
    assert spread(plan.first_partial) == spread(send.first_partial) == (1, 400, 400, 400)
    # 600 - 500, 1150 - 1000, 1300 - 1000, 1900 - 1650.
    assert spread(plan.partial_lag) == (4, 100, 150, 300)
    assert spread(plan.ack) == spread(send.ack) == (40, 20, 20, 20)
    assert found.end_of_session_ms == 600
    assert (found.words_used, found.negative) == (1.0, 0)
    assert found.reference == ("words" if reference else "service")


def test_stability_of_the_golden_journal() -> None:
    """One of three words is taken back; with capitals counted, Good changes its first letter."""
    found = stability.measure(utterances.gather(golden().timeline()))
    assert (found.unstable_partial_word_ratio, found.erasure) == (0.3333, 0.3333)
    # Of four later versions, the third does not begin with what the second showed.
    assert found.revised_partials == 0.25
    # Raw: warning, then good; erasing good to write Good takes the two after it along.
    assert (found.raw.unstable_partial_word_ratio, found.raw.erasure) == (0.6667, 1.3333)
    assert found.raw.revised_partials == 0.5


def test_nothing_to_relate_to_is_no_ratio() -> None:
    """Without a final there is no stability, and with a final alone no version that revises."""
    lone = Builder().play().transcript(900, [GOOD], final=True)
    found = stability.measure(utterances.gather(lone.timeline()))
    assert (found.erasure, found.revised_partials) == (0.0, None)
    nothing = stability.measure(utterances.gather(Builder().play().timeline()))
    assert (nothing.erasure, nothing.unstable_partial_word_ratio) == (None, None)


def test_a_word_shown_and_taken_back_is_not_stable() -> None:
    """First is the first sight of a word, stable the sight after which it never left again."""
    built = Builder(reference=SAID[:1]).play()
    for at, word in ((600, "good"), (700, "could"), (800, "good")):
        built.transcript(at, [(word, 200, 500)], final=False)
    found = measured(built.transcript(1000, SAID[:1], final=True).finish(4600).timeline())
    assert [
        getattr(found.from_plan, f"word_{name}").p50 for name in ("first", "stable", "final")
    ] == [100, 300, 500]


def test_a_guess_before_the_word_was_said_earns_nothing() -> None:
    """Against true times a negative first-word time is counted, listed, and left out."""
    built = Builder(reference=SAID[:1]).play().transcript(400, SAID[:1], final=False)
    found = measured(built.transcript(1000, SAID[:1], final=True).finish(4600).timeline())
    assert found.from_plan.word_first.n == found.from_send.word_first.n == 0
    assert found.negative == 2
    assert [(n.word, n.measure, n.ms, n.at) for n in found.negatives] == [
        ("good", "word_first", -100, 0.5),
        ("good", "word_stable", -100, 0.5),
    ]


def test_the_services_own_negative_times_are_shown_as_they_are() -> None:
    """Without true times a negative value stays in the distribution, and is counted."""
    built = Builder().play().transcript(400, SAID[:1], final=False)
    found = measured(built.transcript(1000, SAID[:1], final=True).finish(4600).timeline())
    assert (found.from_plan.word_first.min, found.negative) == (-100, 2)


def test_words_that_are_not_in_the_final_earn_no_time() -> None:
    """A reference word that was misheard is left out, and the share of used words says so."""
    heard = [GOOD, ("mourning", 550, 1000), EVERYONE]
    built = Builder(reference=SAID).play().transcript(600, SAID[:2], final=False)
    found = measured(built.transcript(2200, heard, final=True).finish(4600).timeline())
    assert (found.from_plan.word_first.n, found.words_used) == (2, 0.6667)


def test_a_final_that_never_came_is_waited_for_to_the_end() -> None:
    """It counts in n, as censored, and no figure is made up for it."""
    built = Builder().play().transcript(600, SAID[:1], final=False)
    found = measured(built.finish(4600).timeline()).from_plan.final
    assert (found.n, found.censored, found.p50, found.max) == (1, 1, None, None)


def test_finals_after_the_stop_are_kept_apart() -> None:
    """A stop forces the end of an utterance; that is not the service's own endpointing."""
    built = Builder(seconds=2).play().transcript(2300, SAID, final=True).finish(2600)
    found = measured(built.timeline()).from_plan
    assert (found.final.n, found.final_forced.p50) == (0, 650)


def test_speech_end_splits_a_final_in_two() -> None:
    """Noticing the end of speech and writing the final are measured apart."""
    end = {"type": "speech_end", "data": {"time": 1.7, "channel": 0}}
    far = {"type": "speech_end", "data": {"time": 3.9, "channel": 0}}
    found = measured(golden().message(2000, end).message(4000, far).timeline()).from_plan
    assert (found.endpointing.p50, found.decoding.p50) == (350, 200)


def test_a_late_sender_does_not_look_fast() -> None:
    """Chunks 80 ms late move the figures from the send, never those from the plan."""
    built = Builder(reference=SAID).play(late=80)
    found = measured(built.transcript(2200, SAID, final=True).finish(4600).timeline())
    assert (found.from_plan.final.p50, found.from_send.final.p50) == (550, 420)
    assert (found.from_plan.ack.p50, found.from_send.ack.p50) == (100, 20)


def test_an_outage_does_not_make_words_vanish() -> None:
    """Words spoken while the connection was down keep the lateness that a listener felt."""
    built = Builder(reference=SAID).play([Cut(1110, 3005)])
    built.transcript(3200, SAID, final=True, connection=2)
    found = measured(built.finish(4600).timeline())
    assert found.from_plan.word_final.min == 3200 - 1650
    # The chunk due at 1200 was acknowledged at 3025, with those up to 3000.
    assert (found.from_plan.ack.n, found.from_plan.ack.max) == (40, 3025 - 1100)


def test_service_times_after_a_repeat_are_mapped_back() -> None:
    """100 ms recorded twice move the service's later times by 100 ms, and are moved back."""
    built = Builder().play([Cut(1210, 1905)])
    assert built.shift_ms == 100
    late = [("later", 2500 + built.shift_ms, 3000 + built.shift_ms)]
    early = [("early", 200, 500)]
    built.transcript(900, early, final=True, name="1")
    built.transcript(3300, late, final=True, name="2", connection=2)
    timeline = built.finish(4600).timeline()
    assert timeline.offset_of([0.5, 1.2, 3.1]).tolist() == [500 * 32, 1200 * 32, 3000 * 32]
    assert spread(measured(timeline).from_plan.word_final) == (2, 300, 300, 400)


def test_first_sends_do_not_count_repeats() -> None:
    """Audio sent again after a cut keeps the time of its first sending; unsent audio has none."""
    timeline = Builder().play([Cut(1210, 1905)]).timeline()
    times = timeline.first_sent(np.array([1150, 1200, 1210, 5000]) * BYTES_PER_MS)
    assert times[:3].tolist() == [ns(1200), ns(1200), ns(1905)]
    assert math.isnan(times[3])


def test_eager_chunks_are_early_and_words_are_not() -> None:
    """In the eager phase the plan of a chunk is a chunk earlier; words are due when spoken."""
    built = Builder(seconds=1, phase="eager")
    built.entries.append(j.Started(t=ns(0)))
    for k in range(10):
        built.entries.append(j.Produced(t=ns(k * 100), due=ns(k * 100), offset=k * 3200, size=3200))
        built._frame(k * 100, 1, k * 3200, 3200)
        built._ack(k * 100 + 20, 1, k * 3200, (k + 1) * 3200, (k + 1) * 3200, k * 100)
    timeline = built.transcript(700, [GOOD], final=True).finish(1100).timeline()
    found = measured(timeline)
    assert spread(found.from_plan.ack) == (10, 20, 20, 20)
    assert (found.from_plan.word_final.p50, found.from_send.word_final.p50) == (200, 300)


def test_a_live_source_is_due_when_it_arrives() -> None:
    """Between the arrivals of an arrival plan, due times are drawn straight."""
    built = Builder(phase="arrival")
    built.entries.append(j.Started(t=ns(0)))
    for k, due in enumerate((100, 200, 500)):
        built.entries.append(j.Produced(t=ns(due), due=ns(due), offset=k * 3200, size=3200))
    timeline = built.timeline()
    assert timeline.due([0, 3200, 8000, 9600]).tolist() == [ns(0), ns(100), ns(350), ns(500)]
    assert timeline.spoken([ns(350)]).tolist() == [0.25]


def test_speed_stretches_the_plan() -> None:
    """At twice the speed audio is due in half the time."""
    timeline = Builder(speed=2).play().timeline()
    assert timeline.due(2000 * BYTES_PER_MS) == ns(1000)
    assert timeline.spoken(ns(1000)) == 2.0
    assert timeline.spoken(ns(9000)) == 4.0


def test_the_lag_of_partials_is_by_the_clock_at_any_speed() -> None:
    """At twice the speed what was spoken at 250 ms and came at 350 lags 100 ms, not 200."""
    timeline = Builder(speed=2).play().transcript(350, SAID[:1], final=False).timeline()
    assert measured(timeline).from_plan.partial_lag.p50 == 100
    for window, touched in ((240, 245), False), ((270, 280), True), ((400, 500), False):
        outage = [(ns(window[0]), ns(window[1]))]
        calm = latency.measure(replace(read(timeline), windows=outage)).undisturbed
        assert calm is not None
        assert calm.partial_lag.n == (0 if touched else 1)


def test_pacing_reads_lateness_and_drift_back() -> None:
    """A constant lateness has no drift; a clock 100 ppm slow shows 100 ppm."""
    found = pacing.measure(Builder().play(late=3).timeline())
    assert (found.lateness_ms.p50, found.lateness_ms.max, found.drift_ppm) == (3, 3, 0)
    built = Builder(seconds=60)
    for k in range(1, 601):
        slow = j.Produced(t=ns(k * 100 * 1.0001), due=ns(k * 100), offset=k, size=1)
        built.entries.append(slow)
    assert pacing.measure(built.timeline()).drift_ppm == 100


def test_the_order_of_utterances_is_when_they_were_spoken() -> None:
    """Finals that come out of order still make the text in the order it was said."""
    built = Builder().play().transcript(2200, [EVERYONE], final=True, name="2")
    built.transcript(2300, [GOOD, MORNING], final=True, name="1")
    timeline = built.finish(4600).timeline()
    found = transcript.measure(timeline, utterances.gather(timeline))
    assert (found.text, found.finals, found.words) == ("Good morning everyone", 2, 3)
    assert (found.wer, found.lost) == (None, None)


def test_a_final_sent_twice_is_told_once() -> None:
    """A service that repeats a final after a reconnection does not double the text."""
    timeline = golden().transcript(2500, SAID, final=True).timeline()
    found = transcript.measure(timeline, utterances.gather(timeline))
    assert (found.finals, found.repeated_finals, found.words) == (1, 1, 3)


@pytest.mark.parametrize(
    ("said", "heard", "lost", "changed", "doubled", "wer"),
    [
        ("It's fifty dollars", "it is $50", 0, 0, 0, 0.0),
        ("one cat sat on the mat", "one cat on the mat", 1, 0, 0, 0.1667),
        ("the cat sat", "the bat sat", 0, 1, 0, 0.3333),
        ("we met in the old park", "we met in the met in the old park", 0, 0, 3, 0.5),
        ("the cat sat", "the cat sat down", 0, 0, 0, 0.3333),
    ],
)
def test_words_against_a_reference_text(
    said: str, heard: str, lost: int, changed: int, doubled: int, wer: float
) -> None:
    """Lost, changed and doubled words are told apart after normalisation."""
    row = [(word, 100 * k, 100 * k + 90) for k, word in enumerate(heard.split())]
    built = Builder(reference_text=said).play().transcript(2000, row, final=True)
    timeline = built.finish(4600).timeline()
    found = transcript.measure(timeline, utterances.gather(timeline))
    assert (found.lost, found.changed, found.duplicated) == (lost, changed, doubled)
    assert found.wer == wer


@given(st.floats(1, 900), st.lists(st.integers(150, 400), min_size=1, max_size=12), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_constant_latency_is_read_back_exactly(
    late: float, lengths: list[int], cut: bool
) -> None:
    """Whatever the words, and with an outage before them or not, one latency in is one out."""
    late = round(late, 3)
    built = Builder(seconds=8).play([Cut(1210, 1905)] if cut else [])
    start, row = 2500.0, []
    for number, length in enumerate(lengths):
        row.append((f"word{number}", start, start + length))
        start += length + 30
    built.entries.append(
        j.Reference(t=0, text="", words=[j.ReferenceWord(w, a / 1e3, b / 1e3) for w, a, b in row])
    )
    moved = [(w, a + built.shift_ms, b + built.shift_ms) for w, a, b in row]
    for k in range(1, len(moved) + 1):
        built.transcript(row[k - 1][2] + late, moved[:k], final=k == len(moved))
    found = measured(built.finish(9000).timeline())
    assert found.from_plan.word_first.min == pytest.approx(late, abs=0.002)
    assert found.from_plan.word_first.max == pytest.approx(late, abs=0.002)
    assert found.from_plan.final.p50 == pytest.approx(late, abs=0.002)


def test_words_of_two_channels_do_not_mix() -> None:
    """The same words said on two channels are measured each against its own."""
    built = Builder().play()
    told = [j.ReferenceWord("good", 0.2, 0.5, 0), j.ReferenceWord("good", 1.2, 1.5, 1)]
    built.entries.append(j.Reference(t=0, text="good good", words=told))
    built.transcript(1800, [("good", 1200, 1500)], final=True, name="01", channel=1)
    built.transcript(900, [("good", 200, 500)], final=True, name="00", channel=0)
    timeline = built.finish(4600).timeline()
    found = words.measure(timeline, utterances.gather(timeline))
    assert found.ends.tolist() == [0.5 * 32_000, 1.5 * 32_000]
    assert spread(measured(timeline).from_plan.word_final) == (2, 300, 300, 400)
