"""Every metric, recomputed from the golden journals of `fixtures/journals/`.

Three of them are small enough to be worked out by hand, and are, in the comments beside each
figure; how they came about stands in `golden.py`. The fourth is a real session, with real
recognition and a real reset, and what this version makes of it: whoever changes a figure sees
which, and says so by writing `real.summary.json` again (`python tests/golden.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from golden import FOLDER, JOURNALS, real_summary

from replay import journal as j
from replay.continuity import compare
from replay.counter import counted
from replay.statistics import Distribution
from replay.summary import Summary, summarise
from replay.timeline import Timeline

CHUNK = 3200  # bytes of 100 ms


def timeline(name: str) -> Timeline:
    lines = (FOLDER / f"{name}.jsonl").read_bytes().splitlines(keepends=True)
    return Timeline(j.decode_lines(lines))


def summary(name: str) -> Summary:
    return summarise(timeline(name), None)


def figures(found: Distribution) -> tuple[Any, ...]:
    """n, smallest, median by nearest rank, largest, mean."""
    return found.n, found.min, found.p50, found.max, found.mean


def check(struct: msgspec.Struct, wanted: Mapping[str, tuple[Any, ...]]) -> None:
    """Every field of `struct` that is a distribution is in `wanted`, or empty."""
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, Distribution):
            expected = wanted.get(name, (0, None, None, None, None))
            assert figures(value) == pytest.approx(expected, abs=6e-4), name


@pytest.mark.parametrize("name", JOURNALS)
def test_the_journals_are_those_that_were_worked_out(name: str) -> None:
    """The files say what `golden.py` says."""
    assert (FOLDER / f"{name}.jsonl").read_bytes() == JOURNALS[name]().lines()


# ------------------------------------------------------------------ an undisturbed session


def test_plain_latencies() -> None:
    """Words end at 500, 1000 and 1650; the utterance is from 200 to 1650."""
    found = summary("plain").latency
    check(
        found.from_plan,
        {
            # Every chunk is sent when it is due, and acknowledged 20 later: 2.4 s are 24 of them.
            "ack": (24, 20, 20, 20, 20),
            # The first sound at 200, the first partial at 600.
            "first_partial": (1, 400, 400, 400, 400),
            # 600-500, 1150-1000, 1300-1000, 1900-1650 = 100, 150, 300, 250; rank 2 of 4 is 150.
            "partial_lag": (4, 100, 150, 300, 200),
            # good at 600, morning at 1300 (1150 shows warning), everyone at 1900:
            # 100, 300, 250; rank 2 of 3 is 250, and the mean 650/3.
            "word_first": (3, 100, 250, 300, 216.667),
            # None of them is taken back once it is there.
            "word_stable": (3, 100, 250, 300, 216.667),
            # The final at 2200: 1700, 1200, 550.
            "word_final": (3, 550, 1200, 1700, 1150),
            "final": (1, 550, 550, 550, 550),
            # speech_end at 1987, less 1650; the final 213 later.
            "endpointing": (1, 337, 337, 337, 337),
            "decoding": (1, 213, 213, 213, 213),
        },
    )
    # From the send: 500 and 1000 were sent at 500 and 1000, 1650 with the chunk of 1700.
    check(
        found.from_send,
        {
            "ack": (24, 20, 20, 20, 20),
            "first_partial": (1, 400, 400, 400, 400),
            # Frames go out on time, and between them the cursor is drawn straight: as by the plan.
            "partial_lag": (4, 100, 150, 300, 200),
            # 100, 300, 1900-1700 = 200.
            "word_first": (3, 100, 200, 300, 200),
            "word_stable": (3, 100, 200, 300, 200),
            # 1700, 1200, 2200-1700 = 500.
            "word_final": (3, 500, 1200, 1700, 1133.333),
            "final": (1, 500, 500, 500, 500),
            "endpointing": (1, 287, 287, 287, 287),
            "decoding": (1, 213, 213, 213, 213),
        },
    )
    assert found.undisturbed is None
    # The session was asked for at -200 and there at -159; the steps are the client's own.
    took = found.connect
    assert (took.init, took.tcp, took.tls, took.upgrade) == (41, 0.4, None, 3.25)
    assert took.first_ack == 20  # the first chunk at 100, its acknowledgement at 120
    assert found.first_text_ms == 600
    assert found.end_of_session_ms == 600  # stop at 2400, end_session at 3000
    assert found.left_to_process_ms == 100  # as the stop's acknowledgement says
    assert (found.reference, found.words_used, found.negative) == ("words", 1.0, 0)
    assert found.from_plan.ack.needed == {"p90": 36, "p95": 72, "p99": 368}


def test_plain_network_and_waterfall() -> None:
    """The service's clock is 7.5 s ahead; acknowledgements are stamped half way."""
    found = summary("plain")
    assert (found.network.offset_ms, found.network.skew_ppm) == (7500, None)
    assert found.network.bound_ms == 11  # half of 20, and a millisecond that stamps do not tell
    check(
        found.network,
        {
            "round_trip": (24, 20, 20, 20, 20),
            "uplink": (24, 10, 10, 10, 10),
            # Partials 10 after they were made, the final 7: mean 47/5.
            "downlink": (5, 7, 10, 10, 9.4),
            # The partials' audio is at the service at 510, 1010, 1010 and 1710 (chunks are sent
            # when full, and take 10); they were made at 590, 1140, 1290 and 1890:
            # 80, 130, 280, 180; rank 2 of 4 is 130.
            "service_partial": (4, 80, 130, 280, 167.5),
            "service_final": (1, 483, 483, 483, 483),  # made at 2193, less 1710
        },
    )
    # Good ends at 500: the utterance goes on to 1650 (1150), its chunk is full at 1700 (50), at the
    # service at 1710 (10), its end noticed at 1980 (270), the final made at 2193 (213) and here at
    # 2200 (7): 1150+50+10+270+213+7 = 1700, which is its latency. morning waits for 650, everyone
    # for nothing.
    check(
        found.waterfall,
        {
            "rest": (3, 0, 650, 1150, 600),
            "frame": (3, 50, 50, 50, 50),
            "uplink": (3, 10, 10, 10, 10),
            "endpointing": (3, 270, 270, 270, 270),
            "decoding": (3, 213, 213, 213, 213),
            "downlink": (3, 7, 7, 7, 7),
        },
    )
    assert (found.waterfall.words, found.waterfall.bound_ms) == (3, 11)


