"""The sandbox as a program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest
import trio
from sandboxes import GOOD_DAY, dial
from test_sandbox_recognizers import SPEECH
from trio_websocket import ConnectionClosed

from replay.errors import MachineError
from replay.sandbox import sandbox_process

AGENTS = Path(__file__).parent / "agents"
SANDBOX = [sys.executable, "-m", "replay", "sandbox"]


async def run(*command: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    with trio.fail_after(60):
        return await trio.run_process(
            list(command),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            **options,  # type: ignore[arg-type]
        )


async def test_starts_and_ends_with_the_block() -> None:
    """The process is there inside the block and gone after it, open websockets or not."""
    async with trio.open_nursery() as nursery:
        async with sandbox_process("--recognizer", "silent") as url:
            async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
                assert (await client.get("/health")).status_code == 200
                live = (await client.post("/v2/live", json={})).json()["url"]
            children = psutil.Process().children()
            await nursery.start(hold_open, live)
        assert not any(child.is_running() for child in children)


async def hold_open(
    url: str, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    async with dial(url) as websocket:
        task_status.started()
        with pytest.raises(ConnectionClosed):
            await websocket.get_message()


async def test_ends_when_cancelled() -> None:
    """Cancelling who started it ends the process too."""
    with trio.move_on_after(5):
        async with sandbox_process("--recognizer", "silent"):
            children = psutil.Process().children()
            assert children
            with trio.CancelScope() as scope:
                scope.cancel()
                await trio.sleep_forever()
    assert not any(child.is_running() for child in children)


async def test_ends_when_its_parent_is_killed() -> None:
    """A sandbox does not outlive a parent that had no chance to clean up."""
    program = (
        "import trio, psutil\n"
        "from replay.sandbox.process import sandbox_process\n"
        "async def main():\n"
        "    async with sandbox_process('--recognizer', 'silent'):\n"
        "        print(psutil.Process().children()[0].pid, flush=True)\n"
        "        await trio.sleep_forever()\n"
        "trio.run(main)\n"
    )
    parent = await trio.lowlevel.open_process(
        [sys.executable, "-c", program], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    async with parent.stdout:
        with trio.fail_after(30):
            child = psutil.Process(int(await parent.stdout.receive_some()))
            parent.kill()
            await parent.wait()
            await trio.to_thread.run_sync(child.wait, 20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_signals_end_it_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    """SIGTERM, Ctrl-C and a terminal that goes away end it with exit code 0, nothing on stderr,
    and no directory left."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = await trio.lowlevel.open_process(
        [*SANDBOX, "--port", "0", "--recognizer", "silent"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        # Somebody may run these tests with nohup.
        preexec_fn=partial(signal.signal, signal.SIGHUP, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    async with process.stdout, process.stderr:
        with trio.fail_after(30):
            ready = json.loads(await process.stdout.receive_some())
            assert set(ready) == {"url", "pid", "recognizer", "version"}
            assert ready["pid"] == process.pid
            assert os.listdir(tmp_path)
            process.send_signal(number)
            assert await process.wait() == 0
            assert await process.stderr.receive_some() == b""
    assert os.listdir(tmp_path) == []


async def test_usage_errors(tmp_path: Path) -> None:
    """What cannot be is refused in one line with exit code 2."""
    taken = await run(*SANDBOX, "--recognizer", "scripted")
    assert taken.returncode == 2
    assert b"--script" in taken.stderr
    assert b"Traceback" not in taken.stderr
    async with sandbox_process("--recognizer", "silent") as url:
        port = url.rpartition(":")[2]
        busy = await run(*SANDBOX, "--recognizer", "silent", "--port", port)
    assert busy.returncode == 2
    assert len(busy.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('"$@" --data /proc/none', b"cannot use /proc/none: No such file or directory"),
        ('"$@" --until-eof <&-', b"--until-eof needs standard input, and that is closed"),
        ('"$@" >&-', b"standard output is closed, and the ready line goes there"),
        ('"$@" >/dev/full', b"cannot write to standard output: No space left on device"),
    ],
)
async def test_places_that_cannot_be_used(line: str, said: bytes) -> None:
    """A directory or a stream that cannot be used is named in one line, with exit code 2."""
    done = await run("sh", "-c", line, "sh", *SANDBOX, "--port", "0", "--recognizer", "silent")
    assert done.returncode == 2
    assert done.stderr.startswith(b"replay: " + said)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("options", [(), ("--until-eof",)])
async def test_parent_that_dies_during_the_start(options: tuple[str, ...]) -> None:
    """Where nobody is left to read the ready line, it ends and says nothing."""
    command = [*SANDBOX, "--port", "0", "--recognizer", "silent", *options]
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with trio.fail_after(30):
        await process.stdout.aclose()
        if options:
            await process.stdin.aclose()
        async with process.stderr, process.stdin:
            assert await process.stderr.receive_some() == b""
            await process.wait()


async def test_no_hang_up_under_nohup() -> None:
    """Who has the hang-up ignored keeps the sandbox through it; SIGTERM still ends it."""
    command = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *SANDBOX]
    process = await trio.lowlevel.open_process(
        [*command, "--port", "0", "--recognizer", "silent"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with trio.fail_after(30):
        async with process.stdout:
            url = json.loads(await process.stdout.receive_some())["url"]
            process.send_signal(signal.SIGHUP)
            async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
                assert (await client.get("/health")).status_code == 200
            process.terminate()
            assert await process.wait() == 0


async def test_failing_start_is_reported(tmp_path: Path) -> None:
    """A child that cannot start is an error, not a wait."""
    with pytest.raises(MachineError):
        async with sandbox_process("--script", str(tmp_path / "none.json")):
            pass


@pytest.mark.parametrize(
    "recognizer", ["scripted", pytest.param("moonshine", marks=pytest.mark.local)]
)
async def test_vendors_client(recognizer: str, tmp_path: Path) -> None:
    """The vendor's own client completes a session with partials, finals and close 1000."""
    script = tmp_path / "words.json"
    script.write_bytes(msgspec.json.encode(GOOD_DAY))
    options = ["--script", str(script)] if recognizer == "scripted" else []
    audio = tmp_path / "speech.wav"
    source = (SPEECH / "beckett.wav").read_bytes()
    audio.write_bytes(source[: 44 + 32000 * 4])
    async with sandbox_process("--recognizer", recognizer, *options) as url:
        environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
        done = await run(
            sys.executable, str(AGENTS / "sdk_sync.py"), url, str(audio), env=environment
        )
    assert done.returncode == 0, done.stderr.decode()
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told[-1] == {"type": "ended", "code": 1000}
    assert not [line for line in told if line["type"] == "failed"]
    finals = "".join(line["text"] for line in told if line.get("final")).lower()
    assert ("good day" if recognizer == "scripted" else "ever tried") in finals
    assert [line for line in told if line.get("final") is False]
