"""What a soak's owner and its workers say to each other."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from msgspec import Struct, field

from replay.audio import Encoding
from replay.pace import Phase
from replay.player import Pace
from replay.policy import Policy
from replay.soak.playlist import Playlist
from replay.soak.rota import Rota
from replay.source import Shape, SourceSpec
from replay.take import RunOptions
from replay.target import Kind, Target


class Manner(Struct, kw_only=True):
    """How every session is played: what of `RunOptions` can be written down.

    `target`: kind and URL as the journals say them; `chunk`: seconds, as a fraction.
    """

    target: Kind
    sandbox: list[str]
    region: str | None
    config: dict[str, Any]
    encoding: int
    sample_rate: int
    bit_depth: int
    channels: int
    chunk: str
    phase: str
    policy: Policy
    faults: list[str]
    chaos: str | None

    @classmethod
    def of(cls, options: RunOptions, playlist: Playlist, faults: list[str]) -> Manner:
        """`faults`: those that each session has for itself."""
        return cls(
            target=options.target.kind,
            sandbox=list(options.target.sandbox),
            region=options.region,
            config=dict(options.config),
            encoding=options.shape.encoding.value,
            sample_rate=options.shape.sample_rate,
            bit_depth=options.shape.bit_depth,
            channels=playlist.channels,
            chunk=str(options.chunk),
            phase=options.pace.phase.value,
            policy=options.policy,
            faults=faults,
            chaos=options.chaos,
        )

    def options(self, source: SourceSpec, api_key: str | None, url: str) -> RunOptions:
        """Those of a session, still without its own faults."""
        return RunOptions(
            source=source,
            target=Target(self.target, url, api_key, tuple(self.sandbox)),
            shape=Shape(Encoding(self.encoding), self.sample_rate, self.bit_depth, self.channels),
            config=self.config,
            region=self.region,
            chunk=Fraction(self.chunk),
            # Nobody spins: with many sessions in a process that would be all it does.
            pace=Pace(Phase(self.phase)),
            policy=self.policy,
            alone=False,
        )


class Start(Struct, kw_only=True, tag="start"):
    """The first thing that a worker is asked.

    Attributes:
        origin: when the soak's clock stood at 0, by `time.monotonic`, which all processes share.
        slots: those that are this worker's.
        tries: how often sessions have been begun before, by `slot-number`.
        directory: absolute; of the soak.
    """

    worker: int
    url: str
    api_key: str | None
    directory: str
    origin: float
    rota: Rota
    slots: list[int]
    tries: dict[str, int]
    seed: int
    manner: Manner
    playlist: Playlist


class Finish(Struct, tag="finish"):
    """End the sessions' audio here, wait for their ends, begin none any more."""


class Cut(Struct, kw_only=True, tag="cut"):
    """All sessions are hit by `fault`, as it is written, of this `kind`; from `begun` to `over`, on
    the soak's clock."""

    fault: str
    kind: str
    begun: float
    over: float


class Begun(Struct, kw_only=True, tag="begun"):
    """A session has a directory; `path` is relative to the soak's. `at`: the soak's clock."""

    slot: int
    number: int
    attempt: int
    seed: int
    path: str
    at: float
    command: str = ""


class Over(Struct, kw_only=True, tag="over"):
    """A session is over, and its files are written. `error`: it broke off, and why; `opened`: it
    had been opened."""

    path: str
    at: float
    opened: bool
    error: str = ""


class Pulse(Struct, kw_only=True, tag="pulse"):
    """How a worker is. Counts are of its process so far; `late`: the most that a chunk was late
    since the last pulse, in ms."""

    at: float
    playing: int
    connected: int
    reconnects: int
    tasks: int
    faults: dict[str, int] = field(default_factory=dict)
    late: float = 0.0


class Broken(Struct, kw_only=True, tag="broken"):
    """A worker cannot go on, and neither can the others: the disk is full, say."""

    error: str


Order = Start | Finish | Cut
Report = Begun | Over | Pulse | Broken
#: The two as what is decoded; a union is no type to mypy.
ORDERS: Any = Order
REPORTS: Any = Report
