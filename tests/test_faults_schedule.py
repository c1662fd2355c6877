"""When faults fire: tables in virtual time, and the statistics of those that are drawn."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage import RATE, played

from replay.faults import Firing, Schedule, chaos, parse, parse_plan
from replay.faults import events as e


def schedule(*texts: str, seed: int = 1) -> Schedule:
    return Schedule(parse_plan(texts), Random(seed), bytes_per_second=RATE)


def kinds(firings: list[Firing]) -> list[str]:
    return [firing.fault.kind for firing in firings]


@pytest.mark.parametrize(
    ("texts", "fired"),
    [
        # The first connection opens at 1.0 s; frame k goes up at 1.0 s + (k - 1) · 100 ms.
        (["twin"], [(1000, "twin")]),
        (["twin @ 3s"], [(4000, "twin")]),
        (["twin @ 0s"], [(1000, "twin")]),
        (["twin @ audio 2s"], [(2900, "twin")]),
        (["twin @ byte 64001"], [(3000, "twin")]),
        (["twin @ frame 30"], [(3900, "twin")]),
        (["twin @ ack#5"], [(1400, "twin")]),
        (["twin @ ack#5 + 150ms"], [(1550, "twin")]),
        (["twin @ stop.sent"], [(10000, "twin")]),
        (["twin @ final"], []),
        (["refuse(1s)"], [(0, "refuse(1s)")]),
        (["refuse(1s) @ start + 500ms"], [(1000, "refuse(1s)")]),
        # Repeats.
        (["twin @ every 3s"], [(4000, "twin"), (7000, "twin"), (10000, "twin")]),
        (["twin @ 1s every 3s x2"], [(2000, "twin"), (5000, "twin")]),
        (["twin @ every 2s until 5s"], [(3000, "twin"), (5000, "twin")]),
        (["twin @ ack#5 every 4s"], [(1400, "twin"), (5400, "twin"), (9400, "twin")]),
        (["twin @ ack#3 x3"], [(1200, "twin"), (1300, "twin"), (1400, "twin")]),
        (["twin @ ack + 1s x2"], [(2000, "twin"), (2100, "twin")]),
        (["twin @ ack until 150ms"], [(1000, "twin"), (1100, "twin")]),
        # The client is back 2 s after a reset.
        (["reset @ conn + 50ms x3"], [(1050, "reset"), (3100, "reset"), (5150, "reset")]),
        (["reset @ 1s", "fin @ conn#2 + byte 6400"], [(2000, "reset"), (4100, "fin")]),
        (["reset @ 1s", "refuse(3s) @ reconnecting"], [(2000, "reset"), (4000, "refuse(3s)")]),
        # Sequences.
        (["reset @ 1s then refuse(3s)"], [(2000, "reset"), (2000, "refuse(3s)")]),
        (["twin @ 1s then hold(1s) after 2s"], [(2000, "twin"), (4000, "hold(both, 1s)")]),
        (["reset @ 1s then fin @ conn + 100ms"], [(2000, "reset"), (4100, "fin")]),
        (["twin @ ack#5 then fin @ ack#3"], [(1400, "twin"), (1700, "fin")]),
        (
            ["twin @ every 4s then dupack after 1s"],
            [(5000, "twin"), (6000, "dupack"), (9000, "twin"), (10000, "dupack")],
        ),
        # Without a connection a fault of the connection waits; one of the way does not.
        (["reset @ 1s", "twin @ 2s"], [(2000, "reset"), (4000, "twin")]),
        (["reset @ 1s", "refuse(1s) @ 2s"], [(2000, "reset"), (3000, "refuse(1s)")]),
        (["reset @ 1s", "slice(up, 1, 1s) @ 2s"], [(2000, "reset"), (3000, "slice(up, 1, 1s)")]),
    ],
)
def test_faults_fire_when_they_were_asked_to(
    texts: list[str], fired: list[tuple[int, str]]
) -> None:
    """Each moment, repeat and sequence, in a session of ten seconds."""
    assert played(*texts, seconds=10).fired == fired


def test_an_outage_keeps_one_firing_of_a_repeated_fault() -> None:
    """What came due several times without a connection fires once when it is back."""
    stage = played("twin @ every 500ms", "reset @ 1s", seconds=6, outage=3)
    twins = [at for at, text in stage.fired if text == "twin"]
    assert twins == [1500, 2000, 5000, 5500, 6000]


def test_sent_again_is_no_progress_of_the_audio() -> None:
    """`byte` as a place in the session is reached once, behind a `+` all that goes up counts."""
    machine = schedule("twin @ byte 9600", "fin @ conn + byte 9600")
    machine.start(0.0)
    machine.observe(e.ConnectionOpened(1), 0.0)
    assert machine.observe(e.AudioUp(1, 0, 3200), 0.1) == []
    assert machine.observe(e.AudioUp(1, 0, 3200), 0.2) == []
    assert kinds(machine.observe(e.AudioUp(1, 3200, 3200), 0.3)) == ["fin"]
    assert kinds(machine.observe(e.AudioUp(1, 6400, 3200), 0.4)) == ["twin"]
    assert machine.observe(e.AudioUp(1, 6400, 3200), 0.5) == []


EVENTS = {
    "conn": e.ConnectionOpened(1),
    "frame 1": e.AudioUp(1, 0, 3200),
    "ack": e.AckDown(1, 0, 3200),
    "between(recorded, ack)": e.AckAboutToPass(1),
    "partial": e.PartialDown(1),
    "final": e.FinalDown(1),
    "speech_start": e.SpeechStartDown(1),
    "stop.sent": e.StopUp(),
    "stop.acked": e.StopAckDown(),
    "end_recording": e.EndRecordingDown(),
    "post": e.PostDown(1),
    "reconnecting": e.Reconnecting(1),
    "resend": e.Resend(),
    "caught_up": e.CaughtUp(),
    "http": e.HttpRequest("GET", ""),
    "http.init": e.HttpRequest("POST", "init"),
    "http.job": e.HttpRequest("GET", "job"),
    "http.file": e.HttpRequest("GET", "file"),
    "http.list": e.HttpRequest("GET", "list"),
    "http.delete": e.HttpRequest("DELETE", "delete"),
}


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_is_the_moment_of_its_name_and_no_other(name: str) -> None:
    """A rule for each moment: the event fires its own, and a route's also the one for all."""
    machine = schedule(*(f"refuse(1s) @ {moment}" for moment in EVENTS))
    firings = machine.observe(EVENTS[name], 0.0)
    expected = {name, "http"} if name.startswith("http") else {name}
    assert {list(EVENTS)[firing.rule] for firing in firings} == expected
    assert all(firing.at.after_ms == 0 for firing in firings)


