"""Samples of session audio as floats, from every form that it can have."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from replay.audio import AudioFormat, Encoding

Samples = npt.NDArray[np.float32]


def to_floats(data: bytes | memoryview, fmt: AudioFormat) -> Samples:
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


def _from_24_bits(data: bytes | memoryview) -> Samples:
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
