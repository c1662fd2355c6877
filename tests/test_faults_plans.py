"""Plans: from files, by lot, from what a run did; and what came of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage import Stage, played

from replay import journal
from replay.errors import FaultSyntaxError, UsageError
from replay.faults import (
    KINDS,
    LEVELS,
    Tally,
    chaos,
    from_fired,
    parse_plan,
    parse_plan_file,
    plan_file,
    tally,
)
from replay.faults.moments import Elapsed, SentAudio
from replay.wire.closing import Close, on_close, on_status
from replay.wire.limits import SESSION_SECONDS

# ------------------------------------------------------------------ files

FILE = """
- reset @ ack#3          # a remark
- fault: hold(up, 2s)
  at: final#2 + 100ms
- {fault: reset, every: 10s..20s, times: 3, until: 5m, then: [refuse(5s), reset @ resend]}
- {fault: fin, poisson: 2/min}
- {fault: twin, at: 3}
- {fault: refuse, then: reset after 2s}
"""


def test_a_file_holds_texts_and_mappings() -> None:
    """Both mean what the same line means on the command line."""
    assert parse_plan_file(FILE).texts == (
        "reset @ ack#3",
        "hold(up, 2s) @ final#2 + 100ms",
        "reset @ every 10s..20s x3 until 5m then refuse(5s) then reset @ resend",
        "fin @ poisson 2/min",
        "twin @ 3s",
        "refuse(2s) then reset after 2s",
    )
    assert len(parse_plan_file("[]")) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a plan is a list"),
        ("reset @ 3s", "a plan is a list"),
        ("fault: reset", "a plan is a list"),
        ("- [", r"no YAML: .*line"),
        ("- \x00", "no YAML"),
        ("- reset @ 3s\n- rest @ 3s", r"^item 2: unknown fault 'rest': did you mean 'reset'\?\n"),
        (
            "- fault: reset\n  at: acks",
            r"^item 1: unknown moment 'acks'.*\n  reset @ acks\n {10}\^$",
        ),
        ("- at: 3s", "item 1: the key 'fault' is missing"),
        ("- {fault: reset, att: 3s}", r"item 1: unknown key 'att': did you mean 'at'\?"),
        ("- {fault: reset, at: [3s]}", "item 1: the value of 'at' must be a text"),
        ("- {fault: reset, then: [{fault: fin}]}", "item 1: the value of 'then' must be a text"),
        ("- 3", "item 1: expected a fault as text"),
        ("- null", "item 1: expected a fault as text"),
    ],
)
def test_a_broken_file_names_the_item(text: str, said: str) -> None:
    """One line says which item is wrong; where the fault itself is, the caret is shown too."""
    with pytest.raises(UsageError, match=said):
        parse_plan_file(text)


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(list("-{}[]:,&*!|>'\"\n fault@3s"))).map("".join)
)
def test_any_text_is_a_plan_or_a_usage_error(text: str) -> None:
    """Whatever a file holds, nothing else is raised."""
    try:
        plan = parse_plan_file(text)
    except UsageError:
        return
    assert parse_plan_file(plan_file(plan)) == plan


# ------------------------------------------------------------------ by lot

seeds = st.integers(0, 2**63)
lengths = st.floats(0.1, SESSION_SECONDS / 10)


@given(st.sampled_from(LEVELS), seeds, lengths, st.booleans())
def test_a_plan_by_lot_is_ordinary_text(
    level: str, seed: int, seconds: float, restart: bool
) -> None:
    """The same arguments make the same plan, its texts and its file make it again."""
    plan = chaos(level, seed, seconds, restart=restart)
    assert plan == chaos(level, seed, seconds, restart=restart)
    assert parse_plan(plan.texts) == plan
    assert parse_plan_file(plan_file(plan)) == plan
    assert len(plan) > 0


@given(st.sampled_from(LEVELS), seeds, lengths)
def test_a_plan_by_lot_can_be_survived(level: str, seed: int, seconds: float) -> None:
    """Nothing in it ends a session for good, no outage it asks for is long, and every time in it
    lies within the audio."""
    for rule in chaos(level, seed, seconds, restart=True):
        for step in rule.steps:
            names = {param.name for param in step.fault.spec.params}
            if "code" in names:
                assert on_close(step.fault.number("code")) is Close.RECONNECT
            if "status" in names:
                assert on_status(step.fault.number("status")) is Close.RECONNECT
            if "T" in names and step.fault.spec.scope.value != "connection":
                assert step.fault.seconds() <= 20
            assert step.fault.kind != "twin"
        first = rule.head.waits[0]
        if isinstance(first, Elapsed):
            assert first.ns / 1e9 <= 0.9 * seconds + 0.01


#: What may come at the stop, or at a request.
LATE = {"reset", "fin", "http_error", "slow_http"}


def used(level: str, **settings: bool) -> dict[str, int]:
    """How often each kind comes in a hundred plans for a minute."""
    counts = dict.fromkeys(KINDS, 0)
    for seed in range(100):
        for rule in chaos(level, seed, 60, **settings):
            for step in rule.steps:
                counts[step.fault.kind] += 1
    return counts


def test_levels_differ_in_what_they_do_and_how_much() -> None:
    """Mild knows five kinds, cruel all that can be survived; each has more faults than the last."""
    mild, rough, cruel = (used(level) for level in LEVELS)
    assert {kind for kind in KINDS if mild[kind]} == {"reset", "fin", "hold", "delay", "slice"}
    assert {kind for kind in KINDS if not cruel[kind]} == {"twin", "restart"}
    assert not rough["corrupt"]
    assert used("cruel", restart=True)["restart"] > 0
    heads = [sum(len(chaos(level, seed, 60)) for seed in range(100)) for level in LEVELS]
    # Some 37 seconds of a minute at 2, 6 and 15 a minute, and a few more; the seeds are fixed.
    assert [round(count / 100) for count in heads] == [2, 4, 10]


def test_chaos_leaves_a_part_of_each_minute_in_peace() -> None:
    """What comes due in an outage strikes the next connection: without peace one outage could lead
    to another until the client gives up. What costs connections in a row comes once a minute, and
    has the time for it; seed 107 of a simulated day had fourteen of them in two minutes."""
    rows = 0
    for seed in range(50):
        minutes: list[float] = []
        for rule in chaos("cruel", seed, 600):
            first = rule.head.waits[0] if rule.head.waits else None
            if isinstance(first, Elapsed | SentAudio):
                assert first.ns / 1e9 % 60 <= 40.01
                kinds = [step.fault.kind for step in rule.steps]
                if kinds.count("reset") > 1 or "accept_then_close" in kinds:
                    minute, into = divmod(first.ns / 1e9, 60)
                    minutes.append(minute)
                    assert into <= 20.01
            else:
                assert {step.fault.kind for step in rule.steps} <= LATE, rule.text
        assert len(minutes) == len(set(minutes))
        rows += len(minutes)
    assert rows > 50


def test_seeds_make_different_plans() -> None:
    """No two of a hundred cruel minutes are alike."""
    assert len({chaos("cruel", seed, 60) for seed in range(100)}) == 100


@pytest.mark.parametrize(
    ("level", "seconds", "said"),
    [
        ("crul", 60.0, "did you mean 'cruel'"),
        ("mild", 0.0, "more than 0"),
        ("mild", math.inf, "0 s"),
    ],
)
def test_chaos_must_be_asked_for_properly(level: str, seconds: float, said: str) -> None:
    """An unknown level and audio without a length are refused."""
    with pytest.raises(UsageError, match=said):
        chaos(level, 1, seconds)


# ------------------------------------------------------------------ what a run did


def entries(stage: Stage) -> list[journal.Entry]:
    """The journal of a session on the stage, through its lines."""
    written: list[journal.Entry] = [
        journal.FaultPlanned(t=0, rule=number, text=text)
        for number, text in enumerate(stage.plan.texts)
    ]
    written += [
        journal.FaultFired(
            t=at * 1_000_000,
            rule=firing.rule,
            step=firing.step,
            text=str(firing.fault),
            fault=firing.fault.kind,
            connection=firing.at.connection,
            direction=firing.fault.direction,
            at=firing.at.as_dict(),
        )
        for at, firing in stage.seen
    ]
    return list(journal.decode_lines(journal.encode(entry) for entry in written))


def hits(stage: Stage) -> list[tuple[int, str]]:
    """When and what, without the order of what fires in the same instant."""
    return sorted(stage.fired)


@given(st.sampled_from(LEVELS), st.integers(0, 2**32))
def test_a_run_can_be_done_again(level: str, seed: int) -> None:
    """The plan made of what fired fires the same, at the same instants, and once each."""
    drawn = ("twin @ poisson 20/min", "fin @ every 7s..11s", "dupack @ ack#7 + 130ms x3")
    first = played(*chaos(level, seed, 30).texts, *drawn, seconds=30, seed=seed)
    again = from_fired(entries(first))
    assert len(again) == len(first.seen)
    assert all(rule.repeat is None and len(rule.steps) == 1 for rule in again)
    second = Stage(again, seconds=30, seed=seed + 1).play()
    assert hits(second) == hits(first)
    assert hits(Stage(from_fired(entries(second)), seconds=30).play()) == hits(first)


def test_what_fired_reads_as_a_rule() -> None:
    """The place is a byte of audio on a connection, or the event itself, and the time since."""
    stage = played(
        "reset @ 2s then refuse(1s) after 1s", "reset @ ack#40", "fin @ stop.sent", seconds=10
    )
    assert from_fired(entries(stage)).texts == (
        "reset @ conn#1 + byte 64000 + 100ms",
        "refuse(1s) @ conn#1 + byte 64000 + 1.1s",
        "reset @ ack#40",
        "fin @ stop.sent",
    )


def test_a_journal_without_places_cannot_be_done_again() -> None:
    """One line says which fault lacks its place."""
    entry = journal.FaultFired(t=0, rule=0, text="reset", fault="reset")
    with pytest.raises(UsageError, match="does not say where 'reset' fired"):
        from_fired([entry])


def test_the_tally_says_what_never_fired() -> None:
    """Every step of every rule has a line; missed is what fired less often than it was asked to."""
    stage = played(
        "reset @ 1s then refuse(1s) then twin @ final",
        "fin @ every 3s",
        "dupack @ ack x3",
        "hold @ 1h",
        "twin @ every 20s",
        "twin @ every 3s x5",
        seconds=10,
    )
    lines = tally(entries(stage))
    assert lines == [
        Tally(0, 0, "reset @ 1s then refuse(1s) then twin @ final", 1, 1),
        Tally(0, 1, "refuse(1s)", 1, 1),
        Tally(0, 2, "twin", 1, 0),
        Tally(1, 0, "fin @ every 3s", None, 3),
        Tally(2, 0, "dupack @ ack x3", 3, 3),
        Tally(3, 0, "hold(both, 2s) @ 1h", 1, 0),
        Tally(4, 0, "twin @ every 20s", None, 0),
        Tally(5, 0, "twin @ every 3s x5", 5, 3),
    ]
    assert [line.missed for line in lines] == [
        False, False, True, False, False, True, True, True
    ]  # fmt: skip


def test_a_tally_of_a_text_from_elsewhere_is_refused() -> None:
    """A planned text that cannot be read is an error, not a fault that did not fire."""
    with pytest.raises(FaultSyntaxError, match="unknown fault"):
        tally([journal.FaultPlanned(t=0, rule=0, text="meteor @ 3s")])