def test_a_lost_connection_is_no_moment_but_counts() -> None:
    """Only the loss of the connection at hand leaves the session without one."""
    machine = schedule("twin @ ack")
    machine.observe(e.ConnectionOpened(1), 0.0)
    machine.observe(e.ConnectionOpened(2), 0.1)
    machine.observe(e.ConnectionLost(1), 0.2)
    assert kinds(machine.observe(e.AckDown(1, 0, 1), 0.3)) == ["twin"]


def test_due_names_the_next_timer() -> None:
    """None without one; else its exact time, before which `tick` gives nothing."""
    machine = schedule("twin @ 3s", "twin @ 5s")
    assert machine.start(0.0) == []
    assert machine.due() is None
    machine.observe(e.ConnectionOpened(1), 1.0)
    assert machine.due() == 4.0
    assert machine.tick(3.999) == []
    assert kinds(machine.tick(4.0)) == ["twin"]
    assert machine.due() == 6.0
    assert kinds(machine.tick(9.0)) == ["twin"]
    assert machine.due() is None


def test_late_ticks_do_not_shift_what_follows() -> None:
    """Repeats stand on a grid from the first connection, however late each one was noticed."""
    machine = schedule("twin @ every 10s")
    machine.observe(e.ConnectionOpened(1), 0.0)
    for turn in range(1, 100):
        assert machine.due() == pytest.approx(turn * 10, abs=1e-9)
        assert len(machine.tick(turn * 10 + 3.7)) == 1


def test_where_it_hit_is_told() -> None:
    """Coordinates hold the connection, how far the audio had come, and the firm moment before."""
    stage = played("reset @ 2s", "twin @ conn#2 + 1050ms", "refuse(1s) @ 3s", seconds=10)
    reset, refuse, twin = (firing.at for _, firing in stage.seen)
    assert (reset.connection, reset.trigger, reset.after_ms) == (1, "conn#1 + byte 64000", 100.0)
    assert (reset.offset, reset.frame, reset.acks, reset.connection_ms) == (64000, 20, 20, 2000.0)
    assert (refuse.connection, refuse.trigger, refuse.after_ms) == (
        1,
        "conn#1 + byte 64000",
        1100.0,
    )
    assert (twin.connection, twin.trigger, twin.after_ms) == (2, "conn#2 + byte 35200", 50.0)


