"""Where speech begins and ends: hysteresis over the probabilities of a voice detector.

Pure: probabilities and energies in, spans of frames out. A frame is 512 samples at 16 kHz.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

FRAME_SAMPLES = 512
FRAME_SECONDS = FRAME_SAMPLES / 16000

#: Speech goes on while the probability stays within this much of what began it.
_HYSTERESIS = 0.15
#: How far back from the longest duration to look for the quietest place to cut.
_CUT_SEARCH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Began:
    """Speech began in `frame`."""

    frame: int


@dataclass(frozen=True, slots=True)
class Span:
    """An utterance: frames `start` up to, not including, `end`.

    `voiced_end`: behind its last frame of speech; the same as `end` where it was cut.
    `goes_on`: it was cut for its length, the next one follows at once.
    """

    start: int
    end: int
    voiced_end: int
    goes_on: bool


@dataclass(slots=True)
class Segmenter:
    """Finds utterances. Attributes as in `StreamSettings`, durations in seconds.

    Endpointing is rounded up to whole frames, and to at least two: the detector dips for one
    frame inside words, and one frame is shorter than the pauses the service's default means.
    """

    threshold: float
    endpointing: float
    longest: float
    _frame: int = 0
    _start: int | None = None
    _quiet: int = 0
    _energies: list[float] = field(default_factory=list)

    @property
    def start(self) -> int | None:
        """The first frame of the open utterance."""
        return self._start

    def feed(self, probability: float, energy: float) -> list[Began | Span]:
        """What the next frame decides. `energy`: any measure of loudness."""
        found: list[Began | Span] = []
        if self._start is None:
            if probability >= self.threshold:
                self._open(self._frame)
                found.append(Began(self._frame))
        elif probability >= self.threshold - _HYSTERESIS:
            self._quiet = 0
        else:
            self._quiet += 1
        self._frame += 1
        if self._start is not None:
            self._energies.append(energy)
            found += self._close()
        return found

    def finish(self) -> list[Span]:
        """The open utterance, when the audio is over."""
        if self._start is None:
            return []
        span = Span(self._start, self._frame, self._frame - self._quiet, False)
        self._start = None
        return [span]

    def _open(self, frame: int) -> None:
        self._start, self._quiet, self._energies = frame, 0, []

    def _close(self) -> list[Span]:
        assert self._start is not None
        if self._quiet >= max(2, math.ceil(self.endpointing / FRAME_SECONDS)):
            span = Span(self._start, self._frame, self._frame - self._quiet, False)
            self._start = None
            return [span]
        if len(self._energies) * FRAME_SECONDS < self.longest:
            return []
        cut = self._quietest()
        span = Span(self._start, self._start + cut, self._start + cut, True)
        self._start, self._energies = self._start + cut, self._energies[cut:]
        return [span]

    def _quietest(self) -> int:
        """Where to cut the open utterance, in frames from its start: rather between words."""
        size = len(self._energies)
        first = max(1, size - round(_CUT_SEARCH_SECONDS / FRAME_SECONDS))
        return min(range(first, size), key=self._energies.__getitem__, default=size)
