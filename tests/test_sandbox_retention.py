"""How long finished sessions stay, and what all of them together may take of the disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from sandboxes import Client, join, sandbox, scripted
from test_sandbox_errors import error_of, lines
from test_sandbox_http import service

from replay.audio import AudioFormat
from replay.sandbox.files import Boundless
from replay.sandbox.hub import ApiError, Sandbox, open_sandbox
from replay.sandbox.jobs import Entry
from replay.sandbox.register import SqliteRegister
from replay.sandbox.settings import Settings
from replay.sandbox.store import Store
from replay.wire import messages as m

DAY = 24 * 3600.0


async def ended(box: Sandbox, audio: bytes) -> Entry:
    """A session with this audio, which is over."""
    entry, client = box.init({}), Client()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(entry.live.serve, client)
        await client.say(audio)
        await client.stop()
    assert client.closed == (1000, "")
    return entry


def there(box: Sandbox, directory: Path) -> tuple[list[str], list[str]]:
    """The ids of the sessions that are there, and of those that have files."""
    files = sorted(each.name for each in directory.iterdir() if each.is_dir())
    return sorted(entry.live.id for entry in box.newest_first()), files


@asynccontextmanager
async def later(directory: Path, after: float, **settings: Any) -> AsyncIterator[Sandbox]:
    """The sandbox on `directory`, started again so many seconds from now."""
    began = datetime.now(UTC) + timedelta(seconds=after)
    settings_then = Settings(data=directory, **settings)
    async with open_sandbox(settings_then, scripted(), began=began) as box:
        yield box


async def test_finished_sessions_go(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    """A session goes with its row and its files when it was over for
    as long as said, not before; one that runs stays, however old."""
    async with sandbox(scripted(), data=tmp_path, keep=DAY) as box, trio.open_nursery() as nursery:
        running = box.init({})
        client = await join(nursery, running)
        first = await ended(box, b"1" * 100)
        gone_at = trio.current_time() + DAY
        await speak_until(client, trio.current_time() + 10)
        second = await ended(box, b"2" * 100)
        (tmp_path / first.live.id / "callbacks.jsonl").write_text("{}\n")
        everybody = sorted(entry.live.id for entry in (running, first, second))
        await speak_until(client, gone_at - 0.1)
        assert there(box, tmp_path) == (everybody, everybody)
        await speak_until(client, gone_at + 0.1)
        rest = sorted(entry.live.id for entry in (running, second))
        assert there(box, tmp_path) == (rest, rest)
        with pytest.raises(ApiError) as refused:
            box.find(first.live.id)
        assert refused.value.status == 404
        await speak_until(client, gone_at + 10.1)
        assert there(box, tmp_path) == ([running.live.id],) * 2
        nursery.cancel_scope.cancel()
    async with sandbox(scripted(), data=tmp_path) as box:
        assert there(box, tmp_path) == ([running.live.id],) * 2


async def speak_until(client: Client, moment: float) -> None:
    """Keep a session alive."""
    while trio.current_time() < moment:
        await trio.sleep(min(20, moment - trio.current_time()))
        await client.say(b"\0\0")
    assert client.closed is None


async def test_age_counts_over_a_restart(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """What ended before a restart goes when its time is over, at once if that was meanwhile."""
    async with sandbox(scripted(), data=tmp_path) as box:
        only = (await ended(box, b"1" * 100)).live.id
    async with later(tmp_path, DAY - 60, keep=DAY) as box:
        await trio.testing.wait_all_tasks_blocked()
        assert there(box, tmp_path) == ([only], [only])
        await trio.sleep(120)
        assert there(box, tmp_path) == ([], [])
    async with sandbox(scripted(), data=tmp_path) as box:
        only = (await ended(box, b"1" * 100)).live.id
    async with later(tmp_path, DAY + 60, keep=DAY) as box:
        await trio.testing.wait_all_tasks_blocked()
        assert there(box, tmp_path) == ([], [])


async def test_nothing_goes_by_itself(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """Without a limit everything stays."""
    async with sandbox(scripted(), data=tmp_path) as box:
        only = (await ended(box, b"1" * 100)).live.id
        await trio.sleep(1000 * DAY)
        assert there(box, tmp_path) == ([only], [only])


async def test_the_oldest_make_room(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    """Where the records would take more than they may, finished sessions go in the order in which
    they ended, as many as it takes, also after a restart."""
    async with sandbox(scripted(), data=tmp_path) as box:
        old = [(await ended(box, bytes([n]) * 50_000)).live.id for n in range(4)]
    async with (
        sandbox(scripted(), data=tmp_path, max_disk=260_000) as box,
        trio.open_nursery() as nursery,
    ):
        entry = box.init({})
        client = await join(nursery, entry)
        await client.say(b"4" * 40_000)
        assert there(box, tmp_path)[0] == sorted([*old, entry.live.id])
        await client.say(b"4" * 50_000)
        assert there(box, tmp_path)[0] == sorted([*old[1:], entry.live.id])
        await client.say(b"4" * 100_000)
        assert there(box, tmp_path) == (sorted([old[3], entry.live.id]),) * 2
        assert client.ranges()[-1] == (90_000, 190_000)
        nursery.cancel_scope.cancel()


class Counted(Boundless):
    """Attributes: held: what was taken."""

    held = 0

    def take(self, size: int) -> None:
        self.held += size

    def count(self, size: int) -> None:
        self.held += size

    def release(self) -> None:
        self.held = 0


def test_what_is_written_is_counted(tmp_path: Path) -> None:
    """Every file of a session counts with its size, written now or before; what was cut off, or
    replaced, counts no more, and nothing does after a deletion."""

    def on_disk() -> int:
        return sum(each.stat().st_size for each in (tmp_path / "one").iterdir())

    first, again = Counted(), Counted()
    store = Store(tmp_path / "one", AudioFormat(), space=first)
    store.append(bytes(10_000))
    store.append(bytes(500))
    store.tentative = 400
    store.forget()
    store.add_message("{}")
    for text in ("much too long", "short"):
        result = m.AddonResult(success=True, is_empty=False, exec_time=0.0, results=text)
        store.file_addons(m.AddonResults(summarization=result))
    assert first.held == on_disk() > 10_100
    store.close()
    store = Store(tmp_path / "one", AudioFormat(), space=again)
    assert again.held == on_disk()
    store.delete()
    assert again.held == 0


async def test_no_room_left(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A running session that needs more than there is ends with 1011 and one line in the log, and
    keeps what it acknowledged; another one goes on, in the room that the first one leaves."""
    async with (
        sandbox(scripted(), data=tmp_path, max_disk=100_000) as box,
        trio.open_nursery() as nursery,
    ):
        greedy, modest = box.init({}), box.init({})
        client, other = await join(nursery, greedy), await join(nursery, modest)
        await other.say(b"1" * 4_000)
        for _ in range(4):
            await client.say(b"2" * 30_000)
        assert client.ranges() == [(n * 30_000, (n + 1) * 30_000) for n in range(3)]
        assert client.closed == (1011, "the session broke down")
        assert greedy.status == "error"
        assert greedy.live.store.size == 90_000
        (line,) = lines(caplog)
        assert line.startswith(f"session {greedy.live.id}: the records of the sessions may take")
        await other.say(b"1" * 50_000)
        assert other.ranges() == [(0, 4_000), (4_000, 54_000)]
        assert [entry.live.id for entry in box.newest_first()] == [modest.live.id]
        nursery.cancel_scope.cancel()