def test_plain_partials_and_text() -> None:
    """Four partials, one slip, and the reference word for word."""
    found = summary("plain")
    # At 600, 1150, 1300, 1900: 550, 150, 600 between them; rank 2 of 3 is 550.
    assert figures(found.cadence.gaps_ms) == pytest.approx((3, 150, 550, 600, 433.333), abs=6e-4)
    assert (found.cadence.partials, found.cadence.grid_ms) == (4, None)
    # Of three words one (warning) was taken back, by erasing one word; of the four versions after
    # the first one (good morning) does not go on from what stood before it.
    stable = found.stability
    assert (stable.unstable_partial_word_ratio, stable.erasure) == (0.3333, 0.3333)
    assert stable.revised_partials == 0.25
    # With capitals, the final takes good back as well, and to write Good at the beginning erases
    # all three words: 2 and 4 of 3, and 2 of 4 versions.
    raw = stable.raw
    assert (raw.unstable_partial_word_ratio, raw.erasure) == (0.6667, 1.3333)
    assert raw.revised_partials == 0.5
    said = found.transcript
    assert (said.text, said.finals, said.words) == ("Good morning everyone", 1, 3)
    assert (said.reference_words, said.errors, said.lost, said.changed) == (3, 0, 0, 0)
    assert (said.wer, said.wer_streaming, said.wer_result) == (0, 0, 0)


def test_plain_instrument_and_session() -> None:
    """On time to the nanosecond, and one session that came to its end."""
    found = summary("plain")
    assert figures(found.pacing.lateness_ms) == (24, 0, 0, 0, 0)
    assert (found.pacing.chunks, found.pacing.drift_ppm) == (24, 0)
    # A tenth of the smallest median latency, which is the partials' 150.
    assert (found.validity.verdict, found.validity.bound_ms) == ("suspect", 15)
    assert found.validity.reasons == [
        "only 3 words were measured: too few for any percentile but the median"
    ]
    assert (found.audio.sent_bytes, found.audio.acked_bytes) == (24 * CHUNK, 24 * CHUNK)
    assert (found.session.reconnects, found.session.posts, found.outages) == (0, 1, [])
    assert found.session.outcome == "complete"


# ------------------------------------------------------------------ a session with an outage


