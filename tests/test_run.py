"""`replay run` as a person uses it: real processes, real sockets, real files."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from replay.audio import AudioFormat, wav_header

REPLAY = [sys.executable, "-m", "replay"]
SECONDS = 4


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few seconds of noise that no byte of is like its neighbours."""
    fmt = AudioFormat()
    path = tmp_path_factory.mktemp("audio") / "noise.wav"
    data = os.urandom(fmt.bytes_in(SECONDS))
    path.write_bytes(wav_header(fmt, len(data)) + data)
    return path


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    """The URL of a sandbox that hears nothing, in a process of its own."""
    process = subprocess.Popen(
        [*REPLAY, "sandbox", "--port", "0", "--recognizer", "silent"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["url"]
    process.terminate()
    assert process.wait(10) == 0
    process.stdout.close()


def replay(
    *arguments: str | Path, cwd: Path, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run `replay` to its end."""
    return subprocess.run(
        [*REPLAY, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        env=environment(),
        **options,
    )


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("GLADIA_")}


def samples(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        return file.readframes(file.getnframes())


def test_a_run_leaves_a_directory_with_everything(
    sandbox: str, recording: Path, tmp_path: Path
) -> None:
    """What was sent, what was recorded, the journal and the summary; stdout has the JSON alone."""
    done = replay("run", recording, "--target", sandbox, "--speed", "4", "--json", cwd=tmp_path)
    summary = json.loads(done.stdout)
    (run,) = (tmp_path / "runs").iterdir()
    assert sorted(p.name for p in run.iterdir()) == [
        "journal.jsonl",
        "recorded.wav",
        "sent.wav",
        "summary.json",
    ]
    assert samples(run / "sent.wav") == samples(run / "recorded.wav") == samples(recording)
    assert json.loads((run / "summary.json").read_text()) == summary
    assert summary["audio"]["lost_bytes"] == summary["audio"]["repeated_bytes"] == 0
    assert summary["session"]["outcome"] == "complete"
    assert "Traceback" not in done.stderr


def test_the_report_can_be_made_again(sandbox: str, recording: Path, tmp_path: Path) -> None:
    """`replay report` says of a stored run what the run itself said."""
    out = tmp_path / "run"
    first = replay(
        "run",
        recording,
        "--target",
        sandbox,
        "--speed",
        "max",
        "--out",
        out,
        "--json",
        cwd=tmp_path,
    )
    again = replay("report", out, "--json", cwd=tmp_path)
    assert json.loads(again.stdout) == json.loads(first.stdout)


def test_standard_input_and_several_formats_of_the_session(
    sandbox: str, recording: Path, tmp_path: Path
) -> None:
    """`-` is a source, and what arrives has the form that was asked for."""
    out = tmp_path / "run"
    with recording.open("rb") as stdin:
        done = replay(
            *("run", "-", "--target", sandbox, "--speed", "max", "--out", out, "--json"),
            *("--sample-rate", "8000", "--encoding", "wav/ulaw", "--frames", "json"),
            cwd=tmp_path,
            stdin=stdin,
        )
    summary = json.loads(done.stdout)
    assert summary["audio"]["recorded_bytes"] == 8000 * SECONDS
    assert summary["audio"]["lost_bytes"] == 0


def test_ctrl_c_ends_the_session_and_still_reports(recording: Path, tmp_path: Path) -> None:
    """One Ctrl-C stops the audio, waits for the session's end and sums up what was played. As in
    a terminal, the whole process group hears it."""
    process = start("run", recording, "--loop", "forever", "--recognizer", "silent", cwd=tmp_path)
    wait_for_journal(tmp_path, '"kind":"ack"')
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    summary = the_summary(tmp_path)
    assert process.returncode == 3
    assert summary["session"]["outcome"] == "complete"
    assert summary["audio"]["lost_bytes"] == 0
    assert "Traceback" not in output


def test_a_second_ctrl_c_ends_at_once(recording: Path, tmp_path: Path) -> None:
    """Two of them do not wait for a service that does not answer, and leave no process behind."""
    process = start("run", recording, "--loop", "forever", "--recognizer", "silent", cwd=tmp_path)
    wait_for_journal(tmp_path, '"kind":"ack"')
    (child,) = psutil.Process(process.pid).children()
    child.suspend()  # now the end cannot come
    process.send_signal(signal.SIGINT)
    wait_for_journal(tmp_path, '"kind":"interrupted"')
    process.send_signal(signal.SIGINT)
    wait_for_journal(tmp_path, '"immediate"')
    child.resume()
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 3
    assert the_summary(tmp_path)["verdict"] == "unknown"
    assert "Traceback" not in output
    assert not child.is_running()


def test_a_target_that_dies_fails_the_run_and_keeps_what_it_has(
    recording: Path, tmp_path: Path
) -> None:
    """The sandbox is killed half way: the run gives up in time, says so, and exits with 1."""
    process = start(
        *("run", recording, "--loop", "forever", "--recognizer", "silent"),
        *("--give-up-after", "1s"),
        cwd=tmp_path,
    )
    wait_for_journal(tmp_path, '"kind":"ack"')
    (child,) = psutil.Process(process.pid).children()
    child.kill()
    output, _ = process.communicate(timeout=40)
    assert process.returncode == 1
    assert the_summary(tmp_path)["session"]["outcome"] == "gave_up"
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "nothing.wav"], "nothing.wav"),
        (["run", "text.wav"], "text.wav"),
        (["run", "empty.wav"], "empty.wav"),
        (["run", "."], "directory"),
        (["run", "good.wav", "--language", "en-US"], "en-US"),
        (["run", "good.wav", "--endpointing", "99s"], "endpointing"),
        (["run", "good.wav", "--sample-rate", "12345"], "48000"),
        (["run", "good.wav", "--chunk", "soon"], "300ms"),
        (["run", "good.wav", "--speed", "-1"], "max"),
        (["run", "good.wav", "--target", "nowhere"], "sandbox, gladia"),
        (["run", "good.wav", "--target", "gladia"], "GLADIA_API_KEY"),
        (["run", "good.wav", "--target", "http://127.0.0.1:9"], "127.0.0.1"),
        (["run", "good.wav", "--config", "config.json"], "endpoint"),
        (["run", "good.wav", "--config", "text.wav"], ".yaml"),
        (["run", "good.wav", "--start", "1h"], "start"),
        (["run", "good.wav", "--recognizer", "silent", "--target", "http://a.b"], "sandbox"),
        (["run", "good.wav", "--reference", "nothing.txt"], "nothing.txt"),
        (["run", "good.wav", "--session", "text.wav"], "replay init"),
        (["run", "rtsp://127.0.0.1:9/x", "--source-timeout", "1s"], "127.0.0.1"),
        (["run"], "SOURCE"),
        (["report", "."], "journal"),
        (["jobs", "list"], "target"),
        (["sandbox", "--recognizer", "oracle"], "oracle"),
        (["dance"], "dance"),
    ],
    ids=" ".join,
)
def test_wrong_words_get_one_clear_line(
    arguments: list[str], said: str, recording: Path, tmp_path: Path
) -> None:
    """Whatever is wrong: exit 2, the reason, no traceback, and no directory of a run."""
    (tmp_path / "good.wav").write_bytes(recording.read_bytes())
    (tmp_path / "text.wav").write_text("this is not audio\n" * 100)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "config.json").write_text('{"endpoint": 1}')
    done = replay(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.glob("runs/*"))


def test_a_full_disk_is_said_and_what_was_written_stays(
    sandbox: str, recording: Path, tmp_path: Path
) -> None:
    """When the disk takes no more: one line, exit 2, and a directory that still reports."""
    limit = ["bash", "-c", 'ulimit -f 100; exec "$@"', "-", *REPLAY]
    done = subprocess.run(
        [*limit, "run", recording, "--target", sandbox, "--out", "run"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert "cannot write" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    again = replay("report", "run", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["verdict"] == "unknown"


def test_a_session_opened_elsewhere_and_the_jobs_of_a_target(
    sandbox: str, recording: Path, tmp_path: Path
) -> None:
    """`init` opens, `run --session` plays into it, `jobs` lists, shows, fetches and deletes it."""
    opened = replay("init", "--target", sandbox, "--out", "session.json", cwd=tmp_path)
    ticket = json.loads(opened.stdout)
    assert set(ticket) == {"id", "url"}
    assert (tmp_path / "session.json").stat().st_mode & 0o077 == 0
    played = replay(
        *("run", recording, "--session", "session.json", "--target", sandbox, "--speed", "max"),
        *("--json", "--out", "run"),
        cwd=tmp_path,
    )
    assert json.loads(played.stdout)["session"]["id"] == ticket["id"]
    assert ticket["url"].split("=")[-1] not in (tmp_path / "run/journal.jsonl").read_text()
    target = ("--target", sandbox)
    listed = json.loads(replay("jobs", "list", "--json", *target, cwd=tmp_path).stdout)
    assert ticket["id"] in [job["id"] for job in listed["items"]]
    job = json.loads(replay("jobs", "get", ticket["id"], *target, cwd=tmp_path).stdout)
    assert job["status"] == "done"
    replay("jobs", "file", ticket["id"], "--out", "got.wav", *target, cwd=tmp_path)
    assert samples(tmp_path / "got.wav") == samples(recording)
    assert replay("jobs", "delete", ticket["id"], *target, cwd=tmp_path).returncode == 0
    gone = replay("jobs", "get", ticket["id"], *target, cwd=tmp_path)
    assert gone.returncode == 2
    assert "404" in gone.stderr


def start(*arguments: str | Path, cwd: Path) -> subprocess.Popen[str]:
    """Start `replay` with its output merged, in a process group of its own."""
    return subprocess.Popen(
        [*REPLAY, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env=environment(),
        start_new_session=True,
    )


def wait_for_journal(directory: Path, text: str) -> None:
    """Wait until the only run below `directory` has written `text`."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if any(text in path.read_text() for path in directory.glob("runs/*/journal.jsonl")):
            return
        time.sleep(0.05)
    raise AssertionError(f"no {text} within 30 s")


def the_summary(directory: Path) -> dict[str, dict[str, object]]:
    (path,) = directory.glob("runs/*/summary.json")
    summary: dict[str, dict[str, object]] = json.loads(path.read_text())
    return summary


def test_a_damaged_source_is_no_pass(sandbox: str, recording: Path, tmp_path: Path) -> None:
    """Half a recording is played, and the verdict says that it broke off."""
    half = tmp_path / "half.wav"
    half.write_bytes(recording.read_bytes()[: 44 + 64000])
    done = replay("run", half, "--target", sandbox, "--json", cwd=tmp_path)
    summary = json.loads(done.stdout)
    assert done.returncode == 3
    assert any("broke off" in reason for reason in summary["reasons"])


def test_one_ctrl_c_stops_the_list(recording: Path, tmp_path: Path) -> None:
    """Whoever stops one source does not want the next one."""
    process = start("run", recording, recording, "--recognizer", "silent", cwd=tmp_path)
    wait_for_journal(tmp_path, '"kind":"ack"')
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 3
    assert len(list(tmp_path.glob("runs/*"))) == 1


def test_the_same_source_twice_has_two_directories(
    sandbox: str, recording: Path, tmp_path: Path
) -> None:
    """`--out` with several sources numbers them."""
    replay(
        *("run", recording, recording, "--target", sandbox, "--speed", "max", "--out", "all"),
        cwd=tmp_path,
    )
    assert sorted(p.name for p in (tmp_path / "all").iterdir()) == ["01-noise", "02-noise"]


def test_a_target_that_says_nothing_is_given_up(recording: Path, tmp_path: Path) -> None:
    """Also the first request ends with `--give-up-after`; Ctrl-C before it does leaves nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        done = replay("run", recording, "--target", url, "--give-up-after", "1s", cwd=tmp_path)
        assert done.returncode == 2
        assert "no answer in time" in done.stderr
        process = start("run", recording, "--target", url, cwd=tmp_path)
        server.accept()[0].close()  # of the run before
        connection, _ = server.accept()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
        connection.close()
    assert process.returncode == 3
    assert output.splitlines()[-1] == "replay: interrupted before the session was open"
    assert not list(tmp_path.glob("runs/*"))


def test_output_that_nobody_takes(tmp_path: Path) -> None:
    """A closed pipe and a full disk behind standard output are exit 2, without a traceback."""
    quoted = " ".join(REPLAY)
    for command, said in (
        (f"{quoted} run --help | true", ""),
        (f"{quoted} --version > /dev/full", "standard output"),
    ):
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command}"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(),
        )
        assert "Traceback" not in done.stderr
        assert "Exception" not in done.stderr
        assert said in done.stderr
        assert done.returncode == 2 or (done.returncode == 0 and not said)  # it may be quick


def test_a_session_file_is_private_and_made_before_the_session(
    sandbox: str, tmp_path: Path
) -> None:
    """An unwritable file opens no session; an existing one is made readable for its owner alone."""
    before = replay("jobs", "list", "--json", "--target", sandbox, cwd=tmp_path).stdout
    (tmp_path / "taken").mkdir()
    done = replay("init", "--target", sandbox, "--out", "taken", cwd=tmp_path)
    assert done.returncode == 2
    after = replay("jobs", "list", "--json", "--target", sandbox, cwd=tmp_path).stdout
    assert len(json.loads(after)["items"]) == len(json.loads(before)["items"])
    (tmp_path / "old.json").touch(0o644)
    assert replay("init", "--target", sandbox, "--out", "old.json", cwd=tmp_path).returncode == 0
    assert (tmp_path / "old.json").stat().st_mode & 0o777 == 0o600
    refused = replay(
        *("run", "x.wav", "--session", "old.json", "--language", "en", "--target", sandbox),
        cwd=tmp_path,
    )
    assert "language_config cannot change" in refused.stderr
