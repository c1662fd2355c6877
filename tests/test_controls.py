"""`replay run --control`: what was understood, held against undisturbed runs of the same source."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from recordings import FIXTURES
from unhurried import bear_all

from replay import journal as j
from replay.cli import root
from replay.controls import control_of
from replay.errors import UsageError
from replay.run import RunOptions
from replay.rundir import load

SPEECH = FIXTURES / "good-morning.wav"
SCRIPT = FIXTURES / "good-morning.words.json"
FAULT = ("--fault", "reset @ audio 2s")


def play(out: Path, script: Path, *arguments: object) -> Result:
    """Three utterances of the recording, faster than they were spoken, by a client and into a
    sandbox that are the real ones."""
    words = (
        *("run", SPEECH, "--duration", "4600ms", "--speed", "8", "--script", script),
        *("--out", out, "--json", *arguments),
    )
    return CliRunner().invoke(root, [str(each) for each in words])


def judged(done: Result) -> tuple[str, list[tuple[str, str]]]:
    """How T1 came out, and its findings."""
    summary = json.loads(done.stdout)
    found = [(f["severity"], f["detail"]) for f in summary["findings"] if f["invariant"] == "T1"]
    return summary["invariants"]["T1"], found


def heard_otherwise(path: Path, **instead: str) -> Path:
    """The script with some words said otherwise, or not at all."""
    script: dict[str, Any] = json.loads(SCRIPT.read_bytes())
    words = [{**w, "word": instead.get(w["word"].strip(",."), w["word"])} for w in script["words"]]
    path.write_text(json.dumps({"words": [w for w in words if w["word"]]}))
    return path


@pytest.fixture(scope="module", autouse=True)
def unhurried() -> Iterator[None]:
    """How late a busy machine makes these runs is not what they are about."""
    with pytest.MonkeyPatch.context() as patch:
        bear_all(patch)
        yield


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("controls")


@pytest.fixture(scope="module")
def first(base: Path) -> Result:
    """A run under a fault, with two controls of its own played before it."""
    return play(base / "run", SCRIPT, *FAULT, "--control", "2")


@pytest.fixture
def stored(base: Path, first: Result) -> tuple[str, ...]:
    """Those two controls, as options of another run."""
    assert first.exit_code == 0, first.output
    paths = [base / f"run-control-{number}" for number in (1, 2)]
    return tuple(word for path in paths for word in ("--control", str(path)))


def test_controls_are_played_first(base: Path, first: Result) -> None:
    """As many as were asked for, undisturbed, each with a directory beside the run's; the run under
    its fault has their finals in its journal, and T1 is judged by them."""
    assert first.exit_code == 0, first.output
    assert judged(first) == ("pass", [])
    assert sorted(path.name for path in base.iterdir()) == ["run", "run-control-1", "run-control-2"]
    assert [fault.fault for fault in load(base / "run").timeline.all(j.FaultFired)] == ["reset"]
    held = load(base / "run").timeline.all(j.Control)
    assert [each.name for each in held] == ["run-control-1", "run-control-2"]
    for each in held:
        calm = load(base / each.name).timeline
        assert calm.all(j.FaultFired) == []
        assert calm.all(j.Control) == []
        assert [final.text for final in each.finals][:2] == ["Good morning,", "everybody."]


def test_a_final_that_the_controls_have_is_missed(tmp_path: Path, stored: tuple[str, ...]) -> None:
    """A sentence that this run never heard, beyond what the controls differ in: exit 1."""
    script = heard_otherwise(tmp_path / "words.json", everybody="")
    done = play(tmp_path / "run", script, *FAULT, *stored)
    assert done.exit_code == 1, done.output
    state, ((severity, said),) = judged(done)
    assert (state, severity) == ("fail", "error")
    assert said.startswith("final that the control runs have was lost: ")
    assert "everybody." in said


def test_a_final_that_reads_otherwise(tmp_path: Path, stored: tuple[str, ...]) -> None:
    """One control leaves open how much may differ, two that agree make it a warning, and one that
    reads so itself excuses it."""
    script = heard_otherwise(tmp_path / "words.json", morning="evening,")
    open_ = play(tmp_path / "a", script, *stored[:2])
    assert judged(open_) == ("unknown", [])
    assert open_.exit_code == 3, open_.output
    odd = play(tmp_path / "b", script, *stored)
    assert odd.exit_code == 0, odd.output
    ((severity, said),) = judged(odd)[1]
    assert (severity, said.partition(":")[0]) == (
        "warning",
        "1 finals read otherwise than in the control runs",
    )
    excused = play(tmp_path / "c", script, *FAULT, *stored[:2], "--control", tmp_path / "a")
    assert (judged(excused), excused.exit_code) == (("pass", []), 0)


def test_what_is_no_control_is_refused(base: Path, tmp_path: Path, first: Result) -> None:
    """A run that was disturbed is no control, nor is a directory without a run, nor too many; they
    are refused before anything is played."""
    assert first.exit_code == 0, first.output
    for control, said in (
        (base / "run", "no control run: faults were injected into it"),
        (tmp_path / "nowhere", "nowhere"),
        (101, "ask for 1 to 100"),
    ):
        refused = play(tmp_path / "out", SCRIPT, "--control", control)
        assert isinstance(refused.exception, UsageError)
        assert said in str(refused.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def cut_short(tmp_path: Path, base: Path, first: Result) -> Path:
    """A control that somebody interrupted; its session came to a proper end all the same."""
    assert first.exit_code == 0, first.output
    path = tmp_path / "cut"
    path.mkdir()
    lines = (base / "run-control-1" / "journal.jsonl").read_bytes().splitlines(keepends=True)
    lines.insert(-1, b'{"kind":"interrupted","how":"graceful","t":4096244529}\n')
    (path / "journal.jsonl").write_bytes(b"".join(lines))
    return path


def test_an_interrupted_run_is_no_control(cut_short: Path) -> None:
    """Half of what was said would make the other half new: it is refused."""
    with pytest.raises(UsageError, match="it was interrupted"):
        control_of(cut_short)


def test_an_interrupted_control_ends_all(
    cut_short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in a control: neither the next control nor the run itself nor another source is
    played, and the exit code is 3."""
    played = []

    async def run(options: RunOptions, _view: object) -> Path:
        played.append(options)
        return cut_short

    monkeypatch.setattr("replay.controls.run", run)
    monkeypatch.setattr("replay.cli.playing.run", run)
    words = ["run", str(SPEECH), str(SPEECH), "--control", "2", "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(root, words)
    assert len(played) == 1
    assert "interrupted in control 1 of 2" in done.output
    assert done.exit_code == 3


def test_nobody_reads(base: Path, first: Result) -> None:
    """A reader that goes (`| head -1`) does not turn a run that passed into one that failed."""
    assert first.exit_code == 0, first.output
    for verb in ("report", "verify"):
        reading, writing = os.pipe()
        os.close(reading)
        words = [sys.executable, "-m", "replay", verb, str(base / "run")]
        try:
            done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, check=False)
        finally:
            os.close(writing)
        assert (done.returncode, done.stderr) == (2, b"")