def test_outage_latencies() -> None:
    """Words end at 500, 1700 and 3000; the second was spoken while there was no connection."""
    found = summary("outage").latency
    check(
        found.from_plan,
        {
            # 100 to 1100 and 2000 to 4000 after 20 each: 32 of them. 1200 to 1900 come with one
            # acknowledgement at 1925: 725, 625, … 25, eight that sum up to 3000. (32·20+3000)/40.
            "ack": (40, 20, 20, 725, 91),
            # before: 700-200; during: 2005-1400; after: 3150-2500.
            "first_partial": (3, 500, 605, 650, 585),
            # 700-500, 2005-1700 (the service says 1800, of which 100 are the repeat), 3150-3000.
            "partial_lag": (3, 150, 200, 305, 218.333),
            "word_first": (3, 150, 200, 305, 218.333),
            "word_stable": (3, 150, 200, 305, 218.333),
            # 900-500, 2305-1700, 3600-3000.
            "word_final": (3, 400, 600, 605, 535),
            "final": (3, 400, 600, 605, 535),
        },
    )
    # From the send, what waited for the connection was sent at 1905: during 2005-1905, 2305-1905.
    assert figures(found.from_send.word_first)[1:4] == (100, 150, 200)
    assert figures(found.from_send.word_final)[1:4] == (400, 400, 600)
    # Handed over at 1905, acknowledged at 1925: 20. The chunk of 1200 alone was sent before: 725.
    assert figures(found.from_send.ack)[2:4] == (20, 725)
    # The outage disturbs from the last sign of life (1120) until the transcript has caught up
    # (3150): apart from it there is the first word, and the chunks that were acknowledged before
    # 1120 or spoken after 3150: 100 to 1000 and 3200 to 4000, ten and nine.
    calm = found.undisturbed
    assert calm is not None
    check(
        calm,
        {
            "ack": (19, 20, 20, 20, 20),
            "first_partial": (1, 500, 500, 500, 500),
            "partial_lag": (1, 200, 200, 200, 200),
            "word_first": (1, 200, 200, 200, 200),
            "word_stable": (1, 200, 200, 200, 200),
            "word_final": (1, 400, 400, 400, 400),
            "final": (1, 400, 400, 400, 400),
        },
    )


def test_outage_step_by_step() -> None:
    """From the last sign of life at 1120 until the third word's partial at 3150."""
    (lost,) = summary("outage").outages
    assert (lost.connection, lost.cause, lost.fault) == (1, "wire", "reset")
    assert lost.detect_ms == 90  # 1210-1120: the acknowledgement of 1200 never came
    assert lost.backoff_ms == 300
    assert lost.connect_ms == 395  # from 1510 to 1905
    assert lost.down_ms == 695  # 1905-1210
    assert (lost.flush_ms, lost.first_ack_ms) == (5, 20)
    assert lost.first_transcript_ms == 100  # 2005-1905
    # Partials lagged by 200 at most before; 305 at 2005 is more, 150 at 3150 is not: 3150-1905.
    assert lost.caught_up_ms == 1245
    assert lost.resent_bytes == CHUNK


def test_outage_faults_and_audio() -> None:
    """One fault was asked for and fired; 100 ms are recorded twice, and nothing is lost."""
    run = timeline("outage")
    sent = counted(0, 40 * CHUNK)
    # The service has all up to 1200, then goes on from 1100, the last that it acknowledged.
    recorded = sent[: 12 * CHUNK] + sent[11 * CHUNK :]
    found = summarise(run, compare(sent, recorded, 2))
    assert (found.faults.asked, found.faults.fired, found.faults.missed) == (1, 1, [])
    assert (found.audio.recorded_bytes, found.audio.repeated_bytes) == (41 * CHUNK, CHUNK)
    assert (found.audio.lost_bytes, found.audio.reordered, found.audio.garbage_bytes) == (0, 0, 0)
    assert (found.verdict, found.session.reconnects) == ("pass", 1)
    # Round trips are of each connection: 11 chunks before, one flush and 21 chunks after the cut.
    assert figures(found.network.round_trip) == (33, 20, 20, 20, 20)
    assert (found.stability.erasure, found.stability.revised_partials) == (0, 0)
    assert (found.transcript.wer, found.cadence.gaps_ms.n) == (0, 0)


# ------------------------------------------------------------------ a session that is left open


