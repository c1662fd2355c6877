"""`replay simulate`: worlds of many sessions, judged, repeatable, shrunk."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from click.testing import CliRunner
from processes import printed_by_processes

from replay import journal as j
from replay import workers
from replay.cli import root
from replay.errors import MachineError, UsageError
from replay.report.simulate_text import lines
from replay.rundir import load
from replay.simulating import Progress, read_seeds, simulate_seeds, summed
from replay.simulation import draw
from replay.simulation import simulate as simulate_session
from replay.simulation.asked import Asked, place
from replay.simulation.draw import Terms
from replay.simulation.verdict import Failure, Fold, SeedResult, judged
from replay.simulation.worker import Job, simulate_seed
from replay.simulation.world import SHORTEST_SECONDS, Played, simulate_world

SMALL = Terms(seed=3, hours=0.03, slots=2, length=40.0, chaos="cruel")


def simulated(terms: Terms) -> tuple[SeedResult, list[Played]]:
    """A world, its figures and its sessions."""
    fold, sessions = Fold(terms.seed), []

    def tell(played: Played) -> None:
        fold.add(played)
        sessions.append(played)

    simulate_world(terms, tell)
    return fold.result, sessions


def simulate(*arguments: str) -> tuple[int, str, str]:
    """The verb itself."""
    done = CliRunner().invoke(root, ["simulate", *arguments], standalone_mode=False)
    return done.exit_code, done.stdout, done.stderr


# ------------------------------------------------------------------ one world


def test_slots_play_session_after_session_into_one_sandbox() -> None:
    """Each slot at a time one, as long as asked, until the hours are over; nothing is lost."""
    result, sessions = simulated(SMALL)
    assert (result.failed, result.lost_bytes) == (0, 0)
    assert result.reconnects > 0
    for slot in (1, 2):
        mine = sorted((each for each in sessions if each.slot == slot), key=lambda e: e.number)
        assert [each.number for each in mine] == list(range(1, len(mine) + 1))
        assert all(a.ended <= b.began for a, b in pairwise(mine))
        assert mine[0].spec.seconds == 40.0
    overlap = [
        (a, b)
        for a in sessions
        for b in sessions
        if a.slot < b.slot and a.began < b.ended > b.began
    ]
    assert overlap
    assert result.virtual >= SMALL.ends - SHORTEST_SECONDS  # less is no session


def test_no_two_sessions_of_a_world_have_the_same_audio() -> None:
    """What one session's recording had of another's would be seen."""
    audio = [draw.session(SMALL, slot, n, 40.0).audio for slot in (1, 2, 3) for n in (1, 2, 3)]
    assert len(set(audio)) == len(audio)


def test_the_same_seed_is_the_same_world_in_another_process() -> None:
    """All journals, byte for byte, whatever seed the process hashes with."""
    code = "from test_simulate import SMALL, simulated; print(simulated(SMALL)[0].digest)"
    found = printed_by_processes(code)
    assert found == {simulated(SMALL)[0].digest}


def test_another_seed_is_another_world() -> None:
    """The hash above would see a difference."""
    assert simulated(SMALL)[0].digest != simulated(replace(SMALL, seed=4))[0].digest


def test_a_shorter_world_begins_like_a_longer_one() -> None:
    """What failed late in a long world is had again without all that followed it."""
    short, long = simulated(SMALL)[1], simulated(replace(SMALL, hours=0.06))[1]
    safe = [each for each in short if each.ended + SMALL.length < SMALL.ends]
    assert safe
    known = {(each.slot, each.number): each.done.journal for each in long}
    assert all(known[each.slot, each.number] == each.done.journal for each in safe)


@pytest.mark.parametrize(("defect", "invariant"), [("lose=100", "A1"), ("double", "A2")])
def test_a_planted_defect_is_found_and_shrunk(defect: str, invariant: str) -> None:
    """Planted: a sandbox that spoils what it records. Every session fails by the invariant that
    says so; without the others too, and without a fault."""
    asked = Asked(hours=0.01, sessions=2, length=30.0, chaos="rough", defects=[defect])
    result = simulate_seed(Job(asked=asked, seed=1), lambda _: None)
    assert result.failed == result.sessions > 1
    failure = result.failures[0]
    assert invariant in failure.reasons
    assert (failure.alone, failure.smallest) == (True, [])


def test_a_defect_that_takes_a_fault_keeps_it() -> None:
    """Planted: a sandbox that forgets its sessions. The smallest plan is one loss."""
    asked = Asked(hours=0.01, sessions=1, length=30.0, chaos="cruel", defects=["forget"])
    result = simulate_seed(Job(asked=asked, seed=1), lambda _: None)
    failure = result.failures[0]
    assert failure.smallest is not None
    assert len(failure.smallest) == 1
    command = asked.again(1, failure)
    assert "--only 1-1" in command
    assert "--defect forget" in command


def test_a_world_that_fails_throughout_stays_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many failing sessions are told and kept, and each that fails for other reasons is told;
    all are counted, and a disk that is full is said in one line."""
    monkeypatch.setattr("replay.simulation.verdict._FAILURES", 2)
    monkeypatch.setattr("replay.simulation.worker._KEPT", 3)
    asked = Asked(hours=0.03, sessions=2, length=20.0, defects=["lose=100"], shrink=False)
    job = Job(asked=asked, seed=1, keep=str(tmp_path / "kept"))
    result = simulate_seed(job, lambda _: None)
    assert result.failed == result.sessions > 3
    assert result.audio == pytest.approx(20.0 * result.sessions, rel=0.2)
    assert len(result.failures) == 2
    assert len(list((tmp_path / "kept").iterdir())) == 3
    progress = SimpleNamespace(results={1: result}, total=1)
    shown = [*lines(summed(asked, cast("Progress", progress), 1.0, cut=False))]
    assert f"seed 1: and {result.failed - 2} more" in shown
    (tmp_path / "full").touch()
    with pytest.raises(MachineError, match="full"):
        simulate_seed(Job(asked=asked, seed=1, keep=str(tmp_path / "full")), lambda _: None)


