"""What was asked for and what really fired, read from a journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from replay.errors import UsageError
from replay.faults.parser import parse
from replay.faults.quantities import duration_text
from replay.faults.rules import Plan, Rule
from replay.journal import Entry, FaultFired, FaultPlanned

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Tally:
    """How often one step of a rule fired.

    Attributes:
        rule, step: their numbers, from 0.
        text: of the rule for the first step, of the fault alone for one that follows.
        asked: how often it should have fired; None when that depends on the session's length.
    """

    rule: int
    step: int
    text: str
    asked: int | None
    fired: int

    @property
    def missed(self) -> bool:
        """It never fired, or less often than it was asked to."""
        return self.fired < (1 if self.asked is None else self.asked)


def tally(entries: Iterable[Entry]) -> list[Tally]:
    """One line for every step of every rule that was planned, in their order.

    Raises:
        FaultSyntaxError: a planned text is none that this version reads.
    """
    planned: list[FaultPlanned] = []
    fired: Counter[tuple[int, int]] = Counter()
    for entry in entries:
        if isinstance(entry, FaultPlanned):
            planned.append(entry)
        elif isinstance(entry, FaultFired):
            fired[entry.rule, entry.step] += 1
    return [line for plan in planned for line in _tally_rule(plan.rule, parse(plan.text), fired)]


def _tally_rule(number: int, rule: Rule, fired: Counter[tuple[int, int]]) -> Iterable[Tally]:
    for index, step in enumerate(rule.steps):
        text = str(step.fault) if index else str(rule)
        yield Tally(number, index, text, rule.asked, fired[number, index])


def from_fired(entries: Iterable[Entry]) -> Plan:
    """A plan that does again what a run did: each fault that fired, once, where it fired.

    The place is the moment that the journal gives (see `coordinates`) and the time since; nothing
    is left to chance, and nothing is repeated.

    Raises:
        UsageError: an entry does not say where its fault fired, or cannot be read.
    """
    return Plan(tuple(_again(entry) for entry in entries if isinstance(entry, FaultFired)))


def _again(entry: FaultFired) -> Rule:
    trigger, after_ms = entry.at.get("trigger"), entry.at.get("after_ms", 0)
    if not isinstance(trigger, str) or isinstance(after_ms, str):
        raise UsageError(f"the journal does not say where {entry.text!r} fired")
    after = round(after_ms * 1000) * (_NS_PER_MS // 1000)
    return parse(f"{entry.text} @ {trigger}{f' + {duration_text(after)}' if after > 0 else ''}")
