"""`replay proxy` and `replay run --fault` as people use them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from recordings import FIXTURES
from unhurried import REPLAY

from replay import journal as j
from replay.rundir import load

SPEECH = FIXTURES / "good-morning.wav"
SCRIPT = ["--script", str(FIXTURES / "good-morning.words.json")]
KEY = "kept-to-itself-0123456789"
#: A client of somebody else: it knows nothing but the two variables.
CLIENT = f"""
import os, sys, wave, trio
from replay import open_service, open_session
async def main():
    url, key = os.environ["GLADIA_API_URL"], os.environ["GLADIA_API_KEY"]
    with wave.open({str(SPEECH)!r}) as recording:
        pcm = recording.readframes(48000)
    async with open_service(url, key) as service, open_session(service) as session:
        for at in range(0, len(pcm), 3200):
            await session.send(pcm[at:at + 3200])
            await trio.sleep(0.1)
        session.stop()
        async for _ in session:
            pass
    print("done with", key)
trio.run(main)
"""


def call(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("GLADIA")}
    return subprocess.run(
        [*REPLAY, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=90,
        env={**env, **environment},
    )


def test_somebody_elses_program_is_put_to_the_test(tmp_path: Path) -> None:
    """A command finds the injector, survives a reset and the death of its target, and the exit code
    says so; the journal holds the faults and the whole audio, and neither key nor token."""
    (tmp_path / "client.py").write_text(CLIENT)
    sessions = tmp_path / "sessions"
    done = call(
        *("proxy", *SCRIPT, "--journal", sessions),
        *("--fault", "reset @ audio 700ms", "--fault", "restart(500ms) @ audio 2s"),
        *("--", sys.executable, tmp_path / "client.py"),
        GLADIA_API_KEY=KEY,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"done with {KEY}\n"
    (directory,) = (each for each in sessions.iterdir() if each.is_dir())
    assert (sessions / "resources.jsonl").exists()
    assert call("verify", *sessions.iterdir()).returncode == 0
    run = load(directory)
    assert [fault.fault for fault in run.timeline.all(j.FaultFired)] == ["reset", "restart"]
    assert run.timeline.header.vantage == "proxy"
    assert run.recorded is not None
    assert len(run.timeline.all(j.Connected)) == 3
    assert json.loads((directory / "summary.json").read_bytes())["verdict"] == "pass"
    written = b"".join(path.read_bytes() for path in directory.iterdir())
    assert KEY.encode() not in written
    assert re.search(rb"token=[^*]", written) is None


def test_a_program_without_a_key_gets_one(tmp_path: Path) -> None:
    """Where no key is set the command finds `local`; a fault that never came leaves the verdict
    open."""
    (tmp_path / "client.py").write_text(CLIENT)
    done = call(
        *("proxy", *SCRIPT, "--journal", tmp_path / "sessions", "--fault", "reset @ final#400"),
        *("--", sys.executable, tmp_path / "client.py"),
    )
    assert done.stdout == "done with local\n"
    assert done.returncode == 3, done.stderr
    assert "reset @ final#400" in done.stderr


def test_a_program_that_does_nothing_proves_nothing(tmp_path: Path) -> None:
    """No session is no pass; a program that fails is a failure."""
    idle = call("proxy", *SCRIPT, "--journal", tmp_path / "a", "--", sys.executable, "-c", "")
    assert (idle.returncode, "no session" in idle.stderr) == (3, True)
    failed = call("proxy", *SCRIPT, "--journal", tmp_path / "b", "--", "false")
    assert (failed.returncode, "exited with 1" in failed.stderr) == (1, True)
    missing = call("proxy", *SCRIPT, "--journal", tmp_path / "c", "--", "no-such-program")
    assert missing.returncode == 2
    assert missing.stderr.splitlines()[-1].startswith("replay: cannot run no-such-program")


def test_sessions_are_whole_one_by_one(tmp_path: Path) -> None:
    """Without a command it goes on: the first session's directory has everything, and its verdict
    is shown, while the proxy runs and after another session; Ctrl-C does the same for the rest."""
    process = subprocess.Popen(
        [*REPLAY, "proxy", "--recognizer", "silent", "--journal", str(tmp_path / "sessions")],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        url = process.stderr.readline().split()[-1]
        for name in ("a", "b"):
            played = ("counter", "--duration", "500ms", "--speed", "5", "--out", tmp_path / name)
            done = call("run", *played, "--target", url)
            assert done.returncode == 0, done.stderr
        first, second = sorted((tmp_path / "sessions").iterdir())
        assert process.stderr.readline() == f"pass: {first}/\n"
        assert process.poll() is None
        files = {"journal.jsonl", "sent.wav", "recorded.wav", "summary.json"}
        assert {path.name for path in first.iterdir()} == files
        assert json.loads((first / "summary.json").read_bytes())["verdict"] == "pass"
        assert load(first).timeline.final(j.Closed) is not None
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr.read() == f"pass: {second}/\n"
        assert {path.name for path in second.iterdir()} == files
    finally:
        process.kill()
        process.communicate()


def test_signals_arm_and_heal(tmp_path: Path) -> None:
    """SIGUSR1 does the next fault by hand, SIGUSR2 ends it, SIGINT ends the injector."""
    process = subprocess.Popen(
        [
            *(*REPLAY, "proxy", "--recognizer", "silent", "--by-hand", "refuse(1m)"),
            *("--journal", str(tmp_path / "sessions")),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        url = process.stderr.readline().split()[-1]
        assert httpx.get(url + "/health").status_code == 200
        process.send_signal(signal.SIGUSR1)
        assert _until(lambda: not _answers(url))
        process.send_signal(signal.SIGUSR2)
        assert _until(lambda: _answers(url))
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 3
    finally:
        process.kill()
        process.communicate()


def _answers(url: str) -> bool:
    try:
        httpx.get(url + "/health")
    except httpx.ConnectError:
        return False
    return True


def _until(condition: object) -> bool:
    """Whether it comes to be within some seconds."""
    import time

    for _ in range(200):
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


def test_a_run_under_faults_says_what_fired(tmp_path: Path) -> None:
    """`replay run --fault` has its faults in its own journal and shows them as they come; the same
    places are hit again with `--faults-from`."""
    first = call(
        *("run", SPEECH, "--duration", "3s", *SCRIPT, "--out", tmp_path / "a"),
        # Both on the first connection: where frames end after a reconnection is up to the moment.
        *("--fault", "hold(up, 300ms) @ audio 500ms", "--fault", "reset @ audio 1s"),
    )
    assert "fault: reset" in first.stdout
    fired = load(tmp_path / "a").timeline.all(j.FaultFired)
    assert [fault.fault for fault in fired] == ["hold", "reset"]
    assert [fault.at["trigger"] for fault in fired] == [
        "conn#1 + byte 16000",
        "conn#1 + byte 32000",
    ]
    call(
        *("run", SPEECH, "--duration", "3s", *SCRIPT, "--out", tmp_path / "b"),
        *("--faults-from", tmp_path / "a"),
    )
    again = load(tmp_path / "b").timeline.all(j.FaultFired)
    assert [(fault.text, fault.at["trigger"]) for fault in again] == [
        (fault.text, fault.at["trigger"]) for fault in fired
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", SPEECH, "--fault", "rest @ 3s"], "unknown fault 'rest'"),
        (["run", SPEECH, "--faults", "/nowhere.yaml"], "plan file /nowhere.yaml"),
        (["proxy", "--listen", "here"], "write HOST:PORT"),
        (["proxy", "--target", "http://127.0.0.1:1", "--fault", "restart @ 1s"], "sandbox"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    tmp_path: Path, arguments: list[object], said: str
) -> None:
    """A fault that cannot be read or done is refused with its reason, and without a traceback."""
    where = "--out" if arguments[0] == "run" else "--journal"
    done = call(*arguments, where, tmp_path / "x")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
