"""What became of one session of a soak, small enough to be kept for days.

Everything that a soak's summary says of its sessions is a fold over these. Times are seconds of the
soak's clock (since it first began, without the time that it was stopped), or ms; audio is in bytes
and seconds.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from replay.continuity import Finding
from replay.endurance.histogram import Encoded
from replay.judge import State

Verdict = Literal["pass", "fail", "unknown"]

#: The latencies that are kept, from the plan; named as in `latency.Latencies`.
LATENCIES = ("ack", "partial_lag", "word_first", "word_final", "final")
#: Those of them that are kept by the minute too, to so many digits.
BY_MINUTE = ("ack", "word_final")
MINUTE_DIGITS = 2


class Place(Struct, kw_only=True, omit_defaults=True):
    """Where in a soak a session belongs.

    slot: of those that are kept busy, from 0; number: of the session, from 0, in its slot; attempt:
    from 1, one more each time that it was begun again; worker: the process, from 1. path: of its
    directory, below the soak's. began: the soak's clock at the journal's origin. cut: it was ended
    from outside: the soak was stopped, or its worker died. repeat: the command line that plays this
    very session again.
    """

    slot: int
    number: int
    attempt: int = 1
    worker: int = 0
    path: str = ""
    seed: int = 0
    began: float = 0.0
    cut: bool = False
    repeat: str = ""


class AudioTotals(Struct, kw_only=True, omit_defaults=True):
    """Bytes; None where there was no recording to compare with. Of a session that was cut off,
    `lost` is only what had been acknowledged."""

    sent: int = 0
    acked: int = 0
    recorded: int | None = None
    lost: int | None = None
    repeated: int | None = None
    reordered: int | None = None
    garbage: int | None = None


class Window(Struct, array_like=True):
    """Something was disturbed from `begun` to `over`. kind: of the fault that did it, or "" for a
    loss that no fault explains."""

    begun: float
    over: float
    kind: str


class Recovered(Struct, kw_only=True, omit_defaults=True):
    """One loss of a connection, its steps as in `outages.Outage`, in ms.

    at: when it was lost; kind: of the fault that brought it, "" for none. lasting: how long it is
    known to have lasted, of one that was never seen to end; unsettled: nor was it watched for long
    enough to say so.
    """

    at: float
    kind: str = ""
    cause: str = ""
    detect: float | None = None
    down: float | None = None
    backoff: float | None = None
    connect: float | None = None
    flush: float | None = None
    first_ack: float | None = None
    first_transcript: float | None = None
    caught_up: float | None = None
    resent: int = 0
    lasting: float | None = None
    unsettled: bool = False

    @property
    def recover(self) -> float | None:
        """From the loss until the transcript had caught up, or where nothing was said by which that
        could be told until the first acknowledgement, in ms; None where it never was."""
        if self.lasting is not None or self.unsettled:
            return None
        settled = self.first_ack if self.caught_up is None else self.caught_up
        return None if self.down is None or settled is None else self.down + settled


class Minute(Struct, kw_only=True, omit_defaults=True):
    """A minute of the soak's clock, of what was spoken in it (`at` 0: the first). `latency` and
    `undisturbed`: by figure of `BY_MINUTE`, with `MINUTE_DIGITS` digits."""

    at: int
    latency: dict[str, Encoded] = msgspec.field(default_factory=dict)
    undisturbed: dict[str, Encoded] = msgspec.field(default_factory=dict)


class Back(Struct, array_like=True):
    """How the session came back from one loss: `judge.herd.Return`. lost: ns of the time of day;
    attempts: ns from there to each attempt; at: seconds of the soak's clock."""

    lost: int
    attempts: list[int]
    at: float = 0.0


class Outcome(Struct, kw_only=True, omit_defaults=True):
    """One session.

    reasons: of a verdict other than pass. doubts: those that leave open whether the session was
    kept whole; that its faults did not fire, or its timing is not to be relied on, is none.
    findings: the gravest, at most 20; `found`: how many there were. invariants: what came of each,
    by its id. faults: how many of each kind fired; asked, missed: how many should have, and the
    rules of which too few did. latency, undisturbed, lateness: histograms by figure, all and of
    what no outage touched. mistimed: our own lateness would have coloured its latencies, so that it
    has none. backs: for attempts after a common cut.
    """

    place: Place
    ended: float
    seconds: float = 0.0
    verdict: Verdict
    reasons: list[str] = msgspec.field(default_factory=list)
    doubts: list[str] = msgspec.field(default_factory=list)
    findings: list[Finding] = msgspec.field(default_factory=list)
    found: int = 0
    invariants: dict[str, State] = msgspec.field(default_factory=dict)
    audio: AudioTotals = msgspec.field(default_factory=AudioTotals)
    words_lost: int | None = None
    words_duplicated: int | None = None
    words_changed: int | None = None
    reconnects: int = 0
    faults: dict[str, int] = msgspec.field(default_factory=dict)
    asked: int = 0
    missed: list[str] = msgspec.field(default_factory=list)
    windows: list[Window] = msgspec.field(default_factory=list)
    outages: list[Recovered] = msgspec.field(default_factory=list)
    latency: dict[str, Encoded] = msgspec.field(default_factory=dict)
    undisturbed: dict[str, Encoded] = msgspec.field(default_factory=dict)
    lateness: Encoded = msgspec.field(default_factory=Encoded)
    mistimed: bool = False
    stalls: int = 0
    minutes: list[Minute] = msgspec.field(default_factory=list)
    backs: list[Back] = msgspec.field(default_factory=list)


def encode(outcome: Outcome) -> bytes:
    """One line of `outcomes.jsonl`, with its newline."""
    return msgspec.json.encode(outcome) + b"\n"


def decode(line: bytes) -> Outcome:
    """A line of `outcomes.jsonl`.

    Raises:
        ValueError: it is none.
    """
    return msgspec.json.decode(line, type=Outcome)
