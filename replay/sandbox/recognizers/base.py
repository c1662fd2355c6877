"""What a recogniser is to the sandbox.

A `Recognizer` makes one `Stream` for each channel of a session. The stream is handed the
channel's audio in order and gives back what it has to say about it: first what is cheap to tell
(`hear`: voice activity), then what takes time (`think`: words). Both return lists, so a stream
needs no task of its own, and one that needs no thread runs in virtual time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from replay.errors import ReplayError
from replay.sandbox.recognizers.load import Load
from replay.wire.messages import Utterance

Samples = npt.NDArray[np.float32]

#: The rate of the samples in `Heard`.
RATE = 16000


class RecognitionError(ReplayError):
    """The recogniser cannot work, or broke down; the session ends with status `error`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """How one channel of a session wants to be heard. Times in seconds.

    Attributes:
        since: where in the session's audio the stream begins. Everything before was said in
            earlier finals; the times of what it says count from the session's beginning.
        endpointing: silence after which an utterance is over.
        longest: an utterance that reaches this length is ended though speech goes on.
        partials: does anybody want partial transcripts?
        threshold: how sure the voice detection must be that it hears speech, 0 to 1.
    """

    channel: int
    since: float = 0.0
    endpointing: float = 0.05
    longest: float = 5.0
    languages: tuple[str, ...] = ()
    partials: bool = True
    threshold: float = 0.6


class Heard(Struct, frozen=True):
    """The next piece of a channel: from `start` to `end` seconds of session audio.

    `samples`: mono, 16 kHz, -1 to 1; None for recognisers that want none. Resampling may hold
    back a few of them, so their number follows `end` only on average.
    """

    start: float
    end: float
    samples: Samples | None = None


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak at `time`. `delay`: seconds to wait before this is told."""

    time: float
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """Nobody speaks any more since `time`."""

    time: float
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Partial:
    """What the current utterance sounds like so far; replaces the one before."""

    utterance: Utterance
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Final:
    """The current utterance, as it stays. The next event of the channel begins another."""

    utterance: Utterance
    delay: float = 0.0


Event = SpeechStarted | SpeechEnded | Partial | Final


class Stream(Protocol):
    """One channel of one session. Calls never overlap; audio comes in order, without gaps."""

    async def hear(self, heard: Heard) -> list[Event]:
        """Take in a piece; return at once."""
        ...

    async def think(self, behind: float) -> list[Event]:
        """Do the slow part, called after each piece. `behind`: seconds of audio that wait."""
        ...

    async def finish(self) -> list[Event]:
        """The audio is over: say everything that is still to be said."""
        ...


class Recognizer(Protocol):
    """A way of hearing; shared by all sessions of a sandbox."""

    @property
    def name(self) -> str: ...

    @property
    def wants_audio(self) -> bool:
        """False when the passing of time is all it needs."""
        ...

    @property
    def languages(self) -> frozenset[str] | None:
        """Codes of those it understands; None where it speaks whatever a session asks for."""
        ...

    @property
    def load(self) -> Load | None:
        """How busy it is; None where it is never too busy."""
        ...

    async def prepare(self) -> None:
        """Load what takes long to load. May be called more than once.

        Raises:
            RecognitionError: it cannot work on this machine.
        """
        ...

    def stream(self, settings: StreamSettings) -> Stream: ...

    def close(self) -> None:
        """Let go of everything; no stream is used afterwards."""
        ...
