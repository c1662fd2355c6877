"""Sessions of a soak under judgement: what is kept of them, and those that an earlier run left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from played_soaks import session
from test_soak_parts import OPTIONS, begin

from replay import journal as j
from replay import rundir
from replay.audio import wav_header
from replay.endurance.outcome import Outcome, Place
from replay.endurance.resources import Sample
from replay.errors import MachineError
from replay.faults import parse_plan
from replay.sandbox.defects import planted
from replay.sandbox.recognizers.scripted import Script, ScriptWord
from replay.sandbox.settings import Settings
from replay.simulation import Simulation, simulate
from replay.simulation.spec import Simulated
from replay.soak import docket as dockets
from replay.soak import soak as soaks
from replay.soak.assess import unplayed
from replay.soak.crew import Crew, Finished
from replay.soak.docket import Docket
from replay.soak.judging import dispose, judge
from replay.soak.soak import SAMPLE_SECONDS, Soak
from replay.soak.store import OUTCOMES, SAMPLES, Keep, Store
from replay.soak.worker import Shift
from replay.transport.http import HttpService

JOURNALS = Path(__file__).parent.parent / "fixtures" / "journals"


class Onlooker:
    """Follows a soak; has seen enough with the first session that failed."""

    def metrics(self) -> str:
        return ""

    def refresh(self, soak: Soak) -> None: ...

    def told(self, outcome: Outcome) -> None: ...

    def died(self, death: object) -> None: ...

    def gone(self, who: str, at: float) -> None: ...

    def enough(self, soak: Soak, outcome: Outcome | None) -> str:
        return "it failed" if outcome is not None and outcome.verdict == "fail" else ""


@pytest.fixture(scope="module")
def done() -> Simulated:
    """A session of ten seconds."""
    return play()


def play(*defects: str) -> Simulated:
    words = [ScriptWord(f"word{at}", at * 0.4, at * 0.4 + 0.3) for at in range(22)]
    settings = Settings(defects=tuple(planted(each) for each in defects))
    plan = parse_plan(["reset @ 5s"])
    return simulate(Simulation(seconds=10.0, plan=plan, script=Script(words), settings=settings))


@pytest.fixture(scope="module")
def lossy() -> Simulated:
    """One of which the service loses what it had acknowledged."""
    return play("lose")


def put_down(done: Simulated, path: Path, *without: type[j.Entry]) -> None:
    """As a worker leaves it."""
    path.mkdir(parents=True)
    entries = [each for each in done.entries if not isinstance(each, without)]
    (path / rundir.JOURNAL).write_bytes(j.encode_all(entries))
    assert done.recorded is not None
    for name, audio in ((rundir.SENT, done.sent), (rundir.RECORDED, done.recorded)):
        (path / name).write_bytes(wav_header(Simulation().format, len(audio)) + audio)


@pytest.mark.parametrize(
    ("keep", "failing", "left"),
    [
        ("all", 0, {"journal.jsonl", "summary.json"}),
        ("failing", 0, {"journal.jsonl", "summary.json"}),
        ("failing", 50, {"summary.json"}),
        ("summary", 0, {"summary.json"}),
    ],
)
def test_what_stays_of_a_session_that_failed(
    tmp_path: Path, keep: Keep, failing: int, left: set[str]
) -> None:
    """As it was asked for; a soak of which everything fails does not fill the disk."""
    path = tmp_path / "sessions" / "0000-0001"
    path.mkdir(parents=True)
    (path / "journal.jsonl").write_bytes((JOURNALS / "outage.jsonl").read_bytes())
    place = Place(slot=0, number=1, path="sessions/0000-0001")
    found = judge(tmp_path, place, 10.0, "the target was gone")
    dispose(tmp_path, found, keep, failing)
    assert found.verdict == "fail"
    assert found.reasons[0] == "the target was gone"
    assert {each.name for each in path.iterdir()} == left
    assert found.place.repeat.startswith("replay run ")


def test_what_stays_of_a_session_that_passed(tmp_path: Path) -> None:
    """Nothing, unless all is to be kept: its outcome has what is needed."""
    path = tmp_path / "sessions" / "0000-0001"
    path.mkdir(parents=True)
    (path / "journal.jsonl").write_bytes((JOURNALS / "plain.jsonl").read_bytes())
    place = Place(slot=0, number=1, path="sessions/0000-0001")
    found = judge(tmp_path, place, 10.0, "")
    assert found.verdict != "fail"
    assert path.exists()
    dispose(tmp_path, found, "failing", 0)
    assert not path.exists()


def test_a_session_of_which_nothing_was_written(tmp_path: Path) -> None:
    """Its worker was killed too early: nobody knows, which is no pass."""
    path = tmp_path / "sessions" / "0000-0001"
    path.mkdir(parents=True)
    (path / "journal.jsonl").touch()
    place = Place(slot=0, number=1, path="sessions/0000-0001", cut=True)
    found = judge(tmp_path, place, 3.0, "its worker was killed")
    assert (found.verdict, found.reasons) == ("unknown", ["its worker was killed"])


def test_a_common_cut_gives_its_name_to_the_losses_it_brought(tmp_path: Path) -> None:
    """It is in each session's own journal as a fault."""
    path = tmp_path / "s"
    path.mkdir()
    entries: list[j.AnyEntry] = []
    for line in (JOURNALS / "outage.jsonl").read_bytes().splitlines(keepends=True):
        (entry,) = j.decode_lines([line])
        if isinstance(entry, j.Lost):
            entries.append(j.FaultFired(t=entry.t, rule=0, text="restart(2s)", fault="restart"))
        if not isinstance(entry, j.FaultPlanned | j.FaultFired):
            entries.append(entry)
    (path / "journal.jsonl").write_bytes(j.encode_all(entries))
    place = Place(slot=0, number=1, path="s", began=100.0)
    found = judge(tmp_path, place, 110.0, "")
    assert [each.kind for each in found.outages] == ["restart"] * len(found.outages) != []


