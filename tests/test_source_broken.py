"""Sources that cannot be opened, or that break: one clear line, and the rest is played."""

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import trio
from av.audio.frame import AudioFrame
from recordings import FIXTURES, played, raw_wav, samples

from replay.audio import AudioFormat, wav_header
from replay.errors import MachineError, SourceError
from replay.source import Shape, SourceSpec, open_source
from replay.source.convert import Converter
from replay.source.reasons import Unconvertible

MORNING = FIXTURES / "good-morning.wav"


async def refusal(location: object, **options: object) -> str:
    """The one line with which a source is refused."""
    with pytest.raises(SourceError) as caught:
        await played(SourceSpec(str(location), **options))  # type: ignore[arg-type]
    line = str(caught.value)
    assert "\n" not in line
    assert caught.value.__cause__ is None
    return line


async def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    """Missing files, directories and empty files say what they are."""
    (tmp_path / "empty.wav").touch()
    assert await refusal(tmp_path / "no.wav") == f"{tmp_path}/no.wav: no such file or directory"
    assert "is a directory" in await refusal(tmp_path)
    assert await refusal(tmp_path / "empty.wav") == f"{tmp_path}/empty.wav: is empty (0 bytes)"


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A file that we may not read, even when the tests run as root."""
    path = tmp_path / "locked.wav"
    path.write_bytes(MORNING.read_bytes())
    path.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield path
    if root:
        os.seteuid(0)


async def test_permission_is_asked_for(locked: Path) -> None:
    """A file that may not be read is refused as such."""
    assert (await refusal(locked)).endswith("permission denied")


async def test_other_files_are_not_taken_for_audio(tmp_path: Path) -> None:
    """Text and noise are refused, whatever they are called."""
    text = "This is not a recording, only a letter about one.\n" * 200
    for name in ("letter.txt", "letter.wav", "letter.mp3"):
        path = tmp_path / name
        path.write_text(text)
        line = await refusal(path)
        assert "audio" in line
    (tmp_path / "zeros.flac").write_bytes(bytes(20000))
    assert "audio" in await refusal(tmp_path / "zeros.flac")


async def test_a_picture_without_sound_has_no_audio_track(tmp_path: Path) -> None:
    """A video alone is told from a file that is no medium at all."""
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        image = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
        container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    assert await refusal(path) == "silent.mp4: has no audio track (only video)"


async def test_a_start_past_the_end_is_refused() -> None:
    """The line says how long the recording is."""
    for suffix in ("wav", "ogg"):
        line = await refusal(MORNING.with_suffix(f".{suffix}"), start=60.0)
        assert "cannot start at 60 s, it lasts only 9." in line


@pytest.mark.parametrize("location", [MORNING, "counter", "/nowhere.wav"])
async def test_a_duration_of_no_sample_is_refused(location: object) -> None:
    """As what it is, before anything is opened."""
    assert await refusal(location, duration=0.00001) == (
        "duration 1e-05 s: holds no sample at 16000 Hz; make it longer"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start": -1.0}, "starts at 0 s or later"),
        ({"duration": 0.0}, "must be more than 0 s"),
        ({"loops": 0}, "must be 1 or more"),
        ({"timeout": 0.0}, "must be more than 0 s"),
    ],
)
async def test_senseless_numbers_are_refused(options: dict[str, float], words: str) -> None:
    """Before anything is opened."""
    assert words in await refusal(MORNING, **options)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "mkv"])
async def test_half_a_file_plays_its_half_and_says_so(tmp_path: Path, suffix: str) -> None:
    """What can be decoded is played; then comes where the recording breaks."""
    whole_path = MORNING.with_suffix(f".{suffix}")
    half = tmp_path / f"half.{suffix}"
    data = whole_path.read_bytes()
    half.write_bytes(data[: len(data) // 2])
    whole, _, _ = await played(SourceSpec(str(whole_path)))
    got, events, _ = await played(SourceSpec(str(half)))
    assert 0.3 * len(whole) < len(got) < 0.7 * len(whole)
    same = len(got) - 6400
    assert got[:same] == whole[:same]
    [broken] = events
    assert broken.event == "broken"
    assert broken.offset == len(got)
    assert broken.detail.startswith(f"half.{suffix}: ")


@pytest.mark.parametrize("suffix", ["flac", "m4a"])
async def test_damage_in_the_middle_is_played_around(tmp_path: Path, suffix: str) -> None:
    """Packets that cannot be decoded are left out; what follows them is played."""
    data = bytearray(MORNING.with_suffix(f".{suffix}").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 1000] = b"\xa5" * 1000
    path = tmp_path / f"damaged.{suffix}"
    path.write_bytes(data)
    got, events, _ = await played(SourceSpec(str(path)))
    assert len(got) > 250_000
    [broken] = events
    assert broken.event == "broken"
    assert "could not be decoded, from 4." in broken.detail


async def test_a_header_without_its_container_is_refused(tmp_path: Path) -> None:
    """An MP4 whose index, at its end, was cut off cannot be opened at all."""
    path = tmp_path / "cut.m4a"
    path.write_bytes(MORNING.with_suffix(".m4a").read_bytes()[:40000])
    assert await refusal(path) == f"{path}: is not audio, or is damaged"


async def test_a_growing_wav_file_is_not_called_broken(tmp_path: Path) -> None:
    """A writer that left the sizes open for the end promised nothing."""
    path = tmp_path / "growing.wav"
    path.write_bytes(wav_header(AudioFormat(), None) + bytes(32000))
    got, events, source = await played(SourceSpec(str(path)))
    assert len(got) == 32000
    assert events == []
    assert source.facts.seconds is None or source.facts.seconds < 2


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/a.mp3", "connection refused"),
        ("rtsp://127.0.0.1:1/a", "connection refused"),
        ("rtmp://127.0.0.1:1/app/key", "connection refused"),
        ("gopher+x://host/a", "not supported"),
        ("http:///a", "names no host"),
        ("udp://127.0.0.1:0x/a", "is not a URL"),
    ],
)
async def test_hosts_that_do_not_answer_are_named(url: str, words: str) -> None:
    """One line, at once."""
    with trio.fail_after(5):
        assert words in await refusal(url)


async def test_secrets_of_a_url_stay_out_of_messages() -> None:
    """Neither password, query nor stream key is repeated."""
    for url in (
        "http://user:hunter2@127.0.0.1:1/live?token=hunter2",
        "rtmp://127.0.0.1:1/app/hunter2",
    ):
        line = await refusal(url)
        assert "hunter2" not in line
        assert "127.0.0.1:1" in line


async def test_a_host_that_accepts_and_says_nothing_is_given_up() -> None:
    """After the time limit, and at once when cancelled."""
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/quiet"
    assert await refusal(url, timeout=0.2) == f"{url}: gave nothing for 0.2 s"
    with trio.fail_after(2), trio.move_on_after(0.1) as scope:
        async with open_source(SourceSpec(url, timeout=0.5), Shape(), 0.1):
            pytest.fail("opened")
    assert scope.cancelled_caught
    await listener.aclose()


async def test_a_silent_pipe_is_given_up(tmp_path: Path) -> None:
    """A writer that keeps a pipe open and writes nothing counts as silence."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    keeper = os.open(fifo, os.O_RDWR)
    try:
        assert await refusal(fifo, timeout=0.1) == "fifo: gave nothing for 0.1 s"
    finally:
        os.close(keeper)


