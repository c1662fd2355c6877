"""A sandbox for other programs' own tests."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest
import trio

from replay.errors import MachineError
from replay.sandbox import sandbox_process, sandbox_process_sync

SILENT = ("--recognizer", "silent")


def health(url: str) -> int:
    return httpx.get(f"{url}/health", trust_env=False).status_code


def children() -> list[psutil.Process]:
    return psutil.Process().children()


def test_blocks_for_a_sandbox() -> None:
    """Plain code has one inside the block, and none after it."""
    with sandbox_process_sync(*SILENT) as url:
        (child,) = children()
        assert health(url) == 200
    assert not child.is_running()


def test_ends_with_an_error_in_the_block() -> None:
    """Whatever ends the block ends the process, and comes out as it is."""
    seen = []

    def use() -> None:
        with sandbox_process_sync(*SILENT):
            seen.extend(children())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert [child.is_running() for child in seen] == [False]


def test_serves_another_event_loop() -> None:
    """The plain one can be used under asyncio, and by many at a time."""

    async def main() -> None:
        with sandbox_process_sync(*SILENT) as url, sandbox_process_sync(*SILENT) as other:
            assert url != other
            async with httpx.AsyncClient(trust_env=False) as client:
                answers = await asyncio.gather(*(client.get(f"{u}/health") for u in (url, other)))
            assert [answer.status_code for answer in answers] == [200, 200]

    asyncio.run(main())


def test_the_two_take_the_same_options() -> None:
    """Under trio or not, the options are those of the command line."""
    options = (*SILENT, "--defect", "lose")

    async def under_trio() -> httpx.Response:
        async with sandbox_process(*options) as url, httpx.AsyncClient(trust_env=False) as client:
            return await client.get(f"{url}/health")

    with sandbox_process_sync(*options) as url:
        told = httpx.get(f"{url}/health", trust_env=False).json()
    assert told == trio.run(under_trio).json() == {"health": "OK", "defects": ["lose"]}


def test_paths_begin_where_it_is_told_to(tmp_path: Path) -> None:
    """A relative path among the options counts from `cwd`."""
    (tmp_path / "words.json").write_text('{"words": []}')
    with sandbox_process_sync("--script", "words.json", cwd=tmp_path) as url:
        assert health(url) == 200


def test_a_start_that_fails(capfd: pytest.CaptureFixture[str]) -> None:
    """A child that cannot start is an error, with its own reason shown, and nothing is left."""
    with (
        pytest.raises(MachineError, match="the sandbox did not start"),
        sandbox_process_sync("--script", "/nowhere/words.json"),
    ):
        pass
    assert "/nowhere/words.json" in capfd.readouterr().err
    assert children() == []


def test_does_not_outlive_who_started_it() -> None:
    """A parent that is killed in the middle takes its sandbox with it."""
    program = (
        "import psutil, time\n"
        "from replay.sandbox import sandbox_process_sync\n"
        "with sandbox_process_sync('--recognizer', 'silent'):\n"
        "    print(psutil.Process().children()[0].pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    child.wait(20)


def test_a_deaf_sandbox_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not end when asked to ends all the same."""
    monkeypatch.setattr("replay.sandbox.program.END_SECONDS", 0.1)
    with sandbox_process_sync(*SILENT):
        (child,) = children()
        child.suspend()
    assert not child.is_running()
