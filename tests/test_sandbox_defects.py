"""Planted defects, each seen to spoil what it says and nothing else; and when audio stays."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import psutil
import pytest
import trio
from sandboxes import ALL, SECOND, Client, join, sandbox, scripted, words
from test_sandbox_process import SANDBOX, run

from replay.audio import AudioFormat
from replay.errors import UsageError
from replay.sandbox.defects import catalogue, flaws, planted
from replay.sandbox.hub import Sandbox
from replay.sandbox.latency import Spread
from replay.sandbox.recognizers.scripted import Script
from replay.wire import messages as m

CHUNK = SECOND // 10
SCRIPT = Script(
    words(*[(f"word{n}", n * 0.6 + 0.1, n * 0.6 + 0.4) for n in range(10)]),
)
BODY = {**ALL, "endpointing": 0.15}


@dataclass
class Seen:
    """What became of six seconds of audio, with the connection lost after three."""

    clients: list[Client] = field(default_factory=list)
    recorded: bytes = b""
    sent: bytes = b""
    job: Any = None

    @property
    def ranges(self) -> list[tuple[int, int]]:
        return [each for client in self.clients for each in client.ranges()]

    def all(self, kind: type) -> list[Any]:
        return [message for client in self.clients for message in client.all(kind)]

    @property
    def finals(self) -> list[Any]:
        return [t.data for t in self.all(m.Transcript) if t.data.is_final]


@asynccontextmanager
async def spoilt(*defects: str) -> AsyncIterator[Sandbox]:
    recognizer = scripted(SCRIPT, final=Spread(0.25))
    chosen = tuple(planted(text) for text in defects)
    async with sandbox(recognizer, defects=chosen) as box:
        yield box


async def session(*defects: str) -> Seen:
    seen = Seen()
    async with spoilt(*defects) as box, trio.open_nursery() as nursery:
        entry = box.init(BODY)
        for part in range(2):
            client = await join(nursery, entry)
            seen.clients.append(client)
            for k in range(part * 30, part * 30 + 30):
                chunk = b"".join(n.to_bytes(4, "little") for n in range(k * 800, k * 800 + 800))
                seen.sent += chunk
                await trio.sleep(0.1)
                await client.say(chunk)
            if part == 0:
                client.hang_up()
                await trio.sleep(2)
        await client.stop()
        await client.say(b"late")
        await trio.sleep(130)
        seen.recorded = b"".join(entry.live.store.wav())[44:]
        seen.job = box.job(entry)
        nursery.cancel_scope.cancel()
    return seen


def spoils(seen: Seen) -> set[str]:
    """What is not as it should be in this session."""
    names = [data.id for data in seen.finals]
    times = [data.utterance.start for data in seen.finals]
    ends = [end for _, end in seen.ranges]
    facts = {
        "record": seen.recorded == seen.sent,
        "acks": ends == [(k + 1) * CHUNK for k in range(60)]
        and [start for start, _ in seen.ranges] == [k * CHUNK for k in range(60)],
        "names": names == [f"00_{n:08d}" for n in range(len(names))],
        "times": times == sorted(times) and times[0] >= 0,
        "finals": [data.utterance.text for data in seen.finals] == [f" word{n}" for n in range(10)],
        "stop": len([ack for ack in seen.all(m.StopAck) if ack.acknowledged]) == 1,
        "late": [ack.acknowledged for ack in seen.all(m.AudioAck)].count(False) == 1,
        "post": len(seen.all(m.PostFinalTranscript)) == 1,
        "closed": seen.clients[-1].closed == (1000, ""),
    }
    return {name for name, right in facts.items() if not right}


EXPECTED = {
    "lose": {"record"},
    "lose=10": {"record"},
    "double": {"record"},
    "shift": {"record"},
    "reorder": {"record"},
    "inclusive-acks": {"acks"},
    "late-acks": {"acks"},
    "restart-acks": {"acks"},
    "restart-ids": {"names"},
    "restart-times": {"times"},
    "no-missed-finals": {"finals", "names"},
    "double-final": {"finals", "names"},
    "drop-final": {"finals", "names"},
    "no-post": {"post"},
    "swallow-stop": {"stop", "late", "record", "acks", "post", "closed"},
    "accept-audio-after-stop": {"late", "record", "acks"},
    "clock": set(),
    "forget": set(),
    "orphan": set(),
    "leak=descriptor:1": set(),
    "tiring": set(),
}


async def test_every_defect_has_its_test() -> None:
    """The table of what each spoils leaves none out."""
    named = {usage.partition("[")[0] for usage, _ in catalogue()}
    assert {text.partition("=")[0] for text in EXPECTED} == named
    assert all(meaning for _, meaning in catalogue())


async def test_without_defects(autojump_clock: trio.testing.MockClock) -> None:
    """An honest sandbox spoils nothing."""
    seen = await session()
    assert spoils(seen) == set()
    assert seen.job.result.transcription.full_transcript == " ".join(f"word{n}" for n in range(10))


@pytest.mark.parametrize("defect", EXPECTED)
async def test_defect(autojump_clock: trio.testing.MockClock, defect: str) -> None:
    """Each defect spoils its own facts and leaves the others alone."""
    assert spoils(await session(defect)) == EXPECTED[defect]


@pytest.mark.parametrize(
    ("defect", "lost"), [("lose", 3200), ("lose=10", 10), ("double", -CHUNK), ("shift", -1)]
)
async def test_audio_is_spoilt_by_so_much(
    autojump_clock: trio.testing.MockClock, defect: str, lost: int
) -> None:
    """Six seconds of audio are spoilt at one place, behind the first second."""
    seen = await session(defect)
    assert len(seen.sent) - len(seen.recorded) == lost
    assert seen.recorded[:SECOND] == seen.sent[:SECOND]


async def test_details(autojump_clock: trio.testing.MockClock) -> None:
    """Acks and utterances count from 0 on the second connection, times from what it began with;
    a dropped final is in the result."""
    assert (await session("restart-acks")).clients[1].ranges()[0] == (0, CHUNK)
    restarted = (await session("restart-ids")).finals
    assert [data.id for data in restarted].count("00_00000000") == 2
    honest, moved = await session(), await session("restart-times")
    for right, wrong in zip(honest.finals[-4:], moved.finals[-4:], strict=True):
        assert wrong.utterance.start == pytest.approx(right.utterance.start - 3)
        assert wrong.utterance.words[0].end == pytest.approx(right.utterance.words[0].end - 3)
    dropped = await session("drop-final")
    assert [data.utterance.text for data in dropped.finals][:3] == [" word0", " word2", " word3"]
    assert dropped.job.result.transcription.full_transcript.count("word1") == 1
    late = await session("late-acks=1s")
    assert late.clients[0].ranges()[-1][1] == 20 * CHUNK


async def stamps(defect: str) -> list[float]:
    """How far the stamps of a session are from the time of day, in s, at 0, 1 and 2 s of it."""
    async with spoilt(defect) as box, trio.open_nursery() as nursery:
        client = await join(nursery, box.init(BODY))
        true = []
        for _ in range(3):
            true.append(box.now())
            await client.say(bytes(CHUNK))
            await trio.sleep(1)
        nursery.cancel_scope.cancel()
    said = [datetime.fromisoformat(ack.created_at) for ack in client.all(m.AudioAck)]
    return [(a - b).total_seconds() for a, b in zip(said, true, strict=True)]


@pytest.mark.parametrize(
    ("defect", "off"),
    [
        ("clock", [5, 5.0002, 5.0004]),
        ("clock=+90s", [90, 90, 90]),
        ("clock=-250ms,-1000ppm", [-0.25, -0.251, -0.252]),
    ],
)
async def test_a_clock_is_off_by_so_much(
    autojump_clock: trio.testing.MockClock, defect: str, off: list[float]
) -> None:
    """Stamps are ahead or behind, and move on at their own rate, in whole milliseconds."""
    for found, wanted in zip(await stamps(defect), off, strict=True):
        assert wanted - 0.001 < found <= wanted


async def reconnections(box: Sandbox, times: int) -> list[float]:
    """Let a session's client come back so often; how long each waited for its acknowledgement."""
    waited = []
    async with trio.open_nursery() as nursery:
        entry = box.init(BODY)
        for _ in range(times + 1):
            client = await join(nursery, entry)
            await client.say(bytes(CHUNK))
            await trio.sleep(1)
            waited += [t for t, message in client.heard if isinstance(message, m.AudioAck)]
            client.hang_up()
            await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return waited[1:]


