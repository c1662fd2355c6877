"""Whole runs in virtual time: the same each time, and as true as a real one."""

from __future__ import annotations

from hashlib import sha256

import pytest
from processes import printed_by_processes

from replay import journal as j
from replay.errors import UsageError
from replay.faults import Plan, chaos, parse_plan
from replay.sandbox.defects import planted
from replay.sandbox.latency import Spread
from replay.sandbox.recognizers.scripted import Manner, Script, ScriptWord
from replay.sandbox.settings import Settings
from replay.simulation import Simulation, simulate

SCRIPT = Script([ScriptWord(f"word{n}", 0.3 + n * 0.5, 0.7 + n * 0.5) for n in range(10)])
FAULTS = ("reset @ 2s", "delay(both, 40ms, 20ms, 3s)", "hold(up, 1s) @ ack#30")


def spec(*faults: str, defect: str = "", seed: int = 1) -> Simulation:
    """Six seconds in which words, networks and back-offs are drawn."""
    return Simulation(
        seconds=6.0,
        script=SCRIPT,
        manner=Manner(partial=Spread(0.1, 0.1), flicker=0.3, seed=seed),
        plan=parse_plan(faults),
        seed=seed,
        settings=Settings(defects=(planted(defect),) if defect else ()),
    )


def test_the_same_spec_gives_the_same_journal_in_another_process() -> None:
    """Byte for byte, whatever seed the process hashes with."""
    found = printed_by_processes("from test_simulation import digest; print(digest())")
    assert found == {digest()}


def digest() -> str:
    return sha256(simulate(spec(*FAULTS)).journal).hexdigest()


def test_another_seed_gives_another_journal() -> None:
    """What is drawn is drawn from the seed: the hash above would see a difference."""
    assert simulate(spec(*FAULTS)).journal != simulate(spec(*FAULTS, seed=2)).journal


def test_a_simulated_run_under_faults_passes() -> None:
    """Everything that a verdict asks for is in the journal, and every fault fired."""
    done = simulate(spec(*FAULTS))
    summary = done.summarise()
    assert (summary.verdict, summary.reasons) == ("pass", [])
    assert summary.faults.fired == len(FAULTS)
    assert summary.session.reconnects == 1
    assert done.timeline.header.clock == "virtual"
    assert done.recorded is not None
    assert done.recorded[: len(done.sent) // 4] == done.sent[: len(done.sent) // 4]


@pytest.mark.parametrize(
    ("seed", "seconds"), [(5, 10.0), (5, 30.0), (1, 30.0), (14, 10.0), (36, 10.0), (139, 10.0)]
)
def test_what_chaos_does_to_acknowledgements_is_held_against_nobody(
    seed: int, seconds: float
) -> None:
    """Acknowledgements lost to a moment and to its fault alike, early, late and first of all."""
    plan = chaos("cruel", seed, seconds)
    done = simulate(Simulation(seconds=seconds, plan=plan, seed=seed))
    assert any("between(" in text for text in plan.texts)
    assert [each.detail for each in done.summarise().findings if each.severity == "error"] == []


def test_a_defect_is_found_as_in_a_real_run() -> None:
    """Planted: lost audio fails the simulation by the invariant that it breaks."""
    summary = simulate(spec(defect="lose=100")).summarise()
    assert (summary.verdict, summary.invariants["A1"]) == ("fail", "fail")


def test_a_service_that_never_answers_ends_the_journal_with_the_reason() -> None:
    """It is a run that could not be played, and no error of the simulation."""
    done = simulate(spec("refuse(1h)"))
    last = done.entries[-1]
    assert isinstance(last, j.Closed)
    assert last.error
    assert done.recorded is None
    assert done.summarise().verdict != "pass"


def test_what_needs_a_process_is_refused() -> None:
    """Nothing in memory can be killed and started again."""
    with pytest.raises(UsageError):
        simulate(spec("restart(1s) @ 1s"))


def test_without_faults_there_is_one_connection() -> None:
    """The injector is there all the same, and passes everything on."""
    done = simulate(spec())
    assert done.sent == done.recorded
    assert done.summarise().session.reconnects == 0
    assert spec().plan == Plan()
