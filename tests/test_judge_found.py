"""What simulated days have found in the judge: nobody is blamed for what our own faults did."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_judge import add, change, clean, fault, ns, outcome

from replay import journal as j
from replay.faults import parse_plan
from replay.sandbox.defects import planted
from replay.sandbox.recognizers.scripted import Script, ScriptWord
from replay.sandbox.settings import Settings
from replay.simulation import Simulation, simulate
from replay.timeline import Acks, Frames, _shifts

SCRIPT = Script([ScriptWord(f"w{n}", 0.3 + n * 0.9, 0.6 + n * 0.9) for n in range(12)])


def spec(*faults: str) -> Simulation:
    return Simulation(
        seconds=12.0,
        script=SCRIPT,
        config={"endpointing": 0.3},
        plan=parse_plan(faults),
        seed=1,
        latency=0.08,
    )


@pytest.mark.parametrize(
    "faults",
    [
        # Two faults tear one gap.
        (
            "hold(up, 100ms) @ between(recorded, ack)#30",
            "hold(down, 100ms) @ between(recorded, ack)#31",
        ),
        # One that doubles acknowledgements lets one pass of those that another throws away.
        ("loseacks(15) @ 2s", "dupack @ 2600ms"),
        # Of one acknowledgement comes an older one first, and then its copy.
        ("regressack @ ack#30", "dupack @ ack#30"),
        ("hold(down, 1s) @ 2s", "regressack @ between(recorded, ack)#30", "dupack @ ack#30"),
        # Acknowledgements that are late still come after the way up went dead.
        ("throttle(down, 300/s, 4s) @ 2s", "blackhole(up, forever) @ 3s"),
        ("delay(down, 3s, 5ms, 4s) @ 2s", "blackhole(up, forever) @ 3s"),
    ],
)
def test_what_faults_do_together_is_held_against_nobody(faults: tuple[str, ...]) -> None:
    """And a service that skips audio under the same faults is still found."""
    summary = simulate(spec(*faults)).summarise()
    assert summary.faults.fired == len(faults)
    assert [each.detail for each in summary.findings if each.severity == "error"] == []
    broken = replace(spec(*faults), settings=Settings(defects=(planted("inclusive-acks"),)))
    assert simulate(broken).summarise().invariants["A3"] == "fail"


@pytest.mark.parametrize(
    "fault",
    ["mute(1s)", "refuse(1s)", "reject(503)", "accept_then_close(1013, 1)", "http_error(503)"],
)
def test_what_waits_for_the_next_attempt_or_request_takes_no_acknowledgement(fault: str) -> None:
    """It may never come to do anything, and then nobody would be told of the loss."""
    done = simulate(spec(f"{fault} @ between(recorded, ack)#30"))
    starts = [each.start for each in done.entries if isinstance(each, j.Ack)]
    assert starts == list(range(0, 384_000, 3200))
    assert done.summarise().invariants["A3"] == "pass"


def test_a_path_that_lives_again_may_be_kept() -> None:
    """What a throttle still held was acknowledged long after nothing was read any more; then all of
    it was read, and the client had not waited too long for anything. One that bears all of a fault
    that is long enough is still found."""
    faults = ("throttle(both, 11000/s, 5800ms) @ 10s", "zero_window(6900ms) @ 11200ms")
    summary = simulate(replace(spec(*faults, "reset @ 33s"), seconds=40.0)).summarise()
    assert summary.faults.fired == 3
    assert [each.detail for each in summary.findings if each.severity == "error"] == []
    built = clean()
    borne = fault("zero_window(6900ms)", 500)
    borne.until = ns(7400)
    built.entries.append(borne)
    change(j.Lost, t=ns(12_000))(built)
    (found,) = outcome(built, "R3").findings
    assert "the dead path was kept for 6.90 s" in found.detail


def test_a_path_that_was_left_already_is_not_kept() -> None:
    """The fault struck a connection that its client had given up before, unseen by us."""
    built = clean()
    change(j.Lost, t=ns(3000))(built)
    add(fault("close_open(1011)", 3400))(built)
    assert outcome(built, "R3").state == "not applicable"


def column(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_an_acknowledgement_that_comes_again_moves_no_times() -> None:
    """It tells an old count beside what is known by now."""
    acks = Acks(
        t=column(1, 2, 3, 4),
        connection=column(1, 1, 1, 1),
        start=column(0, 10, 0, 20),
        end=column(10, 20, 10, 30),
        upto=column(10, 20, 20, 30),
    )
    nothing = column()
    breaks, shifts = _shifts(acks, Frames(nothing, nothing, nothing, nothing, nothing))
    assert (breaks.tolist(), shifts.tolist()) == ([-1], [0])


def test_a_shift_begins_with_its_connection() -> None:
    """Also where the first acknowledgements that would have told of it were lost."""
    acks = Acks(
        t=column(1, 2),
        connection=column(1, 2),
        start=column(0, 25),
        end=column(10, 30),
        upto=column(10, 25),
    )
    frames = Frames(
        t=column(0, 1, 2),
        done=column(0, 1, 2),
        connection=column(1, 2, 2),
        offset=column(0, 10, 15),
        size=column(10, 5, 10),
    )
    breaks, shifts = _shifts(acks, frames)
    assert (breaks.tolist(), shifts.tolist()) == ([-1, 15], [0, 5])