def test_rules_added_by_hand_count_from_then() -> None:
    """Without a moment they fire at once; their times and numbers begin when they are added."""
    machine = schedule("twin @ 3s")
    machine.start(0.0)
    machine.observe(e.ConnectionOpened(1), 1.0)
    machine.observe(e.AckDown(1, 0, 1), 1.5)
    assert [firing.rule for firing in machine.add(parse("reset"), 2.0)] == [1]
    assert kinds(machine.add(parse("refuse(2s)"), 2.0)) == ["refuse"]
    assert machine.add(parse("fin @ ack#2"), 2.0) == []
    assert machine.add(parse("dupack @ 500ms"), 2.0) == []
    assert machine.add(parse("hold @ every 700ms x1"), 2.0) == []
    assert machine.due() == 2.5
    assert kinds(machine.tick(2.5)) == ["dupack"]
    assert kinds(machine.tick(2.7)) == ["hold"]
    assert machine.observe(e.AckDown(2, 1, 2), 2.8) == []
    assert kinds(machine.observe(e.AckDown(3, 2, 3), 2.9)) == ["fin"]


def test_a_rule_added_during_an_outage_waits_for_the_connection() -> None:
    """By hand too, nothing that needs a connection fires without one."""
    machine = schedule()
    assert machine.add(parse("reset"), 0.0) == []
    assert kinds(machine.observe(e.ConnectionOpened(1), 1.0)) == ["reset"]


def test_a_withdrawn_rule_fires_no_more() -> None:
    """Neither its repeats nor what would follow; the others go on."""
    machine = schedule("twin @ every 1s then dupack after 500ms", "fin @ 3s")
    machine.observe(e.ConnectionOpened(1), 0.0)
    assert kinds(machine.tick(1.0)) == ["twin"]
    machine.withdraw(0)
    assert kinds(machine.tick(10.0)) == ["fin"]
    assert machine.due() is None


@pytest.mark.parametrize("seed", range(5))
def test_poisson_firings_are_independent_and_as_many_as_asked(seed: int) -> None:
    """Ten hours at two a minute: the count, the mean gap and its spread are those of the law."""
    machine = schedule("twin @ poisson 2/min until 10h", seed=seed)
    machine.observe(e.ConnectionOpened(1), 0.0)
    times = []
    while (due := machine.due()) is not None:
        times += [due] * len(machine.tick(due))
    gaps = [late - early for early, late in pairwise([0.0, *times])]
    mean = sum(gaps) / len(gaps)
    spread = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    # Four standard errors for n = 1200: 2/sqrt(n) of each; the seeds are fixed.
    assert len(times) == pytest.approx(1200, abs=4 * 1200**0.5)
    assert mean == pytest.approx(30, rel=4 / 1200**0.5)
    assert spread == pytest.approx(30, rel=8 / 1200**0.5)


def test_every_from_to_draws_evenly() -> None:
    """All pauses lie within the limits, and reach near both."""
    machine = schedule("twin @ every 5s..20s x1000")
    machine.observe(e.ConnectionOpened(1), 0.0)
    times = [0.0]
    while (due := machine.due()) is not None:
        machine.tick(due)
        times.append(due)
    gaps = sorted(late - early for early, late in pairwise(times))
    assert len(gaps) == 1000
    assert 5 <= gaps[0] < 5.1
    assert 19.9 < gaps[-1] <= 20 + 1e-9
    assert sum(gaps) / 1000 == pytest.approx(12.5, abs=4 * 15 / 12**0.5 / 1000**0.5)


@given(st.integers(0, 2**32), st.sampled_from(["mild", "rough", "cruel"]))
def test_the_same_plan_and_seed_fire_the_same(seed: int, level: str) -> None:
    """Played twice, every firing is the same, with the same coordinates."""
    texts = (*chaos(level, seed, 20).texts, "twin @ poisson 30/min", "fin @ every 3s..9s")
    assert played(*texts, seconds=20, seed=seed).seen == played(*texts, seconds=20, seed=seed).seen


def test_rules_draw_independently() -> None:
    """What one rule does, and when, does not change the times of another."""
    alone = played("twin @ poisson 20/min", seconds=60)
    beside = played("twin @ poisson 20/min", "refuse(1s) @ poisson 60/min", seconds=60)
    assert alone.fired == [each for each in beside.fired if each[1] == "twin"]
    assert len(beside.fired) > len(alone.fired)


def test_many_rules_fire_each_at_its_own_moment() -> None:
    """Three thousand rules in one session, given backwards: each fires once, in order."""
    texts = [f"twin @ {which}" for k in range(1000, 0, -1) for which in (f"audio {k}s", f"ack#{k}")]
    machine = schedule(*texts, *(f"twin @ {k}s" for k in range(1000, 0, -1)))
    machine.observe(e.ConnectionOpened(1), 0.0)
    for k in range(1, 1001):
        assert len(machine.observe(e.AudioUp(1, RATE * (k - 1), RATE), k - 0.5)) == 1
        assert len(machine.observe(e.AckDown(k, 0, 0), k - 0.5)) == 1
        assert machine.due() == k
        assert len(machine.tick(k)) == 1
    assert machine.due() is None
