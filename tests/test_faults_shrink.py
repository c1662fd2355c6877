"""Shrinking: the smallest plan that still fails, and how many trials it takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage import Stage

from replay.errors import UsageError
from replay.faults import Plan, chaos, parse_plan, shrink


class Counted:
    """A predicate that holds on to the plans it was asked about."""

    def __init__(self, fails: Callable[[Plan], bool]) -> None:
        self._fails = fails
        self.asked: list[Plan] = []

    def __call__(self, plan: Plan) -> bool:
        self.asked.append(plan)
        return self._fails(plan)


def has(plan: Plan, kind: str) -> bool:
    return any(step.fault.kind == kind for rule in plan for step in rule.steps)


def test_one_guilty_fault_among_many_is_found_by_halving() -> None:
    """Of 64 rules one remains, after at most two trials for each halving, and a few to see that
    it cannot be made simpler."""
    plan = parse_plan([f"reset @ {second}s" for second in range(1, 64)] + ["twin"])
    fails = Counted(lambda plan: has(plan, "twin"))
    assert shrink(plan, fails).texts == ("twin",)
    assert len(fails.asked) <= 2 + 2 * 6


def test_two_faults_that_fail_only_together_both_stay() -> None:
    """ddmin finds pairs wherever they stand."""
    texts = [f"reset @ {second}s" for second in range(1, 21)]
    texts[3], texts[17] = "fin @ 4s", "twin @ 18s"
    small = shrink(parse_plan(texts), lambda plan: has(plan, "fin") and has(plan, "twin"))
    assert [rule.head.fault.kind for rule in small] == ["fin", "twin"]


@pytest.mark.parametrize(
    ("text", "fails", "small"),
    [
        # A duration goes down the ladder to the shortest that fails.
        (
            "hold(up, 7321ms) @ 3s",
            lambda rule: rule.head.fault.seconds() >= 1.3,
            "hold(up, 2s) @ 3s",
        ),
        ("blackhole(up)", lambda rule: rule.head.fault.seconds() > 8, "blackhole(up, 10s)"),
        ("hold(up, 300ms)", lambda rule: rule.head.fault.seconds() == 0.3, "hold(up, 300ms)"),
        ("loseacks(17)", lambda rule: rule.head.fault.number() >= 4, "loseacks(4)"),
        # Places get round, rates too.
        ("reset @ byte 64123", lambda rule: rule.head.waits[0].size > 63000, "reset @ byte 64000"),
        ("reset @ 12345ms", lambda rule: rule.head.waits[0].ns < 13e9, "reset @ 10s"),
        (
            "throttle(up, 23456/s, 1ms)",
            lambda rule: rule.head.fault.number("rate") > 22000,
            "throttle(up, 23000/s, 1ms)",
        ),
        # What follows, repeats, and offsets go when they are not needed.
        ("reset then refuse(1ms) then fin @ conn", lambda rule: len(rule.steps) > 1, None),
        ("reset @ every 10s x9 until 1h", lambda rule: True, "reset @ 10s"),
        ("reset @ 3s every 10s x9 until 1h", lambda rule: True, "reset @ 3s"),
        ("reset @ poisson 2/min", lambda rule: True, "reset"),
        (
            "reset @ every 10s x9 until 1h",
            lambda rule: bool(rule.repeat and rule.repeat.times and rule.repeat.times >= 4),
            "reset @ every 10s x4",
        ),
        (
            "reset @ conn#2 + byte 64123 + 17ms",
            lambda rule: len(rule.head.waits) > 1,
            "reset @ conn#2 + byte 60000",
        ),
    ],
)
def test_rules_become_shorter_then_rounder(
    text: str, fails: Callable[..., bool], small: str | None
) -> None:
    """Each simplification alone, against a predicate that says what is needed."""
    shrunk = shrink(parse_plan([text]), lambda plan: len(plan) == 1 and fails(plan.rules[0]))
    if small is None:
        assert len(shrunk.rules[0].steps) == 2
    else:
        assert shrunk.texts == (small,)


def test_a_failure_without_faults_shrinks_to_nothing() -> None:
    """When the empty plan fails as well, faults have nothing to do with it."""
    fails = Counted(lambda plan: True)
    assert shrink(chaos("cruel", 1, 60), fails) == Plan()
    assert len(fails.asked) == 2


def test_a_plan_that_passes_cannot_be_shrunk() -> None:
    """It is refused, and not handed back as if it failed."""
    with pytest.raises(UsageError, match="does not fail"):
        shrink(parse_plan(["reset"]), lambda plan: False)


@given(st.integers(0, 2**32), st.sets(st.sampled_from(["reset", "fin", "hold", "close", "delay"])))
def test_what_is_left_fails_and_could_not_be_less(seed: int, guilty: set[str]) -> None:
    """For any plan: the result fails, no rule of it can go, it is the same each time, and nothing
    is tried twice."""
    plan = chaos("cruel", seed, 120)
    needed = {kind for kind in guilty if has(plan, kind)}

    def fails(plan: Plan) -> bool:
        return all(has(plan, kind) for kind in needed)

    counted = Counted(fails)
    small = shrink(plan, counted)
    assert fails(small)
    assert small == shrink(plan, fails)
    assert len(counted.asked) == len(set(counted.asked))
    for index in range(len(small)):
        assert not fails(Plan(small.rules[:index] + small.rules[index + 1 :]))
    assert parse_plan(small.texts) == small


def test_a_real_failure_shrinks_to_its_cause() -> None:
    """Played on the stage: a client that falls over when it is reset within half a second of its
    return is found out with the two faults that do that."""

    def fails(plan: Plan) -> bool:
        seen = Stage(plan, seconds=30).play().seen
        return any(
            firing.fault.kind == "reset"
            and firing.at.connection > 1
            and firing.at.connection_ms < 500
            for _, firing in seen
        )

    plan = parse_plan(
        [
            "hold(up, 1s) @ 2s",
            "fin @ 5210ms",
            "twin @ every 3s",
            "reset @ conn#2 + 321ms",
            "dupack @ ack#90",
        ]
    )
    assert shrink(plan, fails).texts == ("fin @ 5s", "reset @ conn#2")
