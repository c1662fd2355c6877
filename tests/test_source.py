"""Recordings: every format, every shape, sections, loops, cancellation."""

import hashlib
import os
import threading
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import numpy as np
import pytest
import trio
from recordings import FIXTURES, TENTH, check_source, items_of, likeness, played, raw_wav, samples

from replay.audio import AudioFormat, Chunk, Encoding, wav_header
from replay.errors import SourceError, UsageError
from replay.journal import SourceFacts
from replay.source import PreparedSource, Shape, Source, SourceEvent, SourceSpec, open_source

MORNING = FIXTURES / "good-morning.wav"
FORMATS = ["wav", "flac", "mp3", "ogg", "m4a", "mp4", "mkv", "webm"]


def wav(path: Path, frames: np.ndarray, rate: int = 16000) -> str:
    """A 16-bit WAV file of (frames, channels)."""
    fmt = AudioFormat(sample_rate=rate, channels=frames.shape[1])
    data = frames.astype("<i2").tobytes()
    path.write_bytes(wav_header(fmt, len(data)) + data)
    return str(path)


def tone(seconds: float, rate: int = 16000, channels: int = 1) -> np.ndarray:
    """A different sine on every channel."""
    at = np.arange(round(seconds * rate)) / rate
    waves = [8000 * np.sin(2 * np.pi * 200 * (number + 1) * at) for number in range(channels)]
    return np.stack(waves, axis=1)


# ------------------------------------------------------------------ the contract


@pytest.mark.parametrize("name", ["good-morning.wav", "good-morning.mp3", "call.wav"])
@pytest.mark.parametrize("chunk_seconds", [0.02, 0.1, 1.7])
async def test_files_keep_the_contract(name: str, chunk_seconds: float) -> None:
    """A file is a Source, looped or not."""

    def make() -> AbstractAsyncContextManager[Source]:
        spec = SourceSpec(str(FIXTURES / name), duration=2.05, loops=2)
        return open_source(spec, Shape(channels=None), chunk_seconds)

    await check_source(make, chunk_seconds)


async def test_prepared_audio_keeps_the_contract() -> None:
    """So is audio in memory."""
    data = bytes(range(200)) * 100
    fmt = AudioFormat(channels=2)
    await check_source(lambda: PreparedSource(data, fmt, 0.013, loops=3), 0.013)


async def test_the_contract_notices_a_lost_chunk() -> None:
    """A source that skips a chunk does not pass (the check itself can fail)."""

    class Lossy(PreparedSource):
        async def __anext__(self) -> Chunk | SourceEvent:
            item = await super().__anext__()
            return await super().__anext__() if item.offset == 320 else item

    with pytest.raises(AssertionError):
        await check_source(lambda: Lossy(bytes(3200), AudioFormat(), 0.01), 0.01)


# ------------------------------------------------------------------ formats and shapes


@pytest.mark.parametrize("suffix", FORMATS)
async def test_every_format_decodes_to_the_same_speech(suffix: str) -> None:
    """Length and sound agree with the uncompressed recording, at the same place in time."""
    want, _, _ = await played(SourceSpec(str(MORNING)))
    spec = SourceSpec(str(MORNING.with_suffix(f".{suffix}")))
    got, events, source = await played(spec)
    assert events == []
    assert abs(len(got) - len(want)) / 32000 < 0.02  # blocks of the codec at the end
    one, other = samples(want, source.format)[:, 0], samples(got, source.format)[:, 0]
    assert likeness(one, other) > 0.95
    assert source.facts.seconds == pytest.approx(len(got) / 32000, abs=0.04)
    assert source.facts.name == f"good-morning.{suffix}"


@pytest.mark.parametrize("suffix", ["wav", "flac"])
async def test_lossless_formats_are_exact_in_length(suffix: str) -> None:
    """So many samples as the length in the header says."""
    got, _, source = await played(SourceSpec(str(MORNING.with_suffix(f".{suffix}"))))
    assert source.facts.seconds is not None
    assert len(got) // 2 == round(source.facts.seconds * 16000)


async def test_what_needs_no_conversion_is_not_touched() -> None:
    """16-bit samples at the session's rate come out bit for bit."""
    got, _, source = await played(SourceSpec(str(MORNING)))
    assert got == MORNING.read_bytes()[-len(got) :]
    assert source.facts == SourceFacts(
        name="good-morning.wav",
        seconds=len(got) / 32000,
        sha256=hashlib.sha256(MORNING.read_bytes()).hexdigest(),
        codec="pcm_s16le",
        sample_rate=16000,
        channels=1,
    )


