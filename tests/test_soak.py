"""`replay soak` and `replay merge` as people use them: real processes, sockets and files."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from click.testing import CliRunner, Result

from replay.cli import root

REPLAY = [sys.executable, "-m", "replay"]
#: Sessions of a few seconds that are cut off now and then.
QUICK = (
    *("soak", "counter", "--sessions", "4", "--session-length", "4s", "--processes", "2"),
    *("--fault", "reset @ poisson 20/min", "--ramp", "1s"),
)


def ask(*arguments: object) -> Result:
    return CliRunner().invoke(root, [str(each) for each in arguments])


@contextmanager
def going(*arguments: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """A soak under way, which is gone afterwards, whatever happened."""
    process = subprocess.Popen(
        [*REPLAY, *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def events(path: Path) -> list[dict[str, Any]]:
    try:
        lines = (path / "events.jsonl").read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def logged(path: Path, event: str) -> list[dict[str, Any]]:
    """All events of a kind."""
    return [each for each in events(path) if each["event"] == event]


def wait_for(path: Path, event: str, count: int = 1) -> list[dict[str, Any]]:
    """Until so many events of a kind have been logged; those."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = logged(path, event)
        if len(found) >= count:
            return found
        time.sleep(0.05)
    raise AssertionError(f"no {event} in {events(path)}")


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def summary(path: Path) -> dict[str, Any]:
    return dict(json.loads((path / "summary.json").read_text()))


def test_a_soak_from_beginning_to_end(tmp_path: Path) -> None:
    """Sessions follow each other, are cut off, lose nothing and are judged; what is left is small,
    and every report is there. A worker that is killed is told, and makes it fail."""
    out = tmp_path / "soak"
    more = ("--for", "9s", "--metrics", "0", "--assert", "lost_bytes == 0", "--json")
    with going(*QUICK, *more, "--out", "soak", cwd=tmp_path) as process:
        wait_for(out, "begun", 4)
        workers = [p for p in family(process) if "replay.soak.worker" in p.cmdline()]
        assert len(workers) == 2
        workers[0].kill()
        wait_for(out, "died")
        ports = [c.laddr.port for c in psutil.Process(process.pid).net_connections("tcp")
                 if c.status == psutil.CONN_LISTEN]  # fmt: skip
        texts = [httpx.get(f"http://127.0.0.1:{port}/metrics").text for port in ports]
        assert any("replay_soak_elapsed_seconds" in text for text in texts)
        stdout, stderr = process.communicate(timeout=90)
    assert process.returncode == 1, stderr
    found = json.loads(stdout)
    assert found == summary(out)
    assert found["verdict"] == "fail"
    (reason,) = found["reasons"]
    assert re.fullmatch(r"worker [12] died after \d+ s: killed by SIGKILL", reason)
    assert found["sessions"]["failed"] == 0
    assert found["sessions"]["cut"] == 2
    assert found["sessions"]["finished"] >= 2
    assert found["reconnects"] > 0
    assert found["audio"]["lost_bytes"] == 0
    assert [check["state"] for check in found["checks"]] == ["pass"]
    assert "event=death" in stderr
    kept = {each.name for each in out.iterdir()}
    assert kept >= {"report.html", "report.md", "junit.xml", "metrics.txt", "soak.json"}
    assert list((out / "sessions").iterdir()) == []


def test_a_soak_that_is_killed_goes_on(tmp_path: Path) -> None:
    """By SIGKILL in the middle: nobody is left behind, what had ended stays counted, what was cut
    off is judged as such and played again. By Ctrl-C: the sessions end, and the rest is told."""
    out = tmp_path / "soak"
    # Long enough for their time not to be over before a slow machine has everything going again.
    longer = ("--for", "60s", "--session-length", "15s")
    with going(*QUICK, *longer, "--out", "soak", cwd=tmp_path) as process:
        wait_for(out, "judged")
        children = family(process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        psutil.wait_procs(children, timeout=30)
        assert not any(child.is_running() for child in children)
    begun = len(logged(out, "begun"))
    with going("soak", "--resume", "soak", cwd=tmp_path) as process:
        wait_for(out, "started", 2)
        wait_for(out, "begun", begun + 3)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=90)
    assert process.returncode == 3, stderr
    assert "ending=interrupted" in stdout
    assert "left: replay soak --resume" in stdout
    middle = summary(out)
    assert re.fullmatch(r"stopped after [\d.]+m?s of 1m", middle["reasons"][0])
    assert middle["sessions"]["cut"] >= 3
    last = subprocess.run(
        [*REPLAY, "soak", "--resume", "soak"], cwd=tmp_path, capture_output=True, text=True
    )
    assert last.returncode in (0, 3), last.stdout + last.stderr
    found = summary(out)
    assert (found["elapsed"], found["asked"]) == (60.0, 60.0)
    assert found["sessions"]["finished"] > middle["sessions"]["finished"]
    assert found["sessions"]["failed"] == 0
    assert found["sessions"]["again"] > 0
    assert found["audio"]["lost_bytes"] == 0
    again = ask("report", out, "--json")
    assert {**json.loads(again.stdout), "verdict": ""} == {**found, "verdict": ""}
    whole = ask("merge", out, "--out", tmp_path / "whole", "--json")
    assert json.loads(whole.stdout)["sessions"] == found["sessions"]


