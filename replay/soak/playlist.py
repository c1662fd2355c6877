"""What every session of a soak plays: all its recordings, one after another, again and again."""

from __future__ import annotations

import hashlib
import math
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import msgspec
import trio
from msgspec import Struct

from replay.audio import AudioFormat, Chunk, wav_data_offset, wav_header
from replay.counter import COUNTER
from replay.errors import MachineError, UsageError
from replay.journal import ReferenceWord, SourceFacts
from replay.recorder import cannot_write
from replay.source import Spoken, open_source
from replay.source.spec import chunk_bytes
from replay.take import RunOptions, beside

WAV = "playlist.wav"
WORDS = "playlist.words.json"
#: Silence behind each recording, in seconds, so that no utterance goes on into the next one.
_GAP_SECONDS = 1.0
_HEAD_BYTES = 1 << 16


class Playlist(Struct, kw_only=True, frozen=True):
    """Attributes:
    seconds: of one pass; 0 for counting audio, which has no passes.
    channels: of its samples.
    sha256: of its samples.
    words: what is said in all of it, and when, is known.
    """

    seconds: float
    channels: int = 1
    sha256: str = ""
    words: bool = False

    @property
    def counter(self) -> bool:
        return not self.seconds

    def passes(self, seconds: float) -> int:
        """How often it is begun in so many seconds."""
        return max(1, math.ceil(seconds / self.seconds))


class _Words(Struct):
    words: list[dict[str, str | float | int]]


async def make(directory: Path, sources: Sequence[str], options: RunOptions) -> Playlist:
    """Decode the recordings into `directory`.

    Args:
        options: how they are to be opened; its own source is left out.

    Raises:
        UsageError: a source has no end, or cannot be mixed with others.
        SourceError: one cannot be played.
        MachineError: the disk is full.
    """
    if COUNTER in sources:
        if len(sources) > 1:
            raise UsageError(f"{COUNTER} counts every byte of a session: it is played alone")
        return Playlist(seconds=0.0)
    audio = bytearray()
    words: list[ReferenceWord] = []
    known = True
    fmt: AudioFormat | None = None
    for location in sources:
        if location == "-" or "://" in location:
            raise UsageError(f"{location}: a soak plays recordings again and again: give files")
        spec = replace(options.source, location=location)
        async with open_source(spec, options.shape, options.chunk) as source:
            if fmt is not None and source.format != fmt:
                raise UsageError(
                    f"{location}: has {source.format.channels} channels, what is before it has "
                    f"{fmt.channels}: give --channels"
                )
            fmt = source.format
            spoken = beside(spec, source)
            begin = fmt.seconds(len(audio))
            async for item in source:
                if isinstance(item, Chunk):
                    audio += item.data
        known = known and spoken is not None and bool(spoken.words)
        if spoken is not None:
            words += [
                ReferenceWord(w.word, w.start + begin, w.end + begin, w.channel)
                for w in spoken.words
            ]
        audio += fmt.silence(fmt.bytes_in(_GAP_SECONDS))
    assert fmt is not None, "the command line asks for a source"
    await trio.to_thread.run_sync(_write, directory, fmt, bytes(audio), words if known else [])
    return Playlist(
        seconds=fmt.seconds(len(audio)),
        channels=fmt.channels,
        sha256=hashlib.sha256(audio).hexdigest(),
        words=known and bool(words),
    )


def _write(directory: Path, fmt: AudioFormat, audio: bytes, words: list[ReferenceWord]) -> None:
    try:
        with (directory / WAV).open("wb") as file:
            file.write(wav_header(fmt, len(audio)))
            file.write(audio)
        if words:
            rows = [
                {"word": w.word, "start": w.start, "end": w.end, "channel": w.channel}
                for w in words
            ]
            (directory / WORDS).write_bytes(msgspec.json.encode({"words": rows}))
    except OSError as error:
        raise cannot_write(directory / WAV, error, kept=False) from None


def spoken_in(words: Sequence[ReferenceWord], playlist: Playlist, seconds: float) -> Spoken | None:
    """What is said in so many seconds of it; None where that is not known.

    A word belongs to them when its end does: what is cut off cannot be heard.
    """
    if not words:
        return None
    said = []
    for number in range(playlist.passes(seconds)):
        shift = number * playlist.seconds
        said += [
            ReferenceWord(w.word, w.start + shift, w.end + shift, w.channel)
            for w in words
            if w.end + shift <= seconds
        ]
    return Spoken(" ".join(w.word for w in said), tuple(said))


class Reel:
    """A playlist's samples, mapped into memory: they are there once for all sessions and processes.

    Raises:
        MachineError: the file is not there, or was changed.
    """

    def __init__(self, directory: Path, playlist: Playlist, fmt: AudioFormat) -> None:
        path = directory / WAV
        try:
            with path.open("rb") as file:
                data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError):
            raise MachineError(f"{path}: cannot be read: it belongs to this soak") from None
        self.samples = data[wav_data_offset(bytes(data[:_HEAD_BYTES])) or 0 :]
        self.format = fmt
        self.playlist = playlist
        self.words: list[ReferenceWord] = []
        if playlist.words:
            found = msgspec.json.decode((directory / WORDS).read_bytes(), type=_Words)
            self.words = [msgspec.convert(list(row.values()), ReferenceWord) for row in found.words]
        if hashlib.sha256(self.samples).hexdigest() != playlist.sha256:
            raise MachineError(f"{path}: was changed since the soak began")

    def source(self, seconds: float, chunk: Fraction) -> ReelSource:
        """So many seconds of it, from its beginning."""
        return ReelSource(self, seconds, chunk)


class ReelSource:
    """A `Source` that goes round a reel until its time is over."""

    def __init__(self, reel: Reel, seconds: float, chunk: Fraction) -> None:
        self.format = reel.format
        size = reel.format.bytes_in(seconds)
        self.facts = SourceFacts(
            name=WAV,
            seconds=reel.format.seconds(size),
            sha256=reel.playlist.sha256,
            codec="playlist",
            sample_rate=reel.format.sample_rate,
            channels=reel.format.channels,
        )
        self._pieces = _pieces(reel.samples, size, chunk_bytes(reel.format, chunk))

    def __aiter__(self) -> ReelSource:
        return self

    async def __anext__(self) -> Chunk:
        await trio.lowlevel.checkpoint()
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


def _pieces(samples: memoryview, total: int, size: int) -> Iterator[Chunk]:
    """`total` bytes in chunks of `size`, round and round."""
    for offset in range(0, total, size):
        left = min(size, total - offset)
        at = offset % len(samples)
        data = bytes(samples[at : at + left])
        while len(data) < left:
            data += bytes(samples[: left - len(data)])
        yield Chunk(offset, data)
