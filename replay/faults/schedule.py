"""The machine that says when a fault fires. Pure: it is told what passes and what time it is."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from replay.faults.kinds import Fault
from replay.faults.moments import Event
from replay.faults.rules import Plan, Rule


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where in the session a fault fired.

    Attributes:
        connection: the number of the latest connection, 0 before the first.
        trigger: the moment it fired at, or the last firm one before it, in the language of faults.
        after_ms: milliseconds from that moment.
        offset: the furthest position of session audio that has gone up, in bytes.
        frame: audio frames that have gone up.
        acks: acknowledgements that have come down.
        connection_ms: milliseconds since that connection opened.
    """

    connection: int
    trigger: str
    after_ms: float
    offset: int
    frame: int
    acks: int
    connection_ms: float


@dataclass(frozen=True, slots=True)
class Firing:
    """A fault to do now. `rule`: its number in the plan, from 0; `step`: of the rule, from 0."""

    rule: int
    step: int
    fault: Fault
    at: Coordinates


class Schedule:
    """Says when each fault of a plan fires in one session. Times in seconds of any one clock."""

    def __init__(self, plan: Plan, rng: Random, *, bytes_per_second: int) -> None:
        raise NotImplementedError

    def start(self, now: float) -> list[Firing]:
        """The injector is ready: what fires at `start`."""
        raise NotImplementedError

    def observe(self, event: Event, now: float) -> list[Firing]:
        """What fires because of this event, and what had come due by then."""
        raise NotImplementedError

    def due(self) -> float | None:
        """When `tick` should be called next, if nothing passes before."""
        raise NotImplementedError

    def tick(self, now: float) -> list[Firing]:
        """What has come due."""
        raise NotImplementedError

    def add(self, rule: Rule, now: float) -> list[Firing]:
        """One more rule, by hand: its times and counts start now. Its number is the next one."""
        raise NotImplementedError