async def leaked(defect: str, measure: Callable[[], int]) -> list[int]:
    """By how much a measure of this process grew in each of two sessions that came back 5 times."""
    async with spoilt(defect) as box:
        await reconnections(box, 0)
        gc.collect()  # what earlier tests left open does not close meanwhile
        found = []
        for _ in range(2):
            before = measure()
            await reconnections(box, 5)
            found.append(measure() - before)
    return found


def tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


async def test_a_leak_goes_over_all_sessions(autojump_clock: trio.testing.MockClock) -> None:
    """Of ten reconnections in two sessions every third leaks, whichever session it is of."""
    extra = await leaked("no-post", tasks)  # what a session that goes on has itself
    found = await leaked("leak=task:3", tasks)
    assert [a - b for a, b in zip(found, extra, strict=True)] == [1, 2]
    files = psutil.Process().num_fds
    plain = await leaked("no-post", files)
    found = await leaked("leak=descriptor:3", files)
    assert [a - b for a, b in zip(found, plain, strict=True)] == [1, 2]


async def test_leaked_memory_is_kept() -> None:
    """So much of it, and really taken: 4 MiB at every second reconnection."""
    made = [planted("leak=memory:4MiB:2")]
    first, second = flaws(made, AudioFormat()), flaws(made, AudioFormat())
    for _ in range(3):
        first.come_back(0, 0.0)
        second.come_back(0, 0.0)
    assert [len(each) for each in made[0].common.leaked] == [4 << 20] * 3
    assert made == [planted("leak=memory:4MiB:2")]