@pytest.mark.parametrize("rate", [8000, 16000, 32000, 44100, 48000])
@pytest.mark.parametrize(
    ("encoding", "depth"),
    [(Encoding.PCM, depth) for depth in (8, 16, 24, 32)] + [(Encoding.ALAW, 8), (Encoding.ULAW, 8)],
)
async def test_every_shape_sounds_the_same(
    tmp_path: Path, rate: int, encoding: Encoding, depth: int
) -> None:
    """Every rate, depth and companding has the exact length, and decodes to the same tone."""
    import av

    location = wav(tmp_path / "tone.wav", tone(0.5))
    got, _, source = await played(SourceSpec(location), Shape(encoding, rate, depth))
    assert len(got) == rate // 2 * depth // 8
    path = tmp_path / "out.wav"  # libavformat as an independent reader of what was made
    path.write_bytes(wav_header(source.format, len(got)) + got)
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("dbl")
        back = np.concatenate(
            [
                out.to_ndarray().ravel()
                for frame in container.decode(audio=0)
                for out in resampler.resample(frame)
            ]
        )
    want = tone(0.5, rate)[:, 0] / 32768
    middle = slice(rate // 10, -rate // 10)  # a filter rings where a sound is cut off
    assert np.abs(back[middle] - want[middle]).max() < (0.02 if depth == 8 else 0.001)


@pytest.mark.parametrize("channels", range(1, 9))
async def test_channels_are_kept_in_their_order(tmp_path: Path, channels: int) -> None:
    """One to eight channels each come out where they went in."""
    location = wav(tmp_path / "many.wav", tone(0.3, 48000, channels), 48000)
    got, _, source = await played(SourceSpec(location), Shape(channels=None))
    assert source.format.channels == source.facts.channels == channels
    heard = samples(got, source.format)
    assert len(heard) == 4800
    want = tone(0.3, 16000, channels)
    for number in range(channels):
        assert likeness(want[:, number], heard[:, number]) > 0.99


async def test_two_channels_are_mixed_to_their_mean(tmp_path: Path) -> None:
    """Mono of two channels is what lies between them."""
    both = np.stack([np.full(1600, 1000), np.full(1600, 3000)], axis=1)
    got, _, _ = await played(SourceSpec(wav(tmp_path / "two.wav", both)), Shape(channels=1))
    assert set(np.frombuffer(got, "<i2")) == {2000}


@pytest.mark.parametrize("channels", [9, 11, 17, 32])
@pytest.mark.parametrize("kind", ["<i2", "<i4", "<f4", "u1"])
async def test_any_number_of_channels_is_mixed_to_one(
    tmp_path: Path, channels: int, kind: str
) -> None:
    """Where the decoder's library knows no mix, as for 9 channels, it is their mean."""
    want = tone(0.3, channels=channels)
    scale = {"<i2": 1, "<i4": 65536, "<f4": 1 / 32768, "u1": 1 / 256}[kind]
    frames = want * scale + (128 if kind == "u1" else 0)
    path = tmp_path / "many.wav"
    path.write_bytes(raw_wav(frames.astype(kind), 16000))
    got, events, source = await played(SourceSpec(str(path)), Shape(channels=1))
    assert (events, source.facts.channels, source.format.channels) == ([], channels, 1)
    mixed = samples(got, source.format)[:, 0]
    assert len(mixed) == 4800
    assert np.abs(mixed - want.mean(axis=1)).max() < (257 if kind == "u1" else 2)


@pytest.mark.parametrize("wanted", range(1, 9))
async def test_channels_can_be_any_number(wanted: int) -> None:
    """Whatever a session asks for is made of what a recording has."""
    spec = SourceSpec(str(FIXTURES / "room.flac"), duration=0.5)
    got, _, source = await played(spec, Shape(channels=wanted))
    assert source.format.channels == wanted
    assert len(got) == 8000 * 2 * wanted


async def test_the_audio_beside_a_picture_can_be_named() -> None:
    """The stream's number is the container's; a wrong one lists the right ones."""
    location = str(FIXTURES / "good-morning.mp4")
    best, _, _ = await played(SourceSpec(location))
    named, _, _ = await played(SourceSpec(location, stream_index=1))
    assert named == best
    with pytest.raises(SourceError, match=r"stream 0 is not audio; audio streams: 1 \(aac, 1 ch"):
        await played(SourceSpec(location, stream_index=0))


# ------------------------------------------------------------------ sections and loops


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg"])
@pytest.mark.parametrize("rate", [16000, 44100])
async def test_a_section_is_exact_to_the_sample(suffix: str, rate: int) -> None:
    """Start and duration cut the very samples that playing everything gives."""
    location = str(MORNING.with_suffix(f".{suffix}"))
    shape = Shape(sample_rate=rate)
    whole, _, _ = await played(SourceSpec(location), shape)
    part, events, source = await played(SourceSpec(location, start=1.2345, duration=0.777), shape)
    first, count = round(1.2345 * rate), round(0.777 * rate)
    assert part == whole[first * 2 : (first + count) * 2]
    assert events == []
    assert source.facts.seconds == 0.777


async def test_loops_leave_no_gap_and_no_sample_out(tmp_path: Path) -> None:
    """Three passes are the same bytes three times, across chunk borders."""
    location = wav(tmp_path / "odd.wav", tone(0.3217, 44100), 44100)
    once, _, _ = await played(SourceSpec(location))
    thrice, events, source = await played(SourceSpec(location, loops=3))
    assert thrice == once * 3
    assert [(event.event, event.offset) for event in events] == [
        ("looped", len(once)),
        ("looped", 2 * len(once)),
    ]
    assert source.facts.seconds == pytest.approx(3 * 0.3217, abs=0.0001)


async def test_a_loop_for_ever_goes_on_and_its_thread_ends(tmp_path: Path) -> None:
    """An endless source has no length, and goes away when its block is left."""
    location = wav(tmp_path / "short.wav", tone(0.05))
    async with open_source(SourceSpec(location, loops=None), Shape(), TENTH) as source:
        assert source.facts.seconds is None
        async for item in source:
            if item.offset > 320_000:
                break
    assert not _source_threads()


# ------------------------------------------------------------------ the thread


def _source_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "source"]


