"""What hits all sessions of a soak at once is in the journal of each that it hit."""

from __future__ import annotations

from pathlib import Path

import trio
from journals import Builder

from replay import journal as j
from replay.audio import NS, AudioFormat
from replay.recorder import FileRecorder
from replay.soak.journals import Journals
from replay.soak.orders import Cut

RESTART = Cut(fault="restart(2s)", kind="restart", begun=10.0, over=12.0)


def begin(recorder: FileRecorder, *rules: str) -> None:
    """The first lines of a session with so many rules of its own."""
    recorder.write(Builder().entries[0])
    for number, text in enumerate(rules):
        recorder.write(j.FaultPlanned(t=recorder.now(), rule=number, text=text))


def opened(recorder: FileRecorder) -> None:
    now = recorder.now()
    recorder.write(j.Init(t=now, done=now, attempt=1, status=201, id="job"))


def connected(recorder: FileRecorder, number: int = 1) -> None:
    recorder.write(j.Connected(t=recorder.now(), connection=number, attempt=1, resume_at=0))


async def faults(recorder: FileRecorder, path: Path) -> list[j.AnyEntry]:
    """What the journal says of them."""
    await recorder.flush()
    lines = (path / "journal.jsonl").read_bytes().splitlines(keepends=True)
    return [e for e in j.decode_lines(lines) if isinstance(e, j.FaultPlanned | j.FaultFired)]


async def test_a_cut_is_a_rule_of_each_session_at_its_own_time(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """Behind the session's own rules; at the time by its own first connection, and by its last."""
    journals = Journals(trio.current_time)
    await trio.sleep(4)
    async with journals.open(tmp_path, AudioFormat()) as recorder:
        begin(recorder, "reset @ 1s")
        opened(recorder)
        connected(recorder)
        await trio.sleep(5)
        connected(recorder, 2)
        await trio.sleep(1.25)
        journals.hit(RESTART)
        planned, fired = (await faults(recorder, tmp_path))[1:]
    assert planned == j.FaultPlanned(t=round(6.25 * NS), rule=1, text="restart(2s) @ 6s")
    assert fired == j.FaultFired(
        t=6 * NS,  # it was told a quarter of a second later
        rule=1,
        text="restart(2s)",
        fault="restart",
        connection=2,
        at={"connection": 2, "trigger": "conn#2", "after_ms": 1000.0},
        until=8 * NS,
    )
    assert journals.faults == {"restart": 1}
    assert journals.recorders == []


async def test_a_cut_waits_for_the_sessions_own_rules(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """A session that is being opened has not said yet what else is planned for it; one that begins
    while the target is away has it from the start, one that begins later has nothing of it."""
    journals = Journals(trio.current_time)
    await trio.sleep(9.5)
    async with journals.open(tmp_path, AudioFormat()) as recorder:
        recorder.write(Builder().entries[0])
        await trio.sleep(0.5)
        journals.hit(RESTART)
        recorder.write(j.FaultPlanned(t=recorder.now(), rule=0, text="reset @ 1s"))
        opened(recorder)
        own, planned, fired = await faults(recorder, tmp_path)
    assert isinstance(own, j.FaultPlanned)
    assert planned == j.FaultPlanned(t=NS // 2, rule=1, text="restart(2s) @ start")
    assert isinstance(fired, j.FaultFired)
    assert (fired.t, fired.until, fired.at) == (NS // 2, round(2.5 * NS), {"connection": 0})
    for begun, expected in ((11.0, 1), (12.0, 0)):
        await trio.sleep_until(begun)
        path = tmp_path / str(begun)
        path.mkdir()
        async with journals.open(path, AudioFormat()) as recorder:
            begin(recorder)
            opened(recorder)
            found = await faults(recorder, path)
        assert len(found) == 2 * expected
        assert [each.t for each in found if isinstance(each, j.FaultFired)] == [0] * expected
