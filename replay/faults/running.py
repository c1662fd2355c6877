"""A rule at work in a session: where its walkers are, and how often it still fires."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from replay.faults.moments import Wait
from replay.faults.rules import Every, Poisson, Repeat, Rule

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Reached:
    """A position in the session's audio, which what is sent again does not bring nearer."""

    offset: int


AnyWait = Wait | Reached


@dataclass(slots=True)
class Walker:
    """On its way to one firing of one step.

    `waits`: those still ahead; `turn`: which firing of the rule this leads to, from 1; `again`: a
    walker for the next turn is owed as soon as the first wait is over.
    """

    rule: int
    step: int
    waits: tuple[AnyWait, ...]
    turn: int = 1
    again: bool = False


@dataclass(slots=True)
class Running:
    """A rule in this session. `origin`: when its times began, None before the first connection."""

    rule: Rule
    rng: Random
    origin: int | None = None
    withdrawn: bool = False

    @property
    def repeat(self) -> Repeat:
        return self.rule.repeat or Repeat(times=1)

    def over(self, turn: int, now: int) -> bool:
        """Whether that turn is one too many."""
        repeat = self.repeat
        if self.withdrawn or (repeat.times is not None and turn > repeat.times):
            return True
        if repeat.until is None or self.origin is None:
            return False
        return now > self.origin + repeat.until

    def pause(self) -> int:
        """Nanoseconds to the next firing, drawn anew each time."""
        match self.repeat.period:
            case Every(low, high):
                return self.rng.randint(low, high)
            case Poisson(per_hour):
                return int(self.rng.expovariate(float(per_hour) / 3600) * NS)
            case None:
                raise AssertionError("a rule without a period repeats by its moment")
