"""The thread's story: open, decode, convert, cut, put; once for each pass."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import outcome

from replay.audio import AudioFormat, Chunk
from replay.errors import SourceError
from replay.journal import SourceFacts
from replay.source.bridge import Bridge, Stopped
from replay.source.capture import Capture
from replay.source.convert import Converter
from replay.source.location import Place, locate
from replay.source.pieces import Chunker, Section
from replay.source.pipe import Pipe
from replay.source.reasons import Unconvertible, reason, silent
from replay.source.spec import Happening, Item, Shape, SourceEvent, SourceSpec, chunk_bytes
from replay.source.track import SLACK, Track


@dataclass(frozen=True, slots=True)
class Opened:
    """The first thing a worker puts: audio was decoded and converted, so this much is certain."""

    facts: SourceFacts
    format: AudioFormat


class Worker:
    """Plays `spec` into `bridge`. `clock` gives trio's time, and can be asked from any thread."""

    def __init__(
        self,
        spec: SourceSpec,
        shape: Shape,
        chunk_seconds: Fraction | float,
        bridge: Bridge[Item | Opened],
        clock: Callable[[], float],
    ) -> None:
        self._spec = spec
        self._shape = shape
        self._chunk_seconds = chunk_seconds
        self._bridge = bridge
        self._clock = clock
        self._pipe: Pipe | None = None
        self._arrival: float | None = None
        self._opened: Opened | None = None
        self._announced = False

    def run(self) -> None:
        """The thread's whole life."""
        self._bridge.finish(outcome.capture(self._play))

    def stop(self) -> None:
        """From another thread, after the bridge was closed: do not wait for a pipe any longer."""
        if (pipe := self._pipe) is not None:
            pipe.stop()

    def _play(self) -> None:
        try:
            place = locate(self._spec.location, self._spec.timeout)
            if place.kind == "pipe":
                self._pipe = Pipe(place, self._spec.timeout)
            self._passes(place, _sha256(place, self._checked))
        except Stopped:
            return
        finally:
            if self._pipe is not None:
                self._pipe.release()

    def _checked(self) -> None:
        if self._bridge.closed:
            raise Stopped

    def _passes(self, place: Place, sha256: str | None) -> None:
        spec = self._spec
        if place.kind == "pipe" and spec.loops != 1:
            raise SourceError(f"{place.name}: can be read only once, so it cannot be looped")
        number = 1
        while self._pass(place, sha256, number) and number != spec.loops:
            number += 1
            self._tell("looped", f"pass {number} begins")
        self._put(self._chunker.flush(self._arrival if self._live else None))

    def _pass(self, place: Place, sha256: str | None, number: int) -> bool:
        """One time through the section. False when nothing may follow it."""
        with closing(
            Track(place, self._spec.stream_index, self._spec.timeout, self._pipe)
        ) as track:
            if number == 1 and self._spec.capture is not None:
                with closing(Capture(self._spec.capture, track.stream)) as capture:
                    done = self._decode(track, sha256, capture)
            else:
                done = self._decode(track, sha256, None)
            return self._conclude(track, done)

    def _decode(self, track: Track, sha256: str | None, capture: Capture | None) -> bool:
        """Puts the section's chunks; True when the section ended before the track did."""
        converter = None
        try:
            for frame in track.frames(capture, self._came):
                self._checked()
                if converter is None:
                    channels, rate = frame.layout.nb_channels, frame.sample_rate
                    fmt = self._open(track, channels, rate, sha256).format
                    converter = Converter(fmt)
                    section = Section(*self._spec.section(fmt.sample_rate), fmt.frame_bytes)
                data = converter.convert(frame)
                self._announce()
                self._give(section.cut(data))
                if section.done:
                    return True
            if converter is None:
                if track.failed is not None:
                    raise track.failure(track.failed)
                raise SourceError(f"{track.place.name}: nothing in it could be decoded as audio")
            self._give(section.cut(converter.flush()))
        except Unconvertible as error:
            track.failed = error
            return False
        return section.done

    def _conclude(self, track: Track, done: bool) -> bool:
        """Tells how the pass ended."""
        if self._chunker.offset == 0:
            if track.failed is not None:
                raise track.failure(track.failed)
            raise _beyond(track, self._spec.start, track.heard)
        if self._live:
            if not done:
                self._end("ended", self._last_words(track))
            return False
        lost = track.damage
        if not done:
            declared = track.declared
            if track.failed is not None:
                lost = f"after {track.heard:.2f} s it {reason(track.failed, self._spec.timeout)}"
            elif declared is not None and track.heard < declared - SLACK:
                lost = lost or f"only {track.heard:.2f} s of {declared:.2f} s could be decoded"
        if lost:
            self._end("broken", f"{track.place.name}: {lost}")
        return not lost

    def _last_words(self, track: Track) -> str:
        if track.failed is None:
            return "the stream ended"
        if silent(track.failed):
            return f"nothing came for {self._spec.timeout:g} s"
        return f"the stream {reason(track.failed, self._spec.timeout)}"

    def _open(self, track: Track, channels: int, rate: int, sha256: str | None) -> Opened:
        """At the first frame of the first pass; later passes keep the first one's form."""
        if self._opened is not None:
            return self._opened
        spec = self._spec
        if self._shape.channels is None and channels > 8:
            raise SourceError(
                f"{track.place.name}: has {channels} channels, a session takes 8; mix them down"
            )
        if track.endless and spec.loops != 1:
            raise SourceError(f"{track.place.name}: is a live stream, which cannot be looped")
        length = None if track.endless else track.declared or track.estimate
        if length is not None:
            if track.declared is not None and spec.start >= length:
                raise _beyond(track, spec.start, length)
            length = max(0.0, length - spec.start)
        if spec.duration is not None and (length is None or spec.duration < length):
            length = spec.duration if track.place.kind != "pipe" else None
        facts = SourceFacts(
            name=track.place.name,
            seconds=None if length is None or spec.loops is None else length * spec.loops,
            sha256=sha256,
            live=track.endless,
            codec=track.stream.codec_context.name,
            sample_rate=rate,
            channels=channels,
        )
        fmt = self._shape.format(channels)
        self._live = track.endless
        self._chunker = Chunker(chunk_bytes(fmt, self._chunk_seconds))
        self._opened = Opened(facts, fmt)
        return self._opened

    def _announce(self) -> None:
        if not self._announced:
            assert self._opened is not None
            self._bridge.put(self._opened)
            self._announced = True

    def _came(self) -> None:
        self._arrival = self._clock()

    def _give(self, data: bytes) -> None:
        self._put(self._chunker.feed(data, self._arrival if self._live else None))

    def _put(self, chunks: list[Chunk]) -> None:
        assert self._opened is not None
        for chunk in chunks:
            self._bridge.put(chunk, self._opened.format.seconds(len(chunk.data)))

    def _tell(self, event: Happening, detail: str) -> None:
        self._bridge.put(SourceEvent(event, detail, self._chunker.offset))

    def _end(self, event: Happening, detail: str) -> None:
        self._put(self._chunker.flush(self._arrival if self._live else None))
        self._tell(event, detail)


def _beyond(track: Track, start: float, length: float) -> SourceError:
    return SourceError(
        f"{track.place.name}: cannot start at {start:g} s, it lasts only {length:.2f} s"
    )


def _sha256(place: Place, check: Callable[[], None]) -> str | None:
    """Of a file's bytes; `check` is called now and then."""
    if place.kind != "file":
        return None
    digest = hashlib.sha256()
    with Path(place.target).open("rb") as file:
        while block := file.read(1 << 20):
            check()
            digest.update(block)
    return digest.hexdigest()
