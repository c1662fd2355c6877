"""How a soak stands at one moment, as every view of it has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from replay.endurance.outcome import Outcome
from replay.endurance.resources import Sample
from replay.endurance.summary import Death, SoakSummary


@dataclass(frozen=True, slots=True)
class WorkerNow:
    """Attributes:
    number: from 1.
    pid: None while none runs.
    playing, connected: sessions under way, and those of them that have a connection.
    late_ms: the most that a chunk was late lately.
    """

    number: int
    pid: int | None
    playing: int = 0
    connected: int = 0
    late_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Told:
    """Something that has happened, to be told once. t: the soak's clock; `values`: of the plain
    line, by name; `text`: for people."""

    kind: Literal["finding", "session", "death", "note"]
    t: float
    text: str
    values: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Live:
    """A soak while it runs.

    Attributes:
        elapsed, asked: seconds of the soak's clock.
        slots: sessions that are kept busy.
        reconnects, faults: so far and by kind, of sessions that are under way too.
        samples: the newest of each process.
        summary: of all sessions that are over. It is made now and again, since that takes a while.
        told: what has happened, the newest last; as much of it as there is room for is shown.
        ending: why it ends before its time; "" while it goes on.
        metrics: where they are served.
    """

    elapsed: float
    asked: float
    slots: int
    reconnects: int
    faults: Mapping[str, int]
    workers: Sequence[WorkerNow]
    samples: Sequence[Sample]
    summary: SoakSummary
    told: Sequence[Told] = ()
    ending: str = ""
    metrics: str = ""

    @property
    def playing(self) -> int:
        return sum(each.playing for each in self.workers)

    @property
    def connected(self) -> int:
        return sum(each.connected for each in self.workers)


def of_outcome(outcome: Outcome) -> Iterator[Told]:
    """What is to be told of a session that has been judged: that it has not passed, and what was
    found. One that was cut off is told of only when it failed even so."""
    place = outcome.place
    where: dict[str, str | int | float] = {"session": place.path, "slot": place.slot}
    if outcome.verdict == "fail" or outcome.doubts:
        reason = outcome.reasons[0] if outcome.reasons else ""
        values = {**where, "worker": place.worker, "verdict": outcome.verdict, "reason": reason}
        text = f"{place.path}: {outcome.verdict}" + f": {reason}" * bool(reason)
        yield Told("session", outcome.ended, text, values)
    for each in outcome.findings:
        if each.severity != "info" and each.invariant != "V1":  # that is the soak's to say
            found = {"severity": each.severity, "invariant": each.invariant, "detail": each.detail}
            text = f"{place.path}: {each.severity} {each.invariant}: {each.detail}"
            yield Told("finding", outcome.ended, text, {**where, **found})


def of_death(death: Death) -> Told:
    """A worker, or the sandbox, has died and is started again."""
    who = f"worker {death.worker}" if death.worker else "the sandbox"
    took = f", with {len(death.sessions)} sessions" if death.sessions else ""
    values: dict[str, str | int | float] = {
        "worker": death.worker,
        "sessions": len(death.sessions),
        "why": death.why,
    }
    return Told("death", death.t, f"{who} died: {death.why}{took}", values)


def of_gone(who: str, at: float) -> Told:
    """A process that was watched has ended."""
    return Told("note", at, f"{who} is gone", {"process": who})