async def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    """It cannot be looped, and the line says why."""
    os.mkfifo(tmp_path / "fifo")
    assert "only once" in await refusal(tmp_path / "fifo", loops=2)


async def test_more_than_eight_channels_are_not_kept(tmp_path: Path) -> None:
    """They can be mixed down, not sent as they are."""
    path = tmp_path / "many.wav"
    header = struct.pack("<IHHIIHHI", 16, 1, 12, 16000, 16000 * 24, 24, 16, 0x61746164)
    data = bytes(24 * 1600)
    size = struct.pack("<I", len(data))
    path.write_bytes(
        b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + header + size + data
    )
    with pytest.raises(SourceError, match="has 12 channels, a session takes 8"):
        await played(SourceSpec(str(path)), Shape(channels=None))
    got, _, _ = await played(SourceSpec(str(path)), Shape(channels=1))
    assert len(got) == 3200


async def test_what_cannot_be_mixed_is_refused_in_a_line(tmp_path: Path) -> None:
    """Nobody knows which of nine channels is left and which is right."""
    path = tmp_path / "nine.wav"
    path.write_bytes(raw_wav(np.zeros((1600, 9), "<i2")))
    with pytest.raises(SourceError) as caught:
        async with open_source(SourceSpec(str(path)), Shape(channels=2), 0.1):
            pytest.fail("it was opened")
    assert str(caught.value) == (
        f"{path}: has 9 channels, which can be mixed into one but not into 2"
    )


