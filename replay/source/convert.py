"""Decoded audio to session bytes: rate, channels, sample format."""

from __future__ import annotations

from functools import cache

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from replay.audio import AudioFormat, Encoding

# Which of libavutil's packed sample formats each depth is made from; 24 bits are 32 without the
# lowest byte, A-law and mu-law are looked up from 16.
_SAMPLES = {8: "u8", 16: "s16", 24: "s32", 32: "s32"}
_LAYOUTS = ("mono", "stereo", "2.1", "quad", "5.0", "5.1", "6.1", "7.1")


class Converter:
    """Turns the frames of one pass into bytes of `fmt`.

    With as many channels as the source has they are kept as they are, in their order; otherwise
    libswresample mixes them by the meaning of the source's layout (two to one: the mean).
    """

    def __init__(self, fmt: AudioFormat) -> None:
        self._fmt = fmt
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None

    def convert(self, frame: AudioFrame) -> bytes:
        """Session bytes that `frame` completes."""
        tail = b""
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or shape != self._shape:  # some streams change on the way
            tail = self.flush()
            kept = frame.layout.nb_channels == self._fmt.channels
            layout = None if kept else _LAYOUTS[self._fmt.channels - 1]
            self._resampler = AudioResampler(self._sample_format, layout, self._fmt.sample_rate)
            self._shape = shape
        # Gaps and jumps of the time stamps are not to be filled or trimmed by the resampler.
        frame.pts = None
        return tail + b"".join(map(self._encode, self._resampler.resample(frame)))

    def flush(self) -> bytes:
        """What the resampler still held; afterwards a new pass can begin."""
        if self._resampler is None:
            return b""
        # In pass-through the flush hands back the None it was given.
        frames = [frame for frame in self._resampler.resample(None) if frame is not None]
        self._resampler = None
        return b"".join(map(self._encode, frames))

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
