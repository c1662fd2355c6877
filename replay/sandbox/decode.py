"""From the session's bytes to what recognisers take: one stream of 16 kHz floats per channel."""

from __future__ import annotations

import av
import numpy as np

from replay.audio import AudioFormat
from replay.pcm import to_floats
from replay.sandbox.recognizers.base import RATE, Samples


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