def test_audio_that_was_not_played_does_not_count() -> None:
    """Planted: a sandbox that forgets its sessions. They end at their first loss."""
    asked = Asked(hours=0.02, sessions=1, length=60.0, faults=["reset @ 5s"], defects=["forget"],
                  shrink=False)  # fmt: skip
    result = simulate_seed(Job(asked=asked, seed=1), lambda _: None)
    assert result.failed == result.sessions > 2
    assert 0 < result.audio < result.virtual


def test_a_session_without_an_answer_is_no_pass() -> None:
    """Hundreds that passed do not make up for it."""
    asked = Asked(hours=1, sessions=1)
    seeds = {
        1: SeedResult(seed=1, complete=True, sessions=300, passed=300),
        2: SeedResult(seed=2, complete=True, sessions=300, passed=299, unknown=1),
    }
    progress = cast("Progress", SimpleNamespace(results=seeds, total=2))
    found = summed(asked, progress, 1.0, cut=False)
    assert (found.verdict, found.reasons) == (
        "unknown",
        ["1 of 600 sessions have no answer"],
    )


def test_what_an_injected_ack_fault_hides_is_no_fault_of_the_service() -> None:
    """Found by simulation: several faults tore one gap; a lost ack hid a repeat; late signs."""
    for seed, slot, number in ((1, 4, 1), (1, 1, 11)):
        terms = Terms(seed=seed, hours=1, chaos="cruel")
        spec = draw.session(terms, slot, number, 120.0)

        assert judged(simulate_session(spec)).reasons == []


# ------------------------------------------------------------------ as it is asked


def test_seeds_are_numbers_and_ranges() -> None:
    """In the order given, each once."""
    assert read_seeds("7") == [7]
    assert read_seeds("1..3,9,2") == [1, 2, 3, 9]


@pytest.mark.parametrize("text", ["", "a", "3..1", "1..", "-1", "1..9999999", "1,,2"])
def test_what_is_no_seed_is_refused(text: str) -> None:
    """With a line that says what is."""
    with pytest.raises(UsageError, match="seeds"):
        read_seeds(text)


@pytest.mark.parametrize("text", ["2", "a-1", "0-1", "1-0", "1-2-3"])
def test_what_is_no_session_is_refused(text: str) -> None:
    """Slots and numbers count from 1."""
    with pytest.raises(UsageError):
        place(text)