async def test_new_sessions_without_room(tmp_path: Path) -> None:
    """With nothing but running sessions left a new one is refused with 507 and the error body;
    where one has ended it makes room."""
    async with service(data=tmp_path, max_disk=10_000) as (client, box):
        entry = box.init({})
        entry.live.store.append(bytes(10_000))
        message = error_of(await client.post("/v2/live", json={}), 507)
        assert message.startswith("the records of the sessions may take 10000 bytes (--max-disk)")
        assert there(box, tmp_path) == ([entry.live.id],) * 2
        entry.live.stop()
        while entry.live.stage.name != "OVER":  # noqa: ASYNC110 - nobody is told of it
            await trio.sleep(0.01)
        assert (await client.post("/v2/live", json={})).status_code == 201


async def test_deleted_before_it_is_over(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """A session that is deleted while its last messages are still owed does not come back."""
    async with sandbox(scripted(), data=tmp_path) as box, trio.open_nursery() as nursery:
        entry = box.init({})
        client = await join(nursery, entry, reading=False)
        await client.say(bytes(40_000))
        await client.stop()
        await trio.sleep(1)
        assert entry.live.stage.name == "CONCLUDED"
        box.delete(entry.live.id)
        await trio.sleep(200)
        nursery.cancel_scope.cancel()
    with closing(SqliteRegister(tmp_path)) as register:
        assert list(register.rows()) == []
    async with sandbox(scripted(), data=tmp_path) as box:
        assert there(box, tmp_path) == ([], [])
