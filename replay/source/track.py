"""One audio track of an opened container."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from replay.audio import wav_data_offset
from replay.errors import SourceError
from replay.source.capture import Capture
from replay.source.location import Place
from replay.source.pipe import Pipe
from replay.source.reasons import FAILURES, reason

# A whole file may still come out this much shorter than its container says: codecs count in blocks
# of up to 60 ms (Opus), containers in milliseconds.
SLACK = 0.1

# Tags in any encoding must not keep a file from being read. PyAV 19 sees to that by itself.
_LENIENT: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)

# Containers that write down how much audio they hold; others' lengths are estimates.
_DECLARING = ("w64", "flac", "mov", "matroska", "aiff", "caf")


class Track:
    """Opens `place` and decodes one of its audio streams. Used by one thread from end to end.

    Attributes:
        heard: seconds decoded so far.
        failed: what ended the reading before the source's end.

    Raises:
        SourceError: it cannot be opened, or has no such track.
    """

    def __init__(
        self, place: Place, index: int | None, timeout: float, pipe: Pipe | None = None
    ) -> None:
        self.place = place
        self.failed: Exception | None = None
        self.heard = 0.0
        self._bad = 0
        self._first_bad = 0.0
        self._timeout = timeout
        self._container = self._open(pipe)
        try:
            self.stream = pick(self._container, index, place.name)
        except SourceError:
            self._container.close()
            raise

    def _open(self, pipe: Pipe | None) -> InputContainer:
        file: Any = pipe
        if pipe is None:  # without `file:` a colon in a path would make it a protocol
            remote = self.place.kind == "remote" and "://" in self.place.target
            file = self.place.target if remote else f"file:{self.place.target}"
        try:
            container = av.open(
                file,
                "r",
                options=self.place.options,
                **_LENIENT,
                # The reader gives up first; these let an abandoned thread go.
                timeout=(self._timeout + 1, self._read_timeout),
            )
        except FAILURES as error:
            raise self.failure(error) from None
        assert isinstance(container, InputContainer)
        return container

    @property
    def _read_timeout(self) -> float:
        # Between two segments of a playlist nothing comes for a while, in good order.
        return (self._timeout + 1) * (3 if self.place.target.startswith("http") else 1)

    def failure(self, error: Exception) -> SourceError:
        """What to raise when nothing could be made of the source."""
        where = self.place.target if self.place.kind == "file" else self.place.name
        return SourceError(f"{where}: {reason(error, self._timeout)}")

    def close(self) -> None:
        self._container.close()

    def frames(self, capture: Capture | None, came: Callable[[], None]) -> Iterator[AudioFrame]:
        """All audio that can be decoded; `came` is called for each packet that brings some.

        What went wrong on the way is in `failed` and `damage` afterwards.
        """
        for packet in self._packets():
            if packet.size:
                came()
            try:
                frames = packet.decode()
            except FAILURES:
                self._bad += 1
                self._first_bad = self.heard if self._bad == 1 else self._first_bad
                frames = []
            if capture is not None and packet.size:
                capture.write(packet)
            yield from self._counted(frames)
        if self.failed is not None:
            with suppress(*FAILURES):  # it failed already; this is only the decoder's delay
                yield from self._counted(self.stream.decode(None))

    def _packets(self) -> Iterator[Packet[AudioStream]]:
        packets = self._container.demux(self.stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except FAILURES as error:
                self.failed = error
                return
            yield packet

    def _counted(self, frames: list[AudioFrame]) -> Iterator[AudioFrame]:
        for frame in frames:
            self.heard += frame.samples / frame.sample_rate
            yield frame

    @property
    def damage(self) -> str:
        """What could not be decoded, or an empty string."""
        if not self._bad:
            return ""
        packets = f"{self._bad} packets" if self._bad > 1 else "a packet"
        return f"{packets} could not be decoded, from {self._first_bad:.2f} s on"

    @property
    def endless(self) -> bool:
        """It comes as it is made: pushed to us, or elsewhere and without a known length."""
        if self.place.kind != "remote":
            return False
        return self.place.pushed or self._container.duration is None

    @property
    def declared(self) -> float | None:
        """Seconds of audio the container says it holds, where that can be relied on."""
        name = self._container.format.name
        if self.place.kind == "pipe":
            return None
        if self.place.kind == "file" and name in ("wav", "mp3"):
            with Path(self.place.target).open("rb") as file:
                head = file.read(65536)
            if name == "wav":  # libavformat believes the file's size, not what its header promised
                return wav_seconds(head)
            # A Xing, Info or VBRI header in the first frame counts the frames.
            if not any(mark in head for mark in (b"Xing", b"Info", b"VBRI")):
                return None
        elif not name.startswith(_DECLARING):
            return None
        if self.stream.duration is not None and self.stream.time_base:
            return float(self.stream.duration * self.stream.time_base)
        tag = self.stream.metadata.get("DURATION", "")  # Matroska, per track
        if tag.count(":") == 2:
            hours, minutes, seconds = tag.split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        return self.estimate if len(self._container.streams) == 1 else None

    @property
    def estimate(self) -> float | None:
        """Seconds, roughly."""
        if self.place.kind == "pipe" or self._container.duration is None:
            return None
        return float(Fraction(self._container.duration, av.time_base))


def wav_seconds(head: bytes) -> float | None:
    """What the beginning of a WAV file says of its length; None when it does not.

    A writer that was cut short, or is still writing, leaves 0 or all ones for the size.
    """
    data, form = wav_data_offset(head), head.find(b"fmt ", 12)
    if not data or form < 0:
        return None
    [size] = struct.unpack_from("<I", head, data - 4)
    [bytes_per_second] = struct.unpack_from("<I", head, form + 16)
    if size in (0, 0xFFFFFFFF) or not bytes_per_second:
        return None
    return float(size / bytes_per_second)


def pick(container: InputContainer, index: int | None, name: str) -> AudioStream:
    """The audio stream numbered `index` in its container, or the one libavformat thinks best."""
    tracks = container.streams.audio
    if not tracks:
        kinds = ", ".join(sorted({stream.type for stream in container.streams}))
        raise SourceError(f"{name}: has no audio track (only {kinds or 'nothing'})")
    if index is None:
        best = container.streams.best("audio")
        found = best if isinstance(best, AudioStream) else tracks[0]
    else:
        known = ", ".join(map(_described, tracks))
        named = [track for track in tracks if track.index == index]
        if not named:
            raise SourceError(f"{name}: stream {index} is not audio; audio streams: {known}")
        found = named[0]
    if found.codec_context is None:
        raise SourceError(f"{name}: its audio is in a codec that cannot be decoded here")
    return found


def _described(track: AudioStream) -> str:
    language = f", {track.language}" if track.language else ""
    return f"{track.index} ({track.name}, {track.channels} ch{language})"
