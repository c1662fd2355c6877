"""The recording held against what was sent."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import Builder, Cut

from replay import bytediff
from replay.continuity import Comparison, Finding, compare
from replay.judge import Case, judge, window_bytes

NOISE = random.Random(1).randbytes(64_000)


def findings(case: Case) -> list[Finding]:
    return [finding for outcome in judge(case).values() for finding in outcome.findings]


def amounts(found: Comparison) -> tuple[int, int, int, int]:
    return found.lost_bytes, found.repeated_bytes, found.reordered_bytes, found.garbage_bytes


@pytest.mark.parametrize("audio", [b"", b"\0\0", NOISE, bytes(64_000), NOISE[:3200] * 20], ids=len)
def test_the_same_bytes_are_the_same(audio: bytes) -> None:
    """Equal files have no ranges, also when they are empty, silent, or one sound over and over."""
    found = compare(audio, audio, 2)
    assert found.same
    assert amounts(found) == (0, 0, 0, 0)


def test_what_is_missing_is_named_to_the_byte() -> None:
    """A hole in the middle is one lost range, where it was in the sent and is in the recorded."""
    found = compare(NOISE, NOISE[:10_000] + NOISE[13_200:], 2)
    (only,) = found.ranges
    assert (only.kind, only.offset, only.size, only.at) == ("lost", 10_000, 3200, 10_000)


def test_a_cut_end_is_lost() -> None:
    """A recording that stops early loses the rest, one that never began loses all."""
    assert amounts(compare(NOISE, NOISE[:50_001], 2)) == (13_999, 0, 0, 0)
    assert amounts(compare(NOISE, b"", 2)) == (64_000, 0, 0, 0)


def test_a_repeat_after_a_reconnection_is_named_to_the_byte() -> None:
    """Audio recorded twice in a row is repeated, and nothing else."""
    found = compare(NOISE, NOISE[:20_000] + NOISE[16_800:], 2)
    (only,) = found.ranges
    assert (only.kind, only.offset, only.size, only.at) == ("repeated", 16_800, 3200, 20_000)


def test_a_repeat_that_is_cut_again_is_counted_twice() -> None:
    """Two cuts on the same stretch repeat it twice, the first time only in part."""
    recorded = NOISE[:20_000] + NOISE[16_800:18_000] + NOISE[16_800:]
    assert amounts(compare(NOISE, recorded, 2)) == (0, 1200 + 3200, 0, 0)


def test_foreign_bytes_are_garbage() -> None:
    """Bytes that were never sent are garbage; in place of others, those are lost as well."""
    foreign = random.Random(2).randbytes(500)
    assert amounts(compare(NOISE, NOISE[:9000] + foreign + NOISE[9000:], 2)) == (0, 0, 0, 500)
    assert amounts(compare(NOISE, NOISE[:9000] + foreign + NOISE[9500:], 2)) == (500, 0, 0, 500)
    assert amounts(compare(NOISE, NOISE + foreign, 2)) == (0, 0, 0, 500)


def test_late_audio_is_reordered_not_repeated() -> None:
    """Two stretches that changed places: one of them came late, nothing is lost."""
    recorded = NOISE[:10_000] + NOISE[14_000:20_000] + NOISE[10_000:14_000] + NOISE[20_000:]
    assert amounts(compare(NOISE, recorded, 2)) == (0, 0, 4000, 0)


def test_a_shift_by_half_a_sample_is_misaligned() -> None:
    """One byte too many turns all that follows to noise, though every byte is there."""
    found = compare(NOISE, NOISE[:9000] + b"\x7f" + NOISE[9000:], 2)
    assert (found.garbage_bytes, found.misaligned) == (1, True)
    assert not compare(NOISE, NOISE[:9000] + b"\x7f\x7f" + NOISE[9000:], 2).misaligned


@pytest.mark.parametrize("steady", [b"\0\0", b"\xd5", bytes(range(16)), b"\1\0\2\0\3\0"])
def test_silence_does_not_hide_how_much(steady: bytes) -> None:
    """In steady sound the place of a repeat or a hole is open, its size is not."""
    quiet = steady * (12_000 // len(steady))
    sent = NOISE[:6000] + quiet + NOISE[6000:20_000] + quiet + NOISE[20_000:40_000]
    size = 1200
    again = NOISE[:6000] + quiet + quiet[:size] + NOISE[6000:]
    short = NOISE[:6000] + quiet[size:] + NOISE[6000:20_000]
    rest = NOISE[6000:20_000] + quiet + NOISE[20_000:40_000]
    assert amounts(compare(sent, again[: 18_000 + size] + rest, 2)) == (0, size, 0, 0)
    assert amounts(compare(sent, short[: 18_000 - size] + rest, 2)) == (size, 0, 0, 0)
    both = again[: 18_000 + size] + NOISE[6000:20_000] + quiet[size:] + NOISE[20_000:40_000]
    assert amounts(compare(sent, both, 2)) == (size, size, 0, 0)


def test_a_looped_source_is_not_confused() -> None:
    """When every byte was sent many times, the nearest place explains a repeat."""
    sent = NOISE[:16_000] * 12
    cut = 70_000
    found = compare(sent, sent[:cut] + sent[cut - 6400 : 120_000] + sent[118_000:], 2)
    assert amounts(found) == (0, 8400, 0, 0)


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["drop", "again", "foreign"]),
        st.integers(200, 3000),
        st.integers(100, 900),
    ),
    max_size=6,
)


@given(EDITS, st.integers(0, 400), st.booleans())
@settings(max_examples=150, deadline=None)
def test_every_edit_script_is_read_back(
    edits: list[tuple[str, int, int]], cut: int, quiet: bool
) -> None:
    """Drops, repeats and foreign bytes put into a recording are counted exactly."""
    sent = NOISE[:20_000] + bytes(4000 if quiet else 0) + NOISE[20_000:40_000]
    foreign = random.Random(3)
    recorded = bytearray()
    position = lost = repeated = garbage = 0
    for kind, run, size in edits:
        recorded += sent[position : position + run]
        position += run
        other = {"drop": position + size, "again": position - min(size, run)}.get(kind)
        while other is not None and sent[position] == sent[other]:
            # Bytes that chance to be the same leave open where the seam is: move past them.
            recorded.append(sent[position])
            position, other = position + 1, other + 1
        if kind == "drop":
            lost += size
            position += size
        elif kind == "again":
            # Never further back than the last run, so that nothing lost comes late.
            repeated += min(size, run)
            recorded += sent[position - min(size, run) : position]
        else:
            inside = foreign.randbytes(size - 2)
            recorded += bytes([sent[position] ^ 0xFF]) + inside + bytes([sent[position - 1] ^ 0xFF])
            garbage += size
    recorded += sent[position : len(sent) - cut]
    assert amounts(compare(sent, recorded, 2)) == (lost + cut, repeated, 0, garbage)


def test_a_long_recording_takes_linear_time() -> None:
    """Half a minute of noise with a hole every second is explained without a quadratic search."""
    sent = random.Random(4).randbytes(960_000)
    recorded = b"".join(sent[k : k + 31_000] for k in range(0, 960_000, 32_000))
    assert compare(sent, recorded, 2).lost_bytes == 30 * 1000


@pytest.mark.parametrize("back", [100_000, 144_000, 1_100_000, 1_600_000])
def test_a_repeat_that_is_cut_again_is_counted_twice_however_far_back(back: int) -> None:
    """The second one reaches further than the first; what is nearest is not what explains all."""
    sent = np.random.default_rng(7).integers(0, 255, 4 << 20, np.uint8).tobytes()
    cut = 3_000_000
    recorded = sent[:cut] + sent[cut - back :][:12_800] + sent[cut - back :]
    assert amounts(compare(sent, recorded, 2)) == (0, back + 12_800, 0, 0)


def test_repeats_within_the_window_are_no_failure() -> None:
    """What was in flight at a cut may be recorded twice; a byte more may not."""
    timeline = Builder().play([Cut(1210, 1905)]).finish(4600).timeline()
    assert window_bytes(Case(timeline)) == 3200
    audio = NOISE + NOISE
    for size, severity in ((3200, "info"), (3202, "error")):
        twice = audio[:40_000] + audio[40_000 - size :]
        (found,) = findings(Case(timeline, compare(audio, twice, 2)))
        assert (found.invariant, found.severity) == ("A2", severity)


def test_losses_and_strangers_are_failures() -> None:
    """Lost, foreign, late and misaligned bytes each make a finding of their own."""
    timeline = Builder().play().finish(4600).timeline()
    recorded = NOISE[:9000] + b"\x7f" + NOISE[9000:30_000] + NOISE[33_000:40_000]
    recorded += NOISE[30_000:31_000] + NOISE[40_000:]
    found = {
        f.invariant + f.severity for f in findings(Case(timeline, compare(NOISE, recorded, 2)))
    }
    assert found == {"A1error", "A4error", "A5error"}


def test_many_repeats_take_no_index_of_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Audio that is sent again after each of many reconnections is found near where it was sent:
    three hours of it are compared in the memory of a few seconds."""
    spans = []
    made = bytediff._Index.__init__

    def counted(index: Any, sent: Any, begin: int, end: int) -> None:
        spans.append(end - begin)
        made(index, sent, begin, end)

    monkeypatch.setattr(bytediff._Index, "__init__", counted)
    sent = np.random.default_rng(2).integers(0, 255, 12 << 20, np.uint8).tobytes()
    cuts = [3 << 20, 5 << 20, 8 << 20, 10 << 20]
    pieces = [sent[max(0, a - 3200 * (a > 0)) : b] for a, b in pairwise([0, *cuts, len(sent)])]
    found = compare(sent, b"".join(pieces), 2)
    assert (found.lost_bytes, found.repeated_bytes, found.garbage_bytes) == (0, 12800, 0)
    assert [each.offset for each in found.ranges] == [cut - 3200 for cut in cuts]
    assert spans
    assert max(spans) <= 2 << 20
