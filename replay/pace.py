"""When each chunk is due: an absolute plan, worked out from positions in the audio.

Nothing here looks at a clock. Positions are turned into instants by integer arithmetic, so that the
plan has no drift however long it runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from replay.audio import NS, AudioFormat, Chunk


class Phase(Enum):
    """Which end of a chunk its due time is taken from."""

    #: As if live: a chunk exists once its last sample was spoken.
    LIVE = "live"
    #: A chunk goes out when its first sample would be spoken: one chunk early.
    EAGER = "eager"
    #: The source is live: a chunk is due when it came in.
    ARRIVAL = "arrival"


#: Stands for a plan without times: as fast as the session takes it.
UNPACED = Fraction(0)


@dataclass(frozen=True, slots=True)
class Plan:
    """Due times for the audio of one session.

    Attributes:
        start: the instant of the first sample, in ns.
        format: what the audio looks like.
        phase: see `Phase`.
        speed: times real time; `UNPACED` for none.
    """

    start: int
    format: AudioFormat
    phase: Phase = Phase.LIVE
    speed: Fraction = Fraction(1)

    def at(self, offset: int) -> int:
        """When the sample at byte `offset` is spoken, in ns; exact to half a nanosecond."""
        if not self.speed:
            return self.start
        top = offset * NS * self.speed.denominator
        bottom = self.format.bytes_per_second * self.speed.numerator
        return self.start + (2 * top + bottom) // (2 * bottom)

    def due(self, chunk: Chunk) -> int:
        """When `chunk` is to be handed to the session, in ns."""
        match self.phase:
            case Phase.LIVE:
                return self.at(chunk.end)
            case Phase.EAGER:
                return self.at(chunk.offset)
            case Phase.ARRIVAL:
                assert chunk.arrival is not None, "a live source stamps its chunks"
                return round(chunk.arrival * NS)
