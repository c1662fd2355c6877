"""Keeping the packets of a stream as they came in."""

from __future__ import annotations

from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.packet import Packet

from replay.errors import MachineError, SourceError
from replay.source.reasons import FAILURES


class Capture:
    """Writes packets of `stream`, undecoded, to a container chosen by the suffix of `path`.

    Raises:
        SourceError: that container does not take this codec, or the file cannot be made.
    """

    def __init__(self, path: Path, stream: AudioStream) -> None:
        self._path = path
        self._last: int | None = None
        codec = stream.codec_context.name
        if path.is_dir() or not path.parent.is_dir():
            raise SourceError(f"{path}: cannot be written: not a file in an existing directory")
        try:
            container = av.open(f"file:{path}", "w")
            try:
                self._stream = container.add_stream_from_template(stream)
                container.start_encoding()
            except FAILURES:
                container.close()
                raise
        except FAILURES:
            raise SourceError(
                f"{path}: a {path.suffix or 'nameless'} file cannot keep {codec} audio; "
                "use another suffix, such as .mka"
            ) from None
        self._container = container

    def write(self, packet: Packet[AudioStream]) -> None:
        """Takes the packet over: its times are changed.

        Raises:
            MachineError: the file cannot be written.
        """
        # Containers want times that grow; streams that lost packets or began anew break that.
        dts = packet.dts if packet.dts is not None else packet.pts
        if dts is None or (self._last is not None and dts <= self._last):
            dts = 0 if self._last is None else self._last + max(packet.duration or 0, 1)
            packet.pts = dts
        packet.dts = self._last = dts
        packet.stream = self._stream
        try:
            self._container.mux_one(packet)
        except FAILURES as error:
            raise self._failure(error) from None

    def close(self) -> None:
        """Writes the container's end.

        Raises:
            MachineError: the file cannot be written.
        """
        try:
            self._container.close()
        except FAILURES as error:
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> MachineError:
        why = getattr(error, "strerror", "") or type(error).__name__
        return MachineError(f"{self._path}: the capture cannot be written: {why.lower()}")
