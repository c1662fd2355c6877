"""`replay capacity` as people use it: real processes, sockets and files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from unhurried import REPLAY, bear_all

from replay.audio import AudioFormat, wav_header
from replay.cli import root
from replay.crowd.ramp import load

#: Any machine answers in time for this one.
EASY = ("--slo", "ack.p50 < 20s")
#: Three sessions at a time, and one more gets 429.
THREE = (*EASY, "--sandbox-option=--concurrency=3", "--start", "2", "--hold", "300ms")


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here too, where the records are judged again."""
    bear_all(monkeypatch)


def capacity(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*REPLAY, "capacity", *arguments], capture_output=True, text=True, timeout=110, cwd=cwd
    )


def test_a_target_that_refuses_more_is_found(tmp_path: Path) -> None:
    """It lets in three, and holds them; each step is told, and all of it is in the directory."""
    fmt = AudioFormat()
    audio = os.urandom(fmt.bytes_in(1.0))
    (tmp_path / "call.wav").write_bytes(wav_header(fmt, len(audio)) + audio)
    done = capacity("call.wav", *THREE, "--processes", "2", "--out", "found", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert "target: sandbox (--recognizer silent --concurrency=3)" in lines
    assert "source: call.wav, chunks of 100 ms" in lines
    assert "verdict: pass" in lines
    assert "answer: the target holds 3 sessions; it refuses more" in lines
    steps = [line.split()[:3] for line in lines if " sessions  " in line]
    assert steps == [
        [n, "sessions", state]
        for n, state in (("2", "held"), ("4", "refused"), ("3", "held"), ("3", "held"))
    ]
    found = load(tmp_path / "found")
    assert (found.sessions, found.limit, found.above) == (3, "refused", 4)
    assert "429" in found.reasons[0]
    assert {each.figures["ack"].n for each in found.steps if each.state == "held"} == {6, 9}
    assert (tmp_path / "found" / "workers.log").read_text() == ""
    again = CliRunner().invoke(root, ["report", str(tmp_path / "found")])
    assert again.stdout.splitlines() == [line for line in lines if line != "found/"]
    again = CliRunner().invoke(root, ["report", str(tmp_path / "found"), "--json"])
    assert again.stdout == (tmp_path / "found" / "capacity.json").read_text()
    other = CliRunner().invoke(root, ["report", str(tmp_path / "found"), "--html", "x.html"])
    assert str(other.exception) == "--html is not of a search for a capacity: --json is"


def test_fewer_than_were_asked_for_is_a_failure(tmp_path: Path) -> None:
    """Exit code 1; with --json the result alone is on standard output."""
    done = capacity(*THREE, "--at-least", "5", "--json", "--out", "found", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert (found["verdict"], found["sessions"], found["limit"]) == ("fail", 3, "refused")
    assert found == json.loads((tmp_path / "found" / "capacity.json").read_text())
    assert "answer: the target holds 3 sessions; it refuses more" in done.stderr


def test_ctrl_c_tells_what_is_known(tmp_path: Path) -> None:
    """So far, with nothing left running: of two sessions it is known that they are held."""
    begun = subprocess.Popen(
        [*REPLAY, "capacity", *EASY, "--start", "2", "--hold", "300ms", "--out", "found"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert begun.stdout is not None
    while "2 sessions  held" not in begun.stdout.readline():
        pass
    started = psutil.Process(begun.pid).children(recursive=True)
    begun.send_signal(signal.SIGINT)
    out, error = begun.communicate(timeout=60)
    assert begun.returncode == 3, error
    assert error == ""
    assert "verdict: unknown" in out
    assert "the search was not finished" in out
    _, alive = psutil.wait_procs(started, timeout=20)
    assert alive == []
    found = load(tmp_path / "found")
    assert found.interrupted
    assert (found.sessions or 0) >= 2


def test_a_target_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """And no directory is left of a search that never began."""
    done = capacity(*EASY, "--target", "http://127.0.0.1:9", "--out", "found", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "replay: cannot connect to 127.0.0.1: connection refused\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--slo", "wer < 5%"), "no step measures wer"),
        (("--slo", "ack.p99 < +5ms"), "changes are told of pairs"),
        ((*EASY, "--at-least", "5", "--most", "4"), "--at-least is more than --most"),
        ((*EASY, "--step", "0%"), "write how finely"),
        ((*EASY, "--chunk", "0s"), "a chunk holds no audio"),
        ((*EASY, "--chunk", "0.01ms"), "holds no sample"),
        ((*EASY, "--step", "2.5"), "write how finely"),
        ((*EASY, "--processes", "none"), "write auto, or how many"),
        ((*EASY, "--target", "gladia"), "needs an API key"),
        ((*EASY, "--recognizer", "silent", "--target", "http://127.0.0.1:9"), "for the sandbox"),
        ((*EASY, "--sample-rate", "9"), "sample rate 9"),
        ((*EASY, "no-such.wav"), "no-such.wav"),
        ((), "Missing option '--slo'"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(
    arguments: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is started, with exit code 2."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLADIA_API_KEY", raising=False)
    done = CliRunner().invoke(root, ["capacity", *arguments])
    told = done.output + str(done.exception)
    assert words in told
    assert getattr(done.exception, "exit_code", done.exit_code) == 2
