"""What is asked of a source, and what a source is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, Protocol

from replay.audio import AudioFormat, Chunk, Encoding
from replay.errors import SourceError, UsageError
from replay.journal import SourceFacts

Happening = Literal["stalled", "resumed", "ended", "broken", "looped"]


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Which recording or stream, and which part of it.

    Attributes:
        location: a path, `-` for standard input, `counter` for audio that counts, or a URL.
            `rtsp://` and `rtmp://` URLs whose query has the word `listen` wait for somebody to push
            to them.
        stream_index: the stream's number in its container, as ffprobe counts; None for the best.
        start: seconds left out at the beginning, to the sample at the session's rate.
        duration: seconds played after that, None for the rest.
        loops: how often that section is played in all; None for ever.
        timeout: seconds without any sign before a source is given up.
        capture: file that keeps the incoming packets, its container chosen by its suffix.

    Raises:
        SourceError: a number that makes no sense.
    """

    location: str
    stream_index: int | None = None
    start: float = 0.0
    duration: float | None = None
    loops: int | None = 1
    timeout: float = 10.0
    capture: Path | None = None

    def __post_init__(self) -> None:
        if self.start < 0:
            raise SourceError(f"start {self.start:g} s: a source starts at 0 s or later")
        if self.duration is not None and self.duration <= 0:
            raise SourceError(f"duration {self.duration:g} s: must be more than 0 s")
        if self.loops is not None and self.loops < 1:
            raise SourceError(f"{self.loops} loops: must be 1 or more")
        if self.timeout <= 0:
            raise SourceError(f"source timeout {self.timeout:g} s: must be more than 0 s")

    def section(self, rate: int) -> tuple[int, int | None]:
        """Samples left out and samples played, at the session's rate; None for the rest.

        Raises:
            SourceError: it would hold no sample.
        """
        if self.duration is None:
            return round(self.start * rate), None
        size = round(self.duration * rate)
        if not size:
            raise SourceError(
                f"duration {self.duration:g} s: holds no sample at {rate} Hz; make it longer"
            )
        return round(self.start * rate), size


@dataclass(frozen=True, slots=True)
class Shape:
    """The form the session asks for; `channels` None keeps the source's."""

    encoding: Encoding = Encoding.PCM
    sample_rate: int = 16000
    bit_depth: int = 16
    channels: int | None = 1

    def __post_init__(self) -> None:
        self.format(1)  # refuses what no session takes, before anything is opened

    def format(self, channels: int) -> AudioFormat:
        """The session's format for a source of so many channels."""
        kept = channels if self.channels is None else self.channels
        return AudioFormat(self.encoding, self.sample_rate, self.bit_depth, kept)


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """Something about the source, in its place among the chunks.

    Attributes:
        event: `stalled` and `resumed` come in pairs unless the source is over in between; `ended`:
            a live stream is over; `broken`: audio that should be there is missing; `looped`: the
            next pass begins at `offset`.
        offset: bytes of session audio given before it happened.
    """

    event: Happening
    detail: str
    offset: int


Item = Chunk | SourceEvent


class Source(Protocol):
    """Audio in pieces: offsets run on from 0, every chunk but the last has full size.

    Iterating raises SourceError when the source fails before any audio was given; after that a
    failure is an event, and the iteration ends.
    """

    @property
    def facts(self) -> SourceFacts: ...

    @property
    def format(self) -> AudioFormat: ...

    def __aiter__(self) -> AsyncIterator[Item]: ...

    async def __anext__(self) -> Item: ...


def chunk_bytes(fmt: AudioFormat, chunk_seconds: Fraction | float) -> int:
    """Bytes of a full chunk.

    Raises:
        UsageError: it would hold no sample.
    """
    size = fmt.bytes_in(chunk_seconds)
    if size <= 0:
        raise UsageError(f"a chunk of {float(chunk_seconds):g} s holds no sample: make it longer")
    return size