def test_unsure_latencies() -> None:
    """The words' own times by the service: 1100, 1700, 2300, 3500, 4100, 4700, and 7700."""
    found = summary("unsure").latency
    assert (found.reference, found.words_used) == ("service", 1.0)
    plan = found.from_plan
    # the at 1250, old at 1750, cat at 2750 (at 2250 it had not ended), on at 3750, a at 4750 (the
    # partial of 4250 has hat in its place), mat at 4750, today at 7600:
    # 150, 50, 450, 250, 650, 50, -100; sorted, rank 4 of 7 is 150; the mean 1500/7.
    assert figures(plan.word_first) == pytest.approx((7, -100, 150, 650, 214.286), abs=6e-4)
    assert figures(plan.word_stable) == figures(plan.word_first)
    # Finals at 6000 and 8300: 4900, 4300, 3700, 2500, 1900, 1300, and 600.
    assert figures(plan.word_final) == pytest.approx((7, 600, 2500, 4900, 2742.857), abs=6e-4)
    # Their utterances begin at 600 and 7200: 1250-600, 7600-7200; rank 1 of 2 is the smaller.
    assert figures(plan.first_partial) == (2, 400, 400, 650, 525)
    # 150, 50, 550, 450, 350, 250, 150, 50, 550, -100, 50: sum 2500; rank 6 of 11 is 150.
    assert figures(plan.partial_lag) == pytest.approx((11, -100, 150, 550, 227.273), abs=6e-4)
    # Before its end, by first sight and by being stable: counted, and listed as it is.
    assert found.negative == 2
    assert [(each.word, each.measure, each.ms, each.at) for each in found.negatives] == [
        ("today", "word_first", -100, 7.7),
        ("today", "word_stable", -100, 7.7),
    ]


def test_unsure_finals() -> None:
    """One came by itself, one by the stop, one never."""
    plan = summary("unsure").latency.from_plan
    # The first utterance ends at 4700, its final comes at 6000. The third was spoken to its end at
    # 7850, and waited for until the journal's last line at 9020.
    assert (plan.final.n, plan.final.censored) == (2, 1)
    assert (plan.final.min, plan.final.p50, plan.final.max) == (None, None, None)
    assert plan.final.at_least == {"p50": 9020 - 7850, "max": 1300}
    assert figures(plan.final_forced) == (1, 600, 600, 600, 600)  # 8300-7700
    assert (plan.endpointing.n, plan.decoding.n) == (0, 0)  # nobody said that speech had ended


def test_unsure_partials_and_text() -> None:
    """A wrong word in one partial, and a right one that the final dropped."""
    found = summary("unsure")
    # Nine partials of one utterance: eight gaps, too few to be called a grid.
    assert figures(found.cadence.gaps_ms) == (8, 500, 500, 500, 500)
    assert (found.cadence.partials, found.cadence.grid_ms) == (11, None)
    # hat gave way to a (one word erased); the final dropped sat (four erased: sat on a mat, of
    # which three came again). 1 + 1 of 7 words unstable, 1 + 4 erased, in 2 of 9 + 1 versions.
    stable = found.stability
    assert (stable.unstable_partial_word_ratio, stable.erasure) == (0.2857, 0.7143)
    assert stable.revised_partials == 0.2
    said = found.transcript
    # Eight words were said. Finals lack sat; last partials have it, and again, which nobody said;
    # the result lacks today. One error each.
    assert (said.reference_words, said.lost, said.errors) == (8, 1, 1)
    assert (said.wer, said.wer_streaming, said.wer_result) == (0.125, 0.125, 0.125)
    assert found.network.offset_ms is None  # without stamps there is no clock to put beside ours
    assert found.waterfall.words == 0


# ------------------------------------------------------------------ a real session


def test_a_real_session_is_measured_as_it_was() -> None:
    """Real speech, really recognised, the connection reset after four seconds: every figure."""
    stored = (FOLDER / "real.summary.json").read_bytes()
    assert differences(msgspec.json.decode(stored), msgspec.to_builtins(real_summary())) == []


def differences(one: Any, other: Any, place: str = "") -> list[str]:
    """Where two documents differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            found
            for key in {**one, **other}
            for found in differences(one.get(key), other.get(key), f"{place}.{key}")
        ]
    if isinstance(one, float) and isinstance(other, float) and math.isclose(one, other):
        return []
    return [] if one == other else [f"{place}: {one!r} is now {other!r}"]


def test_a_difference_is_found() -> None:
    """Planted: one figure of the stored ones is off by a little."""
    stored = msgspec.json.decode((FOLDER / "real.summary.json").read_bytes())
    stored["latency"]["from_plan"]["word_final"]["p50"] += 0.001
    found = differences(stored, msgspec.to_builtins(real_summary()))
    assert len(found) == 1
    assert found[0].startswith(".latency.from_plan.word_final.p50: ")


def test_the_folder_says_what_is_in_it() -> None:
    """Every journal has its line in the folder's README."""
    said = (FOLDER / "README.md").read_text()
    names = {path.name for path in Path(FOLDER).iterdir()} - {"README.md"}
    assert [name for name in sorted(names) if name not in said] == []