async def test_tiring(autojump_clock: trio.testing.MockClock) -> None:
    """Each reconnection waits a step longer than the one before it, in whichever session."""
    async with spoilt("tiring=40ms") as box:
        waited = await reconnections(box, 3) + await reconnections(box, 2)
    assert waited == pytest.approx([0.04, 0.08, 0.12, 0.16, 0.2], abs=0.002)


async def test_what_leaks_is_one_sandboxs(autojump_clock: trio.testing.MockClock) -> None:
    """Another one made by the same settings begins anew."""
    made = (planted("tiring=40ms"),)
    for _ in range(2):
        async with sandbox(scripted(SCRIPT), defects=made) as box:
            assert await reconnections(box, 1) == pytest.approx([0.04], abs=0.002)


async def test_several_at_once(autojump_clock: trio.testing.MockClock) -> None:
    """Defects add up."""
    seen = await session("shift", "inclusive-acks", "no-post")
    assert spoils(seen) == {"record", "acks", "post"}


async def test_forget(autojump_clock: trio.testing.MockClock) -> None:
    """A session can be connected to once, and is unknown from then on."""
    async with spoilt("forget") as box, trio.open_nursery() as nursery:
        entry = box.init({})
        assert box.by_token(entry.token) is entry.live
        client = await join(nursery, entry)
        assert box.by_token(entry.token) is None
        client.hang_up()
        nursery.cancel_scope.cancel()


async def test_orphan(autojump_clock: trio.testing.MockClock) -> None:
    """One request makes two jobs."""
    async with spoilt("orphan") as box:
        entry = box.init({})
        assert box.find(entry.live.id) is entry
        assert len(list(box.newest_first())) == 2


NO_LEAKS = [
    "leak=time",
    "leak=task:0",
    "leak=task:1KiB:5",
    "leak=memory:1KiB:5:5",
    "leak=memory:x:5",
]


@pytest.mark.parametrize(
    "text",
    [
        "nope",
        "shift=3",
        "lose=much",
        "late-acks=soon",
        "clock=5s,fast",
        "clock=late",
        "",
        *NO_LEAKS,
    ],
)
def test_what_is_no_defect(text: str) -> None:
    """What does not exist, or takes no argument, is refused in one line."""
    with pytest.raises(UsageError) as refused:
        planted(text)
    assert "\n" not in str(refused.value)


