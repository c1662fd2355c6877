"""Decoded audio to session bytes: rate, channels, sample format."""

from __future__ import annotations

from functools import cache

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from replay.audio import AudioFormat, Encoding
from replay.source.reasons import FAILURES, Unconvertible

# Which of libavutil's packed sample formats each depth is made from; 24 bits are 32 without the
# lowest byte, A-law and mu-law are looked up from 16.
_SAMPLES = {8: "u8", 16: "s16", 24: "s32", 32: "s32"}
_LAYOUTS = ("mono", "stereo", "2.1", "quad", "5.0", "5.1", "6.1", "7.1")


class Converter:
    """Turns the frames of one pass into bytes of `fmt`.

    With as many channels as the source has they are kept as they are, in their order; otherwise
    libswresample mixes them by the meaning of the source's layout (two to one: the mean). It has
    no meaning for some numbers of channels (9, 11, 13 and more); one is then made of their mean.

    Raises:
        Unconvertible: libswresample cannot do it, and neither can we.
    """

    def __init__(self, fmt: AudioFormat) -> None:
        self._fmt = fmt
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None
        self._channels = 0
        self._mean = False

    def convert(self, frame: AudioFrame) -> bytes:
        """Session bytes that `frame` completes."""
        # Gaps and jumps of the time stamps are not to be filled or trimmed by the resampler.
        frame.pts = None
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        try:
            if self._resampler is not None and shape == self._shape:
                return self._resampled(frame)
            tail = self._drain()  # some streams change on the way
            self._shape = shape
            self._channels = frame.layout.nb_channels
            return tail + self._begin(frame)
        except FAILURES as error:
            raise self._failure(error) from None

    def _begin(self, frame: AudioFrame) -> bytes:
        """The first frame of its shape: only now it shows whether libswresample can mix it."""
        kept = frame.layout.nb_channels == self._fmt.channels
        layout = None if kept else _LAYOUTS[self._fmt.channels - 1]
        self._resampler, self._mean = self._resample_to(layout), False
        try:
            return self._resampled(frame)
        except FAILURES:
            if kept or self._fmt.channels != 1:
                raise
        self._resampler, self._mean = self._resample_to(layout), True
        return self._resampled(frame)

    def _resample_to(self, layout: str | None) -> AudioResampler:
        return AudioResampler(self._sample_format, layout, self._fmt.sample_rate)

    def _resampled(self, frame: AudioFrame) -> bytes:
        assert self._resampler is not None
        given = _mean(frame) if self._mean else frame
        return b"".join(map(self._encode, self._resampler.resample(given)))

    def flush(self) -> bytes:
        """What the resampler still held; afterwards a new pass can begin."""
        try:
            return self._drain()
        except FAILURES as error:
            raise self._failure(error) from None

    def _drain(self) -> bytes:
        if self._resampler is None:
            return b""
        # In pass-through the flush hands back the None it was given.
        frames = [frame for frame in self._resampler.resample(None) if frame is not None]
        self._resampler = None
        return b"".join(map(self._encode, frames))

    def _failure(self, error: Exception) -> Unconvertible:
        if self._channels > len(_LAYOUTS) and self._fmt.channels > 1:
            into = f"can be mixed into one but not into {self._fmt.channels}"
            return Unconvertible(f"has {self._channels} channels, which {into}")
        why = getattr(error, "strerror", "") or str(error)
        return Unconvertible(f"has audio that cannot be converted ({why})")

    @property
    def _sample_format(self) -> str:
        return "s16" if self._fmt.encoding is not Encoding.PCM else _SAMPLES[self._fmt.bit_depth]

    def _encode(self, frame: AudioFrame) -> bytes:
        # A plane is longer than its samples: padded for alignment.
        plane = memoryview(frame.planes[0])
        data = plane[: frame.samples * frame.format.bytes * self._fmt.channels]
        if self._fmt.encoding is not Encoding.PCM:
            codes = _companded("pcm_alaw" if self._fmt.encoding is Encoding.ALAW else "pcm_mulaw")
            return codes[np.frombuffer(data, np.uint16)].tobytes()
        if self._fmt.bit_depth == 24:
            return np.frombuffer(data, np.uint8).reshape(-1, 4)[:, 1:].tobytes()
        return bytes(data)


def _mean(frame: AudioFrame) -> AudioFrame:
    """All channels, equally loud, in one."""
    table = frame.to_ndarray()
    table = table.reshape(-1, frame.layout.nb_channels) if frame.format.is_packed else table.T
    mixed = table.mean(axis=1, dtype=np.float64)
    if table.dtype.kind != "f":
        full = 2.0 ** (8 * table.dtype.itemsize - 1)
        mixed = (mixed - (full if table.dtype.kind == "u" else 0.0)) / full
    mono = AudioFrame.from_ndarray(mixed.reshape(1, -1), "dbl", "mono")
    mono.sample_rate = frame.sample_rate
    return mono


@cache
def _companded(codec: str) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """libavcodec's G.711 code of every 16-bit sample, by the sample's unsigned value."""
    every = np.arange(65536, dtype=np.uint16).view(np.int16).reshape(1, -1)
    frame = AudioFrame.from_ndarray(every, "s16", "mono")
    frame.sample_rate = 8000
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = 8000, "mono", "s16"
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return np.frombuffer(b"".join(map(bytes, packets)), np.uint8)