def test_one_that_had_ended_is_not_cut_off(done: Simulated, tmp_path: Path) -> None:
    """It only waited to be judged when its worker died: nothing is forgiven, and it can pass."""
    put_down(done, tmp_path / "sessions" / "0000-0001")
    place = Place(slot=0, number=1, path="sessions/0000-0001", cut=True)
    found = judge(tmp_path, place, 10.0, "its worker was killed by SIGKILL")
    assert (found.verdict, found.place.cut) == ("pass", False)
    put_down(play("forget"), tmp_path / "sessions" / "0000-0002")
    place = Place(slot=0, number=2, path="sessions/0000-0002", cut=True)
    found = judge(tmp_path, place, 10.0, "its worker was killed by SIGKILL")
    assert (found.verdict, found.place.cut) == ("fail", False)


@pytest.mark.parametrize("missing", [j.Closed, j.Ended, j.Recorded])
def test_one_that_had_not_ended_is_cut_off(
    done: Simulated, tmp_path: Path, missing: type[j.Entry]
) -> None:
    """However far it had come."""
    put_down(done, tmp_path / "sessions" / "0000-0001", missing)
    place = Place(slot=0, number=1, path="sessions/0000-0001", cut=True)
    found = judge(tmp_path, place, 10.0, "its worker was killed by SIGKILL")
    assert (found.verdict, found.place.cut) == ("unknown", True)