async def test_defects_are_named() -> None:
    """A sandbox with planted defects says so when it starts, when it is ready and when asked."""
    command = [*SANDBOX, "--port", "0", "--recognizer", "silent"]
    process = await trio.lowlevel.open_process(
        [*command, "--defect", "shift", "--defect", "lose=9"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    async with process.stdout, process.stderr:
        with trio.fail_after(30):
            ready = json.loads(await process.stdout.receive_some())
            assert ready["defects"] == ["shift", "lose=9"]
            assert b"planted defects: shift, lose=9" in await process.stderr.receive_some()
            async with httpx.AsyncClient(base_url=ready["url"], trust_env=False) as client:
                health = (await client.get("/health")).json()
            assert health == {"health": "OK", "defects": ["shift", "lose=9"]}
            process.terminate()
            assert await process.wait() == 0


async def test_defects_are_listed() -> None:
    """`--defect help` lists every one with its meaning, and serves nothing."""
    listed = await run(sys.executable, "-m", "replay", "sandbox", "--defect", "help")
    assert listed.returncode == 0
    assert len(listed.stdout.splitlines()) == len(catalogue())


# ---------------------------------------------------------------------- when audio stays


async def cut_before_the_ack(commit: str) -> tuple[list[tuple[int, int]], bytes]:
    """Ranges acknowledged after, and the record of, a connection lost between the two."""
    async with (
        sandbox(scripted(SCRIPT), commit=commit) as box,
        trio.open_nursery() as nursery,
    ):
        entry = box.init({})
        first = await join(nursery, entry)
        await first.say(b"a" * 100)
        first.reading = False
        await first.say(b"b" * 100)
        first.hang_up()
        first.read_on()
        await trio.testing.wait_all_tasks_blocked()
        second = await join(nursery, entry)
        await second.say(b"b" * 100, b"c" * 100)
        record = entry.live.store.read(0, 1000)
        nursery.cancel_scope.cancel()
    return second.ranges(), record


async def test_commit(autojump_clock: trio.testing.MockClock) -> None:
    """Audio whose acknowledgement could not be sent stays or is forgotten, as was chosen."""
    ranges, record = await cut_before_the_ack("receipt")
    assert ranges == [(200, 300), (300, 400)]
    assert record == b"a" * 100 + b"b" * 200 + b"c" * 100
    ranges, record = await cut_before_the_ack("ack")
    assert ranges == [(100, 200), (200, 300)]
    assert record == b"a" * 100 + b"b" * 100 + b"c" * 100


async def test_commit_on_ack_hears_what_stays(autojump_clock: trio.testing.MockClock) -> None:
    """Audio that may be forgotten is not heard; with no acks asked for, or a stop, it stays."""
    quiet = {"messages_config": {"receive_acknowledgments": False}}
    async with (
        sandbox(scripted(SCRIPT), commit="ack") as box,
        trio.open_nursery() as nursery,
    ):
        entry = box.init(BODY)
        client = await join(nursery, entry, reading=False)
        await client.say(bytes(SECOND))
        assert box.job(entry).status == "processing"
        assert entry.live.store.utterances() == []
        assert entry.live.store.settled == 0
        client.read_on()
        await trio.testing.wait_all_tasks_blocked()
        assert [each.text for each in entry.live.store.utterances()] == [" word0"]
        other = box.init(quiet)
        silent = await join(nursery, other)
        await silent.say(bytes(SECOND))
        assert other.live.store.settled == SECOND
        stuck = box.init(BODY)
        client = await join(nursery, stuck, reading=False)
        await client.say(bytes(SECOND), m.STOP_RECORDING)
        client.hang_up()
        await trio.sleep(1)
        assert stuck.live.store.size == SECOND
        assert stuck.status == "done"
        nursery.cancel_scope.cancel()


async def test_max_frame_option() -> None:
    """A frame limit can be given as people write sizes."""
    refused = await run(*SANDBOX, "--max-frame", "huge")
    assert refused.returncode == 2
    assert b"no size" in refused.stderr
