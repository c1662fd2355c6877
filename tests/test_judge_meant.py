"""What a foreign client meant to say, and audio that counts."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from journals import Builder
from verdicts import run, stored

from replay import journal as j
from replay.audio import AudioFormat, wav_header
from replay.cli.verify import command
from replay.continuity import compare
from replay.counter import ENOUGH, counted, place
from replay.judge.meant import Meant, meant
from replay.rundir import load
from replay.timeline import Timeline

NOISE = random.Random(5).randbytes(40_000)


@given(st.integers(0, 1 << 34), st.integers(ENOUGH, 64))
def test_a_piece_of_counting_audio_says_where_it_stood(offset: int, size: int) -> None:
    """At any phase, and also behind 16 GiB, where it begins again."""
    found = place(counted(offset, size))
    assert found is not None
    assert counted(found, size) == counted(offset, size)
    assert found == offset % (1 << 34)


def test_other_audio_does_not_count() -> None:
    """Noise, silence, and pieces too short to tell."""
    assert place(NOISE) is None
    assert place(bytes(64)) is None
    assert place(counted(400, ENOUGH - 1)) is None


def connections(audio: bytes, *spans: tuple[int, int], acked: list[int] | None = None) -> Meant:
    """A client that said these spans of `audio`, each over a connection of its own."""
    found, _ = seen(audio, spans, acked)
    return found


def test_a_byte_alike_is_no_repeat() -> None:
    """A connection that goes on where the last one ended, and happens to begin as that did end."""
    audio = NOISE[:20_000] + NOISE[19_999:20_000] + NOISE[20_001:]
    found = connections(audio, (0, 20_000), (20_000, 40_000))
    assert (found.audio, found.began) == (audio, {1: 0, 2: 20_000})


def seen(
    audio: bytes, spans: tuple[tuple[int, int], ...], acked: list[int] | None
) -> tuple[Meant, Timeline]:
    came, count = b"", 0
    entries: list[Any] = []
    for k, (start, end) in enumerate(spans, 1):
        entries.append(j.Connected(t=k * 10, connection=k, attempt=1, resume_at=len(came)))
        size = end - start
        entries.append(j.Frame(t=k * 10 + 1, done=0, connection=k, offset=len(came), size=size))
        entries += [
            j.Ack(t=k * 10 + 2, connection=k, start=count, end=count + amount, upto=0)
            for amount in (acked or [])[k - 1 : k]
        ]
        count += size
        came += audio[start:end]
    timeline = stored([Builder().entries[0], *entries])
    return meant(timeline, memoryview(came)), timeline


@pytest.mark.parametrize("spans", [
    [(0, 40_000)],
    [(0, 20_000), (16_800, 40_000)],
    [(0, 20_000), (16_800, 17_000), (16_800, 40_000)],
    [(0, 20_000), (20_000, 40_000)],
    [(0, 20_000), (19_990, 40_000)],
    [(0, 20_000), (0, 40_000)],
])  # fmt: skip
def test_the_connections_of_a_client_are_put_together(spans: list[tuple[int, int]]) -> None:
    """However far back each begins, what was said is what was meant, and where each began."""
    found = connections(NOISE, *spans)
    assert (found.audio, found.basis) == (NOISE, "merged")
    assert list(found.began.values()) == [start for start, _ in spans]


def test_in_silence_the_acknowledgements_say_where() -> None:
    """A repeat of silence could stand anywhere: what was acknowledged was not repeated."""
    quiet = NOISE[:10_000] + bytes(20_000) + NOISE[10_000:]
    spans = ((0, 20_000), (16_800, len(quiet)))
    assert seen(quiet, spans, [16_800, 0])[0].audio == quiet


def test_what_a_client_leaves_out_shows_in_counting_audio_alone() -> None:
    """A client that skips what was in flight loses it; in noise that cannot be seen."""
    audio = counted(0, 40_000)
    found = connections(audio, (0, 20_000), (23_200, 40_000))
    assert (found.audio, found.basis) == (audio, "counter")
    lost = compare(found.audio, audio[:20_000] + audio[23_200:], 2, found.basis)
    assert (lost.lost_bytes, lost.ranges[0].offset) == (3200, 20_000)
    assert len(connections(NOISE, (0, 20_000), (23_200, 40_000)).audio) == 36_800


def directory(path: Path, entries: list[j.Entry], audio: bytes, recorded: bytes) -> Path:
    path.mkdir()
    (path / "journal.jsonl").write_bytes(b"".join(map(j.encode, entries)))
    for name, data in (("sent.wav", audio), ("recorded.wav", recorded)):
        (path / name).write_bytes(wav_header(AudioFormat(), len(data)) + data)
    return path


def entries_of(**options: Any) -> list[j.Entry]:
    lines: list[Any] = []
    run(lines=lines, **options)
    return lines


def test_stored_runs_are_judged_again(tmp_path: Path) -> None:
    """0 when all hold, 1 when one does not, 3 when it cannot be told, and the worst of several."""
    audio = counted(0, 192_000)
    lines = entries_of()
    good = directory(tmp_path / "good", lines, audio, audio)
    bad = directory(tmp_path / "bad", lines, audio, audio[:-2])
    torn = directory(tmp_path / "torn", lines[:-1], audio, audio)
    runner = CliRunner()
    for paths, code in (([good], 0), ([bad], 1), ([torn], 3), ([good, torn], 3), ([torn, bad], 1)):
        done = runner.invoke(command, [str(path) for path in paths])
        assert done.exit_code == code, done.output
    done = runner.invoke(command, [str(bad), "--json"])
    found = json.loads(done.output)
    assert found["invariants"]["A1"]["state"] == "fail"
    assert found["invariants"]["A1"]["findings"][0]["at"]["offset"] == 191_998
    assert runner.invoke(command, [str(tmp_path)]).exit_code != 0


def test_strict_asks_for_more(tmp_path: Path) -> None:
    """A repeat within the window passes, and fails where nothing may be repeated."""
    from verdicts import cut_at

    lines = entries_of(disturb=cut_at(3.02))
    audio = counted(0, 192_000)
    cut = next(e for e in lines if isinstance(e, j.Connected) and e.connection == 2).resume_at
    twice = audio[: cut + 3200] + audio[cut:]
    path = directory(tmp_path / "twice", lines, audio, twice)
    runner = CliRunner()
    assert runner.invoke(command, [str(path)]).exit_code == 0
    assert runner.invoke(command, [str(path), "--strict"]).exit_code == 1


def test_a_proxys_directory_is_compared_with_what_was_meant(tmp_path: Path) -> None:
    """Its `sent.wav` has every repeat; the recording is held against the audio without them."""
    spans = ((0, 20_000), (16_800, 40_000))
    _, timeline = seen(NOISE, spans, [16_800, 0])
    header = timeline.header
    header.vantage = "proxy"
    entries = [header, *timeline.all(j.Connected), *timeline.all(j.Frame), j.Closed(t=99)]
    came = NOISE[:20_000] + NOISE[16_800:]
    found = load(directory(tmp_path / "run", entries, came, came)).compare()
    assert found is not None
    assert (found.basis, found.lost_bytes, found.repeated_bytes) == ("merged", 0, 3200)