def test_there_are_no_more_workers_than_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of eight that may work, three do."""
    opened = []

    def open_worker(*given: Any) -> Any:
        opened.append(given)
        return workers.open_worker(*given)

    monkeypatch.setattr("replay.simulating.open_worker", open_worker)
    asked = Asked(hours=0.001, sessions=1, length=20.0)
    trio.run(simulate_seeds, asked, [1, 2, 3], 8, lambda *_: None)
    assert len(opened) == 3


def test_the_command_has_the_world_again() -> None:
    """Every option that is not as usual, and no more hours than it takes."""
    asked = Asked(hours=24, sessions=2, chaos="cruel", faults=["reset @ 3s"], chunk_ns=50_000_000)
    failure = Failure(
        slot=1,
        number=2,
        began=700.0,
        ended=1400.0,
        length=600.0,
        reasons=["A1"],
        findings=[],
        plan=[],
    )
    assert asked.again(7, failure) == (
        "replay simulate --seeds 7 --hours 0.56 --sessions 2 --chunk 50ms --chaos cruel "
        "--fault 'reset @ 3s'"
    )
    assert asked.command(7).startswith("replay simulate --seeds 7 --hours 24 ")


def test_a_failure_is_had_again_by_its_command(tmp_path: Path) -> None:
    """What is printed, put into a shell again, fails for the same reason; what was kept can be
    judged again as any run."""
    out = tmp_path / "out"
    code, text, _ = simulate(
        "--hours", "0.01", "--sessions", "1", "--session-length", "30s", "--seeds", "5",
        "--fault", "reset @ 5s", "--defect", "forget", "--out", str(out),
    )  # fmt: skip
    assert code == 1
    command = next(line for line in text.splitlines() if line.startswith("  replay simulate"))
    stored = load(out / "sessions" / "5-1-1")
    assert stored.timeline.all(j.FaultFired)

    code, again, _ = simulate(*shlex.split(command)[2:])
    assert code == 1
    assert "1 sessions failed" in again
    assert json.loads((out / "simulate.json").read_text())["verdict"] == "fail"


def test_a_world_that_passes_says_so_in_json(tmp_path: Path) -> None:
    """All on standard output is the document; the rest goes to standard error."""
    code, text, err = simulate(
        "--hours", "0.01", "--sessions", "2", "--session-length", "30s", "--seeds", "1..2",
        "--chaos", "mild", "--json",
    )  # fmt: skip
    found = json.loads(text)
    assert (code, found["verdict"], len(found["seeds"])) == (0, "pass", 2)
    assert all(len(each["digest"]) == 64 for each in found["seeds"])
    assert "seed 1: pass" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--hours", "0"), "--hours 0"),
        (("--chunk", "0s"), "a chunk holds no audio"),
        (("--chunk", "0.01ms"), "holds no sample"),
        (("--session-length", "1s"), "--session-length"),
        (("--fault", "restart(1s) @ 3s"), "restart needs a process"),
        (("--fault", "nonsense @ 3s"), "nonsense"),
        (("--seeds", "x"), "seeds 'x'"),
        (("--only", "x"), "is no session"),
        (("--defect", "x"), "there is no defect"),
        (("--processes", "x"), "write auto, or how many"),
        (("--processes", "0"), "write auto, or how many"),
        (("nowhere.flac",), "nowhere.flac"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], says: str) -> None:
    """One clear line, before anything is simulated."""
    done = subprocess.run(
        [sys.executable, "-m", "replay", "simulate", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_recording_is_played_over_and_over() -> None:
    """A source of ten seconds in sessions of thirty, with the words that lie beside it."""
    asked = Asked(hours=0.01, sessions=1, length=30.0, source="fixtures/demo.flac")
    result = simulate_seed(Job(asked=asked, seed=1), lambda _: None)
    assert (result.passed, result.failed) == (result.sessions, 0)


def test_ctrl_c_gives_what_there_is() -> None:
    """Interrupted in the middle: the seeds that are done are told, and it is not known."""
    process = subprocess.Popen(
        [sys.executable, "-m", "replay", "simulate", "--hours", "0.02", "--sessions", "1",
         "--session-length", "20s", "--seeds", "1..1000", "--chaos", "mild", "--processes", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("seed "):
            break
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "interrupted with" in out
