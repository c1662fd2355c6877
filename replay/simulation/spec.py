"""What is to be simulated, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from replay import journal as j
from replay.audio import AudioFormat
from replay.continuity import compare
from replay.faults import Plan
from replay.player import Pace
from replay.sandbox.recognizers.scripted import Manner, Script
from replay.sandbox.settings import Settings
from replay.session import Policy
from replay.summary import Summary, summarise
from replay.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What to simulate; the same one gives the same journal.

    Attributes:
        audio: what is played, whole frames; by default `seconds` of counting audio.
        script, manner: what the sandbox hears, and how it tells it.
        said: what is really said; None for what the script says.
        latency: of the network, in seconds each way.
        config: the body of `POST /v2/live` without the audio's format.
        chunk: seconds of audio in a chunk.
        settings: of the sandbox, with what is planted in it.
        seed: of the back-off times and the faults, as in a run, and of everything else.
        controls: what undisturbed runs understood.
    """

    seconds: float = 10.0
    audio: bytes | None = field(default=None, repr=False)
    format: AudioFormat = field(default_factory=AudioFormat)
    script: Script = field(default_factory=lambda: Script(words=[]))
    manner: Manner = field(default_factory=Manner)
    said: Sequence[j.ReferenceWord] | None = None
    latency: float = 0.025
    config: Mapping[str, Any] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    pace: Pace = field(default_factory=Pace)
    chunk: Fraction = Fraction(1, 10)
    plan: Plan = field(default_factory=Plan)
    seed: int = 0
    settings: Settings = field(default_factory=Settings)
    controls: Sequence[j.Control] = ()
    name: str = "simulation"


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of it. `recorded`: what the service gave out as its recording, None for nothing."""

    entries: list[j.AnyEntry]
    sent: bytes
    recorded: bytes | None

    @property
    def journal(self) -> bytes:
        """The journal as a file holds it."""
        return j.encode_all(self.entries)

    @property
    def timeline(self) -> Timeline:
        """Read back from the journal's lines, as a stored run is."""
        return Timeline(j.decode_lines(self.journal.splitlines(keepends=True)))

    def summarise(self) -> Summary:
        """The run in figures, judged."""
        timeline = self.timeline
        if self.recorded is None:
            return summarise(timeline, None)
        size = timeline.format.frame_bytes
        return summarise(timeline, compare(self.sent, self.recorded, size))