async def test_decoding_stays_a_few_seconds_ahead(tmp_path: Path) -> None:
    """A long recording waits in its file, not in memory."""
    location = wav(tmp_path / "long.wav", np.zeros((16000 * 120, 1)))
    async with open_source(SourceSpec(location), Shape(), TENTH) as source:
        await source.__anext__()
        bridge = source._bridge  # type: ignore[attr-defined]
        with trio.fail_after(10):
            while bridge._weight < 5:  # noqa: ASYNC110 - a thread fills it
                await trio.sleep(0.001)
        assert bridge._weight < 5.2
    assert not _source_threads()


async def test_leaving_early_ends_the_thread() -> None:
    """Neither an exception nor a cancellation in the block leaves a thread behind."""
    spec = SourceSpec(str(FIXTURES / "demo.flac"), loops=None)

    async def fail() -> None:
        async with open_source(spec, Shape(), TENTH) as source:
            await source.__anext__()
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert not _source_threads()
    with trio.move_on_after(0.05):
        async with open_source(spec, Shape(), TENTH):
            await trio.sleep_forever()
    assert not _source_threads()


async def test_a_pipe_that_says_nothing_can_be_left(tmp_path: Path) -> None:
    """A reader that waits for a writer who never comes is let go of at once."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with trio.move_on_after(0.05) as scope:
        async with open_source(SourceSpec(str(fifo)), Shape(), TENTH):
            pytest.fail("opened")
    assert scope.cancelled_caught
    assert not _source_threads()


async def test_a_pipe_is_read_as_it_comes(tmp_path: Path) -> None:
    """What a pipe brings equals what the file holds, though its length is not known before."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    want, _, _ = await played(SourceSpec(str(MORNING)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, fifo.write_bytes, MORNING.read_bytes())
        got, events, source = await played(SourceSpec(str(fifo)))
    assert got == want
    assert events == []
    assert source.facts.seconds is None
    assert not source.facts.live


async def test_chunks_must_hold_a_sample() -> None:
    """A chunk of no sample is refused with the reason."""
    with pytest.raises(UsageError, match="holds no sample"):
        await played(SourceSpec(str(MORNING)), chunk_seconds=0.00001)


async def test_prepared_items_come_in_order() -> None:
    """A loop is told of before the chunk in which it begins."""
    source = PreparedSource(b"abcdef", AudioFormat(bit_depth=8), 4 / 16000, loops=2)
    assert await items_of(source) == [
        Chunk(0, b"abcd"),
        SourceEvent("looped", "pass 2 begins", 6),
        Chunk(4, b"efab"),
        Chunk(8, b"cdef"),
    ]