async def test_nothing_is_thrown_away_before_its_outcome_is_put_down(
    done: Simulated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash in between would lose the session for good."""
    store = begin(tmp_path / "soak")
    put_down(done, store.path / "sessions" / "0000-0001")

    def crash(*_: object) -> None:
        raise MachineError("power cut")

    monkeypatch.setattr(dockets, "dispose", crash)
    place = Place(slot=0, number=1, path="sessions/0000-0001")
    with pytest.raises(MachineError):
        await Docket(store).judge(Finished(place, 10.0, ""))
    assert [each.place.path for each in store.read(OUTCOMES, Outcome)] == ["sessions/0000-0001"]


@pytest.mark.parametrize("fails", [True, False])
async def test_what_an_earlier_run_has_left_is_judged_first(
    fails: bool, done: Simulated, lossy: Simulated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts from the beginning; and where it is enough, nothing is begun any more."""
    store = begin(tmp_path / "soak")
    store.add(OUTCOMES, session(1, reconnects=3, faults={"reset": 3}))
    put_down(lossy if fails else done, store.path / "sessions" / "0000-0002")
    seen: list[tuple[int, Counter[str]]] = []

    def open_target(*_: object) -> Any:
        seen.append((soak.reconnects, soak.faults))
        raise MachineError("no target here")

    monkeypatch.setattr(soaks, "open_owned_target", open_target)
    soak = Soak(store, OPTIONS, [], Onlooker())
    if fails:
        await soak.run()
        assert (soak.why, seen) == ("it failed", [])
        return
    with pytest.raises(MachineError, match="no target here"):
        await soak.run()
    assert seen == [(soak.docket.tally.reconnects, soak.docket.tally.faults)] != []
    assert soak.docket.judged == 2


async def test_a_watched_process_begins_anew_with_each_run(
    tmp_path: Path, autojump_clock: object
) -> None:
    """Its reconnections are counted from nothing again: no slope is taken across."""
    store = begin(tmp_path / "soak")
    who = f"pid {os.getpid()}"
    store.add(SAMPLES, Sample(t=1, who=who, pid=os.getpid(), rss=1, fds=1, threads=1))
    soak = Soak(store, OPTIONS, [os.getpid()], Onlooker())
    crew = cast("Crew", SimpleNamespace(hands=[], reconnects=7))
    with trio.move_on_after(1.5 * SAMPLE_SECONDS):
        await soak._sample(crew, cast("HttpService", None))
    found = [each for each in store.read(SAMPLES, Sample) if each.who == who]
    assert [(each.generation, each.reconnects) for each in found] == [(0, 0), (1, 7)]


async def test_a_watched_process_that_ends_is_told(tmp_path: Path, autojump_clock: object) -> None:
    """Once, and it leaves open what it would have taken; its last figures are no news any more."""
    store = begin(tmp_path / "soak")
    gone: list[str] = []

    class Listening(Onlooker):
        def gone(self, who: str, at: float) -> None:
            gone.append(who)

    other = await trio.lowlevel.open_process(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
    )
    who = f"pid {other.pid}"
    soak = Soak(store, OPTIONS, [other.pid], Listening())
    crew = cast("Crew", SimpleNamespace(hands=[], reconnects=0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(soak._sample, crew, cast("HttpService", None))
        await trio.sleep(1.5 * SAMPLE_SECONDS)
        assert who in soak.processes.latest
        other.kill()
        await other.wait()
        await trio.sleep(2 * SAMPLE_SECONDS)
        nursery.cancel_scope.cancel()
    assert gone == [who]
    assert who not in soak.processes.latest
    store.checkpoint(store.asked.rota.seconds)
    (reason,) = unplayed(Store.open(store.path))
    assert reason.startswith(f"{who} was gone after ")


def test_a_directory_that_nobody_told_of_is_left_alone(tmp_path: Path) -> None:
    """Its worker died between making it and saying so; the next attempt has a place of its own."""
    (tmp_path / "sessions" / "0003-0002.2").mkdir(parents=True)
    start = SimpleNamespace(tries={"0003-0002": 1})
    worker = cast("Shift", SimpleNamespace(_start=start, _directory=tmp_path))
    assert Shift._make_room(worker, "0003-0002") == (3, Path("sessions/0003-0002.3"))
    assert Shift._make_room(worker, "0003-0002") == (4, Path("sessions/0003-0002.4"))
