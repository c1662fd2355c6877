"""What a trial is: a scripted session, everything that happens in which is known in advance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from replay.audio import AudioFormat
from replay.journal import ReferenceWord
from replay.sandbox.latency import Latency, parse
from replay.sandbox.recognizers.scripted import Manner, Script

#: The format of every trial: 32 bytes are a millisecond.
FORMAT = AudioFormat()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One session, and what of it is held against its truth.

    Attributes:
        title: what it is, for people.
        figures: what is judged, by the names of `truth.Truth`; `NAME.p50` the median alone.
        rounds: how often it is played, one after the other.
        seconds, chunk: of audio.
        script: what the service says; times by its own count of the audio.
        said: what the reference says, times by the client's count.
        latency, flicker, seed: how the script is told.
        clock: how far the service's clock is ahead, in seconds, and how much it gains, in ppm.
        lose: bytes that are not recorded, once.
        hold: after so many acknowledgements what goes up is held for so many seconds.
        cut: the connection is reset in place of this acknowledgement.
    """

    name: str
    title: str
    figures: tuple[str, ...]
    rounds: int = 1
    seconds: float
    chunk: Fraction
    script: Script
    said: Sequence[ReferenceWord]
    endpointing: float
    latency: str
    flicker: float = 0.0
    seed: int = 1
    clock: tuple[float, float] | None = None
    lose: int = 0
    hold: tuple[int, float] | None = None
    cut: int | None = None
    format: AudioFormat = FORMAT

    @property
    def spreads(self) -> Latency:
        return parse(self.latency)

    @property
    def manner(self) -> Manner:
        """How the sandbox's recogniser is to tell it."""
        found = self.spreads
        return Manner(
            partial=found.partial,
            final=found.final,
            speech=found.speech,
            flicker=self.flicker,
            seed=self.seed,
        )

    @property
    def defects(self) -> list[str]:
        """What is planted in the sandbox."""
        planted = []
        if self.clock is not None:
            planted.append(f"clock={self.clock[0]:g}s,{self.clock[1]:g}ppm")
        if self.lose:
            planted.append(f"lose={self.lose}")
        return planted

    @property
    def faults(self) -> list[str]:
        """What the injector is to do."""
        asked = []
        if self.hold is not None:
            asked.append(f"hold(up, {self.hold[1] * 1e3:g}ms) @ ack#{self.hold[0]}")
        if self.cut is not None:
            asked.append(f"reset @ between(recorded, ack)#{self.cut}")
        return asked

    @property
    def config(self) -> dict[str, object]:
        """The body of the request that opens it."""
        messages = {"receive_partial_transcripts": True, "receive_lifecycle_events": True}
        return {"endpointing": self.endpointing, "messages_config": messages}
