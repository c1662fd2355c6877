"""The smallest plan that still fails: first fewer faults, then shorter ones, then round numbers.

Faults are dropped by Zeller and Hildebrandt's ddmin ("Simplifying and Isolating Failure-Inducing
Input", 2002). Durations are sought on a ladder of round values by halving, taking it that what
fails with a short one also fails with a longer; every plan that is kept was tried, so where that
does not hold the result is only less small. No plan is tried twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

from replay.errors import UsageError
from replay.faults.kinds import Fault
from replay.faults.moments import CONN, Elapsed, Seen, SentAudio, SentBytes, Wait
from replay.faults.rules import Every, Plan, Repeat, Rule, Step
from replay.faults.spec import Type, Value

T = TypeVar("T")
Rules = tuple[Rule, ...]

_MS = 1_000_000
#: 1 ms, 2 ms, 5 ms … 5000 s.
_LADDER = tuple(digit * 10**power * _MS for power in range(7) for digit in (1, 2, 5))


def shrink(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """A plan that still fails, from which no single rule can be left out; the empty one, when
    faults have nothing to do with it.

    Args:
        fails: plays a plan and says whether it fails; must say the same each time.

    Raises:
        UsageError: the plan does not fail in the first place.
    """
    trial = _Trial(fails)
    if not trial(plan.rules):
        raise UsageError("this plan does not fail: there is nothing to shrink")
    rules = plan.rules
    while True:
        smaller = _fewer(rules, trial)
        for index in range(len(smaller)):
            smaller = _simpler(smaller, index, trial)
        if smaller == rules:
            return Plan(rules)
        rules = smaller


class _Trial:
    """Asks whether rules fail, and remembers."""

    def __init__(self, fails: Callable[[Plan], bool]) -> None:
        self._fails = fails
        self._known: dict[Rules, bool] = {}

    def __call__(self, rules: Rules) -> bool:
        if rules not in self._known:
            self._known[rules] = self._fails(Plan(rules))
        return self._known[rules]


def _fewer(rules: Rules, trial: Callable[[Rules], bool]) -> Rules:
    """ddmin: no single one of the rules that are left can be dropped."""
    if not rules or trial(()):
        return ()
    parts = 2
    while len(rules) >= 2:
        bounds = [len(rules) * part // parts for part in range(parts + 1)]
        chunks = [rules[low:high] for low, high in pairwise(bounds)]
        rests = [rules[:low] + rules[high:] for low, high in pairwise(bounds)]
        chunk = next((some for some in chunks if len(some) < len(rules) and trial(some)), None)
        rest = None if chunk else next((some for some in rests if trial(some)), None)
        if chunk is not None:
            rules, parts = chunk, 2
        elif rest is not None:
            rules, parts = rest, max(parts - 1, 2)
        elif parts >= len(rules):
            break
        else:
            parts = min(2 * parts, len(rules))
    return rules


def _simpler(rules: Rules, index: int, trial: Callable[[Rules], bool]) -> Rules:
    """The same rules with one of them made as simple as it goes."""

    def still_fails(rule: Rule) -> bool:
        return trial((*rules[:index], rule, *rules[index + 1 :]))

    rule = rules[index]
    for simplify in (_without_steps, _without_repeat, _without_waits, _shorter, _rounder):
        rule = simplify(rule, still_fails)
    return (*rules[:index], rule, *rules[index + 1 :])


_Keeps = Callable[[Rule], bool]


def _without_steps(rule: Rule, keeps: _Keeps) -> Rule:
    for index in reversed(range(1, len(rule.steps))):
        candidate = replace(rule, steps=rule.steps[:index] + rule.steps[index + 1 :])
        if keeps(candidate):
            rule = candidate
    return rule


def _without_repeat(rule: Rule, keeps: _Keeps) -> Rule:
    repeat = rule.repeat
    if repeat is None:
        return rule
    once = _with_step(rule, 0, replace(rule.head, waits=rule.head.waits or _first_turn(repeat)))
    once = replace(once, repeat=None)
    if keeps(once):
        return once
    for candidate in (replace(repeat, until=None), replace(repeat, times=None)):
        if candidate not in (repeat, Repeat()) and keeps(replace(rule, repeat=candidate)):
            rule = replace(rule, repeat=candidate)
            break
    if rule.repeat is None or rule.repeat.times is None:
        return rule
    fewest = rule.repeat
    times = range(1, rule.repeat.times + 1)
    least = _least(times, lambda n: keeps(replace(rule, repeat=replace(fewest, times=n))))
    return replace(rule, repeat=replace(fewest, times=least))


def _first_turn(repeat: Repeat) -> tuple[Wait, ...]:
    return (Elapsed(repeat.period.low),) if isinstance(repeat.period, Every) else (Seen(CONN),)


def _without_waits(rule: Rule, keeps: _Keeps) -> Rule:
    for number, step in enumerate(rule.steps):
        while len(rule.steps[number].waits) > 1:
            shorter = replace(step, waits=rule.steps[number].waits[:-1])
            if not keeps(_with_step(rule, number, shorter)):
                break
            rule = _with_step(rule, number, shorter)
    return rule


def _shorter(rule: Rule, keeps: _Keeps) -> Rule:
    """Durations and counts of the faults themselves, as small as they can be."""
    for number, position in _params(rule):
        fault = rule.steps[number].fault
        param, value = fault.spec.params[position], fault.params[position]
        if param.type is Type.DURATION:
            ladder: Sequence[Value] = [ns for ns in _LADDER if value is None or ns < int(value)]
        elif param.name == "n" and param.type is Type.NUMBER and isinstance(value, int):
            ladder = range(param.low, value)
        else:
            continue

        def keeps_value(
            small: Value, rule: Rule = rule, number: int = number, position: int = position
        ) -> bool:
            return keeps(_with_param(rule, number, position, small))

        rule = _with_param(rule, number, position, _least([*ladder, value], keeps_value))
    return rule


def _rounder(rule: Rule, keeps: _Keeps) -> Rule:
    """Fewer digits in what is left: places, sizes and rates."""
    for number, step in enumerate(rule.steps):
        for place, wait in enumerate(step.waits):
            for rounded in _rounded_waits(wait):
                waits = rule.steps[number].waits
                waits = (*waits[:place], rounded, *waits[place + 1 :])
                candidate = _with_step(rule, number, replace(rule.steps[number], waits=waits))
                if keeps(candidate):
                    rule = candidate
                    break
    for number, position in _params(rule):
        fault = rule.steps[number].fault
        param, value = fault.spec.params[position], fault.params[position]
        if param.type not in (Type.SIZE, Type.RATE) or not isinstance(value, int):
            continue
        for round_value in _rounded(value):
            candidate = _with_param(rule, number, position, max(round_value, param.low))
            if keeps(candidate):
                rule = candidate
                break
    return rule


def _rounded_waits(wait: Wait) -> Iterator[Wait]:
    match wait:
        case Elapsed(ns):
            yield from map(Elapsed, _rounded(ns))
        case SentAudio(ns):
            yield from map(SentAudio, _rounded(ns))
        case SentBytes(size):
            yield from map(SentBytes, _rounded(size))
        case Seen(name, n):
            yield from (Seen(name, max(1, small)) for small in _rounded(n))


def _rounded(value: int) -> Iterator[int]:
    """`value` to one digit, to two, and to three, where that changes it."""
    seen = {value}
    for digits in (1, 2, 3):
        rounded = round(value, digits - len(str(value)))
        if rounded not in seen:
            seen.add(rounded)
            yield rounded


def _least(candidates: Sequence[T], works: Callable[[T], bool]) -> T:
    """The first that works, by halving; the last is known to."""
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        if works(candidates[middle]):
            high = middle
        else:
            low = middle + 1
    return candidates[high]


def _params(rule: Rule) -> Iterator[tuple[int, int]]:
    """Every parameter, as the number of its step and its place there."""
    for number, step in enumerate(rule.steps):
        for position in range(len(step.fault.params)):
            yield number, position


def _with_step(rule: Rule, number: int, step: Step) -> Rule:
    return replace(rule, steps=(*rule.steps[:number], step, *rule.steps[number + 1 :]))


def _with_param(rule: Rule, number: int, position: int, value: Value) -> Rule:
    step = rule.steps[number]
    params = (*step.fault.params[:position], value, *step.fault.params[position + 1 :])
    return _with_step(rule, number, replace(step, fault=Fault(step.fault.kind, params)))
