"""From the session's bytes to what recognisers take: one stream of 16 kHz floats per channel."""

from __future__ import annotations

import av
import numpy as np
import numpy.typing as npt

from replay.audio import AudioFormat, Encoding
from replay.sandbox.recognizers.base import RATE, Samples


def to_floats(data: bytes, fmt: AudioFormat) -> Samples:
    """Whole frames as an array of shape (frames, channels), -1 to 1."""
    flat: Samples
    if fmt.encoding is not Encoding.PCM:
        table = _ALAW if fmt.encoding is Encoding.ALAW else _ULAW
        flat = table[np.frombuffer(data, np.uint8)]
    elif fmt.bit_depth == 8:
        flat = (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / np.float32(128)
    elif fmt.bit_depth == 24:
        flat = _from_24_bits(data)
    else:
        kind = np.dtype("<i2" if fmt.bit_depth == 16 else "<i4")
        scale = 1 << (fmt.bit_depth - 1)
        flat = (np.frombuffer(data, kind) / scale).astype(np.float32)
    return flat.reshape(-1, fmt.channels)


def _from_24_bits(data: bytes) -> Samples:
    triples = np.frombuffer(data, np.uint8).reshape(-1, 3)
    # The sample in the upper three bytes of 32 bits keeps its sign.
    wide = np.zeros((len(triples), 4), np.uint8)
    wide[:, 1:] = triples
    return (wide.view("<i4")[:, 0] / (1 << 31)).astype(np.float32)


def _alaw_table() -> Samples:
    """ITU-T G.711, A-law: even bits inverted, segments of 16 steps."""
    code = np.arange(256) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, code & 15
    base = (mantissa << 4) + 8
    value = np.where(exponent == 0, base, (base + 256) << np.maximum(exponent - 1, 0))
    return _signed(code & 0x80, value)


def _ulaw_table() -> Samples:
    """ITU-T G.711, mu-law: all bits inverted, bias 132."""
    code = ~np.arange(256) & 0xFF
    value = ((((code & 15) << 3) + 132) << ((code >> 4) & 7)) - 132
    return _signed(~code & 0x80, value)


def _signed(
    positive: npt.NDArray[np.signedinteger], value: npt.NDArray[np.signedinteger]
) -> Samples:
    return (np.where(positive != 0, value, -value) / 32768).astype(np.float32)


_ALAW = _alaw_table()
_ULAW = _ulaw_table()


class Decoder:
    """Turns a session's audio into channels, piece by piece.

    The resamplers keep a few samples back between pieces; `finish` gives them out.
    """

    def __init__(self, fmt: AudioFormat) -> None:
        self._format = fmt
        self._resamplers = (
            []
            if fmt.sample_rate == RATE
            else [
                av.AudioResampler(format="flt", layout="mono", rate=RATE)
                for _ in range(fmt.channels)
            ]
        )

    def feed(self, data: bytes) -> list[Samples]:
        """One array per channel. `data`: whole frames."""
        floats = to_floats(data, self._format)
        columns = [np.ascontiguousarray(floats[:, k]) for k in range(self._format.channels)]
        if not self._resamplers:
            return columns
        return [
            self._resample(resampler, column)
            for resampler, column in zip(self._resamplers, columns, strict=True)
        ]

    def finish(self) -> list[Samples]:
        """What is left, one array per channel."""
        if not self._resamplers:
            return [np.zeros(0, np.float32)] * self._format.channels
        return [self._resample(resampler, None) for resampler in self._resamplers]

    def _resample(self, resampler: av.AudioResampler, column: Samples | None) -> Samples:
        frame = None
        if column is not None:
            if not len(column):
                return column
            frame = av.AudioFrame.from_ndarray(column[None, :], format="flt", layout="mono")
            frame.sample_rate = self._format.sample_rate
        pieces = [out.to_ndarray()[0] for out in resampler.resample(frame)]
        if not pieces:
            return np.zeros(0, np.float32)
        return np.concatenate(pieces).astype(np.float32, copy=False)