async def test_audio_that_turns_unconvertible_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came before is played, and a note says why there is no more."""
    convert, done = Converter.convert, 0

    def failing(self: Converter, frame: AudioFrame) -> bytes:
        nonlocal done
        done += 1
        if done > 3:
            raise Unconvertible("has audio that cannot be converted (for a test)")
        return convert(self, frame)

    monkeypatch.setattr(Converter, "convert", failing)
    audio, events, _ = await played(SourceSpec(str(MORNING)))
    assert 0 < len(audio) < MORNING.stat().st_size
    (event,) = events
    assert event.event == "broken"
    assert event.detail.endswith("s it has audio that cannot be converted (for a test)")


async def test_a_capture_must_fit_its_file(tmp_path: Path) -> None:
    """A container that cannot keep the codec is refused before anything is played."""
    spec = SourceSpec(str(MORNING), capture=tmp_path / "kept.mp3")
    with pytest.raises(SourceError, match=r"a \.mp3 file cannot keep pcm_s16le audio"):
        await played(spec)
    spec = SourceSpec(str(MORNING), capture=tmp_path / "no" / "kept.wav")
    with pytest.raises(SourceError, match="existing directory"):
        await played(spec)


async def test_a_full_disk_stops_a_capture_loudly(tmp_path: Path) -> None:
    """What was to be kept and is not is an error, never a shorter file."""
    link = tmp_path / "full.wav"
    link.symlink_to("/dev/full")
    with pytest.raises(MachineError, match="the capture cannot be written"):
        await played(SourceSpec(str(MORNING), capture=link))


async def test_a_capture_of_a_file_is_the_same_audio(tmp_path: Path) -> None:
    """The packets are kept as they came."""
    kept = tmp_path / "kept.mka"
    spec = SourceSpec(str(MORNING.with_suffix(".mp3")), capture=kept)
    want, _, source = await played(spec)
    got, _, again = await played(SourceSpec(str(kept)))
    assert again.facts.codec == source.facts.codec
    size = min(len(want), len(got))
    one = samples(want[:size], source.format)[:, 0]
    shift = 1105 * 16000 // 44100  # Matroska keeps the encoder's delay as a time, not as a skip
    other = samples(got[:size], again.format)[:, 0]
    best = max(float(np.corrcoef(one[: size // 2 - lag], other[lag:])[0, 1]) for lag in (0, shift))
    assert best > 0.9


def test_the_decoder_says_nothing_on_the_terminal(tmp_path: Path) -> None:
    """What libavformat has to say about broken files stays out of the way."""
    path = tmp_path / "half.mp3"
    path.write_bytes(MORNING.with_suffix(".mp3").read_bytes()[:30000] + b"\xff\xfb" * 500)
    program = """
import sys, trio
from replay.source import *
async def main():
    async with open_source(SourceSpec(sys.argv[1]), Shape(), 0.1) as source:
        async for item in source: pass
trio.run(main)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