def test_one_that_is_ended_while_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has been played, and nothing is left of the sandbox; it can go on."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    with going(*QUICK, "--for", "60s", "--out", "soak", cwd=tmp_path) as process:
        wait_for(tmp_path / "soak", "started")
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=90)
    assert process.returncode == 3, stderr
    assert "left: replay soak --resume" in stdout
    assert logged(tmp_path / "soak", "begun") == []
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_target_that_is_not_there(tmp_path: Path) -> None:
    """Sessions that cannot be opened fail, and with --abort-on-fail that is the end."""
    done = subprocess.run(
        [*REPLAY, *QUICK[:-4], "--target", "http://127.0.0.1:1", "--for", "1h", "--out", "soak",
         "--abort-on-fail"],
        cwd=tmp_path, capture_output=True, text=True, timeout=90,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "ending=" in done.stdout
    found = summary(tmp_path / "soak")
    assert found["sessions"]["failed"] >= 1
    assert found["elapsed"] < 60


def test_a_full_disk_ends_it_in_one_line(tmp_path: Path) -> None:
    """What was written stays."""
    out = tmp_path / "soak"
    with going(*QUICK, "--for", "60s", "--out", "soak", cwd=tmp_path) as process:
        wait_for(out, "judged")
        (out / "sessions").rename(out / "gone")
        stdout, stderr = process.communicate(timeout=90)
    assert process.returncode == 2, stdout
    assert stderr.startswith("replay: ")
    assert len(stderr.splitlines()) == 1, stderr
    assert len((out / "outcomes.jsonl").read_bytes().splitlines()) >= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no source: name recordings"),
        (("-",), "-: a soak plays recordings again and again: give files"),
        (("no.wav",), "no.wav"),
        (("counter", "--for", "1s"), "--for 1 s: a session needs 3 s at least"),
        (("counter", "--session-length", "4h"), "less than the service's 3h"),
        (("counter", "--ramp", "2h"), "--ramp 7200 s: is as long as all of it"),
        (("counter", "--profile", "ramp", "--ramp", "5s"), "no --ramp"),
        (("counter", "--shard", "3/2"), "write I/N"),
        (("counter", "--processes", "many"), "write auto, or how many"),
        (("counter", "--fault", "restart(1s) @ 5s then reset"), "nothing follows it"),
        (
            ("counter", "--target", "http://127.0.0.1:1", "--fault", "restart(1s) @ 5s"),
            "restart needs a sandbox of our own",
        ),
        (("counter", "--assert", "rss.slope < 1KiB"), "/reconnect"),
        (("counter", "--metrics", "nowhere"), "write HOST:PORT"),
        (("counter", "--watch-pid", "4194305"), "there is no such process"),
        (("counter", "--resume", "nothing"), "no sources"),
        (("--resume", "nothing", "--for", "2h"), "--resume goes on with what was begun: no --for"),
        (("--resume", "nothing", "--assert", "nonsense"), "no soak: it has no soak.json"),
        (("--resume", "nothing"), "no soak: it has no soak.json"),
        (("counter", "--chunk", "0s"), "a chunk holds no audio"),
        (("counter", "--chunk", "0.01ms"), "holds no sample"),
        (("counter", "--chunk", "11m"), "is longer than a session"),
        (
            ("counter", "--for", "24s", "--sessions", "4", "--profile", "spike"),
            "of 4 sessions at once 3 have less than 3 s to play; give a longer --for",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    """One line each, exit code 2, and nothing is left."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(root, ["soak", *arguments])
    said = result.output + str(result.exception or "")
    assert message in said
    assert getattr(result.exception, "exit_code", result.exit_code) == 2
    assert list(tmp_path.glob("runs/*")) == []


def test_metrics_are_served_where_there_is_room(tmp_path: Path) -> None:
    """Else it is said before anything has begun."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = ask("soak", "counter", "--metrics", port, "--out", tmp_path / "soak")
    assert "give --metrics another port" in str(result.exception)
    assert not (tmp_path / "soak").exists()


def test_a_soak_is_rendered_alone(tmp_path: Path) -> None:
    """And only in forms that it has."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "soak.json").write_text("{}")
    both = ask("report", tmp_path / "one", tmp_path / "two")
    assert "a soak is rendered alone" in str(both.exception)
    trace = ask("report", tmp_path / "one", "--trace", "-")
    assert "--trace is not of a soak" in str(trace.exception)
