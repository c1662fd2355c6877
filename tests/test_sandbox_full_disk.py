"""A disk that is full, and one that has room again."""

from __future__ import annotations

import errno
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio
import trio.testing
from sandboxes import dial, join, sandbox, scripted
from test_sandbox_errors import error_of, lines
from test_sandbox_http import play, service
from trio_websocket import ConnectionClosed

from replay.audio import HEADER_BYTES
from replay.errors import DiskFull
from replay.sandbox.program import Ready
from replay.wire import messages as m


@dataclass
class Disk:
    full: bool = False


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A disk that takes half of what is written and no more, once it is full."""
    made, write, pwrite = Disk(), os.write, os.pwrite

    def refuse(fd: int) -> None:
        if made.full and stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.ENOSPC, "No space left on device")

    def filled_write(fd: int, data: Any) -> int:
        if made.full and len(data) > 1 and stat.S_ISREG(os.fstat(fd).st_mode):
            return write(fd, bytes(data)[: len(data) // 2])
        refuse(fd)
        return write(fd, data)

    def filled_pwrite(fd: int, data: bytes, offset: int) -> int:
        refuse(fd)
        return pwrite(fd, data, offset)

    monkeypatch.setattr("replay.sandbox.files.os.write", filled_write)
    monkeypatch.setattr("replay.sandbox.files.os.pwrite", filled_pwrite)
    return made


async def test_sessions_on_a_full_disk(
    autojump_clock: trio.testing.MockClock,
    tmp_path: Path,
    disk: Disk,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The session that writes is closed with 1011, with one line in the log; what it acknowledged
    is its recording. One that writes nothing lives, and goes on when there is room again; until
    then none can be opened, and nothing of the attempt stays."""
    async with sandbox(scripted(), data=tmp_path) as box, trio.open_nursery() as nursery:
        writing, waiting = box.init({}), box.init({})
        client, other = await join(nursery, writing), await join(nursery, waiting)
        await client.say(b"1" * 10_000)
        await other.say(b"2" * 10_000)
        disk.full = True
        await client.say(b"1" * 10_000)
        await trio.sleep(3)
        assert client.ranges() == [(0, 10_000)]
        assert client.closed == (1011, "the session broke down")
        assert writing.status == "error"
        assert b"".join(writing.live.store.wav())[HEADER_BYTES:] == b"1" * 10_000
        (line,) = lines(caplog)
        assert line.startswith(f"session {writing.live.id}: cannot write")
        assert line.endswith("No space left on device: make room, or use another --data DIR")
        with pytest.raises(DiskFull):
            box.init({})
        assert len([name for name in os.listdir(tmp_path) if "." not in name]) == 2
        assert other.closed is None
        disk.full = False
        await other.say(b"2" * 10_000)
        assert other.ranges() == [(0, 10_000), (10_000, 20_000)]
        assert box.init({}).status == "queued"
        nursery.cancel_scope.cancel()


async def test_requests_on_a_full_disk(
    tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    """POST gets 507 with the error body and a line in the log; what is there can be read, and
    deleted, for good."""
    async with service(data=tmp_path) as (client, _):
        kept, gone = await play(client, {}), await play(client, {})
        disk.full = True
        message = error_of(await client.post("/v2/live", json={}), 507)
        assert "No space left on device" in message
        assert lines(caplog) == [f"POST /v2/live: {message}"]
        file = await client.get(f"/v2/live/{kept}/file")
        assert len(file.content) == 64_000 + HEADER_BYTES
        assert (await client.delete(f"/v2/live/{gone}")).status_code == 202
        error_of(await client.get(f"/v2/live/{gone}"), 404)
    disk.full = False
    async with service(data=tmp_path) as (client, _):
        assert (await client.get(f"/v2/live/{kept}")).json()["status"] == "done"
        error_of(await client.get(f"/v2/live/{gone}"), 404)


# ---------------------------------------------------------------------- a real process


_, _NO_LIMIT = resource.getrlimit(resource.RLIMIT_FSIZE)


def fill(pid: int) -> None:
    """No file of the process takes a byte from now on; works everywhere."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, _NO_LIMIT))


def empty(pid: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (_NO_LIMIT, _NO_LIMIT))


@contextmanager
def process(directory: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A sandbox on `directory`, with its URL."""
    command = [sys.executable, "-m", "replay", "sandbox", "--port", "0", "--recognizer", "silent"]
    with subprocess.Popen(
        [*command, "--data", str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            assert child.stdout is not None
            yield child, msgspec.json.decode(child.stdout.readline(), type=Ready).url
        finally:
            child.terminate()


async def acknowledged(websocket: Any, audio: bytes) -> tuple[int, int]:
    """Send audio; the range of its acknowledgement."""
    await websocket.send_message(audio)
    while True:
        message = m.decode(await websocket.get_message())
        if isinstance(message, m.AudioAck) and message.data:
            return message.data.byte_range


async def test_a_process_on_a_full_disk(tmp_path: Path) -> None:
    """With real files and a real register: one session breaks down, another lives and goes on when
    there is room again; a deletion works meanwhile, and holds after a restart, as does all that was
    acknowledged."""
    directory = tmp_path / "disk"
    directory.mkdir()
    with trio.fail_after(60):
        with process(directory) as (child, url):
            async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
                gone = await play(client, {})
                opened = [(await client.post("/v2/live", json={})).json() for _ in range(2)]
                writing, waiting = opened
                async with dial(writing["url"]) as first, dial(waiting["url"]) as second:
                    assert await acknowledged(first, b"1" * 20_000) == (0, 20_000)
                    assert await acknowledged(second, b"2" * 20_000) == (0, 20_000)
                    fill(child.pid)
                    with pytest.raises(ConnectionClosed):
                        await acknowledged(first, b"1" * 60_000)
                    assert first.closed.code == 1011
                    error_of(await client.post("/v2/live", json={}), 507)
                    file = await client.get(f"/v2/live/{writing['id']}/file")
                    assert file.content[HEADER_BYTES:] == b"1" * 20_000
                    assert await acknowledged(second, b"") == (20_000, 20_000)
                    assert (await client.delete(f"/v2/live/{gone}")).status_code == 202
                    empty(child.pid)
                    assert await acknowledged(second, b"2" * 60_000) == (20_000, 80_000)
                    assert (await client.post("/v2/live", json={})).status_code == 201
            child.terminate()
            _, told = child.communicate()
            assert len([line for line in told.splitlines() if writing["id"] in line]) == 1, told
            assert waiting["id"] not in told
            assert "Traceback" not in told
        with process(directory) as (_, url):
            async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
                error_of(await client.get(f"/v2/live/{gone}"), 404)
                assert (directory / waiting["id"] / "audio.raw").read_bytes() == b"2" * 80_000
                assert (directory / writing["id"] / "audio.raw").read_bytes() == b"1" * 20_000
