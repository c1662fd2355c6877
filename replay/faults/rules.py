"""Rules and plans: which fault, when, how often, and what follows; and their canonical text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from replay.faults.kinds import Fault
from replay.faults.moments import CONN, START, Elapsed, Seen, Wait, wait_text
from replay.faults.quantities import duration_text, frequency_text
from replay.faults.spec import Scope


@dataclass(frozen=True, slots=True)
class Every:
    """From `low` to `high` ns between firings, drawn evenly; both the same when it is fixed."""

    low: int
    high: int

    def __str__(self) -> str:
        low = duration_text(self.low)
        return (
            f"every {low}" if self.low == self.high else f"every {low}..{duration_text(self.high)}"
        )


@dataclass(frozen=True, slots=True)
class Poisson:
    """Firings independent of each other, so many an hour on average."""

    per_hour: Fraction

    def __str__(self) -> str:
        return f"poisson {frequency_text(self.per_hour)}"


@dataclass(frozen=True, slots=True)
class Repeat:
    """How often.

    Attributes:
        period: the time between firings; None: whenever the moment comes again.
        times: at most so often; None for no limit.
        until: ns since the first connection after which nothing fires any more, or None.
    """

    period: Every | Poisson | None = None
    times: int | None = None
    until: int | None = None

    def __str__(self) -> str:
        parts = [str(self.period)] if self.period else []
        if self.times is not None:
            parts.append(f"x{self.times}")
        if self.until is not None:
            parts.append(f"until {duration_text(self.until)}")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Step:
    """A fault, and what is waited for before it, one after another.

    The first step of a rule waits from the beginning of the session, the others from the firing of
    the step before.
    """

    fault: Fault
    waits: tuple[Wait, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """The first step, repeated; each of its firings is followed by the other steps."""

    steps: tuple[Step, ...]
    repeat: Repeat | None = None

    @property
    def head(self) -> Step:
        return self.steps[0]

    @property
    def asked(self) -> int | None:
        """How often the first step should fire; None when that depends on the session's length."""
        return self.repeat.times if self.repeat else 1

    def __str__(self) -> str:
        """The canonical text; `replay.faults.parse` reads it back as an equal rule."""
        parts = [str(self.head.fault)]
        when = " ".join(filter(None, (_when(self.head), str(self.repeat or ""))))
        if when and (self.repeat or self.head.waits != unsaid(self.head.fault)):
            parts.append(f"@ {when}")
        for step in self.steps[1:]:
            parts.append(f"then {step.fault}")
            match step.waits:
                case ():
                    pass
                case (Elapsed(ns),):
                    parts.append(f"after {duration_text(ns)}")
                case _:
                    parts.append(f"@ {_when(step, relative=True)}")
        return " ".join(parts)


def _when(step: Step, *, relative: bool = False) -> str:
    return " + ".join(wait_text(wait, relative=relative) for wait in step.waits)


def unsaid(fault: Fault) -> tuple[Wait, ...]:
    """When a fault fires whose rule does not say: as soon as there is something to harm."""
    return (Seen(CONN if fault.spec.scope in (Scope.CONNECTION, Scope.PATH) else START),)


@dataclass(frozen=True, slots=True)
class Plan:
    """All rules of a run, in the order in which they were asked for."""

    rules: tuple[Rule, ...] = ()

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self.rules)

    @property
    def texts(self) -> tuple[str, ...]:
        """One line for each rule; `parse_plan` makes the same plan of them."""
        return tuple(str(rule) for rule in self.rules)
