"""A sandbox process that is killed in the middle of many sessions, and what is left of them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile

import msgspec
import psutil
import trio
from sandboxes import SECOND, words

from replay.audio import HEADER_BYTES
from replay.client import LiveSession, open_session
from replay.sandbox.program import Ready
from replay.sandbox.recognizers.scripted import Script
from replay.sandbox.register import SqliteRegister
from replay.transport.http import open_service
from replay.wire import messages as m

KILLS = 5
SESSIONS = 20
#: Finals take longer than there is between the ends of two sessions, so that at each moment some
#: are in their post-processing.
FINAL_DELAY = 0.8
STEP = 0.25
SHORTEST = 1.2
CHUNK = SECOND // 10
WORDS = Script(words(*[(f"word{n}", n * 0.6 + 0.1, n * 0.6 + 0.4) for n in range(20)]))


class Target:
    """A sandbox process on a directory, which dies and comes back on the same port."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self._options = options
        self._process: trio.Process | None = None
        self._port = "0"
        self.url = ""

    async def start(self) -> float:
        """Start it; the seconds until it could be used."""
        began = trio.current_time()
        command = [sys.executable, "-m", "replay", "sandbox", "--port", self._port]
        self._process = await trio.lowlevel.open_process(
            [*command, "--data", str(self.directory), *self._options], stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        with trio.fail_after(60):
            line = await self._process.stdout.receive_some()
        self.url = msgspec.json.decode(line, type=Ready).url
        self._port = self.url.rpartition(":")[2]
        return trio.current_time() - began

    async def kill(self) -> None:
        """Let it die at once, if it lives."""
        if self._process is None:
            return
        assert self._process.stdout is not None
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        await self._process.stdout.aclose()
        self._process = None

    def stages(self) -> list[str]:
        """How far each session had come when it died, by its own records."""
        register = SqliteRegister(self.directory)
        try:
            return [row.stage for row in register.rows()]
        finally:
            register.close()

    def memory(self) -> int:
        """Its resident bytes."""
        assert self._process is not None
        return int(psutil.Process(self._process.pid).memory_info().rss)


@asynccontextmanager
async def killable(directory: Path) -> AsyncIterator[Target]:
    """A sandbox that says `WORDS`, on `directory`, for as long as the block."""
    script = directory / "words.json"
    script.write_bytes(msgspec.json.encode(WORDS))
    target = Target(
        directory / "data", "--script", str(script), "--latency", f"final={FINAL_DELAY:g}s"
    )
    await target.start()
    try:
        yield target
    finally:
        with trio.CancelScope(shield=True):
            await target.kill()


@dataclass
class Seen:
    """What became of some sessions. `resumed`, `processing`: for each kill, how many sessions had
    not ended and how many of them had only their post-processing before them. `faults`: what is
    wrong with recordings and finals, `missing`: bytes of audio that are not in them."""

    finished: int = 0
    resumed: list[int] = field(default_factory=list)
    processing: list[int] = field(default_factory=list)
    restarts: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    missing: int = 0


async def live_through(
    target: Target, sessions: int, *, kills: int, first: float = 1.5, step: float = STEP
) -> Seen:
    """Play sessions, each `step` seconds longer than the one before, and kill `target` under them,
    for the first time after `first` seconds."""
    seen, opened, spared = Seen(), trio.Semaphore(0), trio.Event()

    async def play(number: int) -> None:
        audio, finals = numbered(number, SHORTEST + step * number), list[str]()
        async with (
            open_service(target.url, api_key=None) as service,
            open_session(service, {"endpointing": 0.15}) as session,
        ):
            await session.wait_opened()
            opened.release()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_listen, session, finals)
                began = trio.current_time() + number * 0.007
                for k in range(len(audio) // CHUNK):
                    await trio.sleep_until(began + (k + 1) * 0.1)
                    await session.send(audio[k * CHUNK : (k + 1) * CHUNK])
                session.stop()
            await spared.wait()
            _judge(number, session, finals, audio, await _recording(session), seen)

    async with trio.open_nursery() as nursery:
        for number in range(sessions):
            nursery.start_soon(play, number)
        for _ in range(sessions):
            await opened.acquire()
        for kill in range(kills):
            await trio.sleep(first if kill == 0 else 0.3 + kill * 0.07)
            await target.kill()
            stages = target.stages()
            seen.resumed.append(sum(stage not in ("CONCLUDED", "OVER") for stage in stages))
            seen.processing.append(stages.count("STOPPED"))
            seen.restarts.append(await target.start())
        spared.set()
    return seen


async def _listen(session: LiveSession, finals: list[str]) -> None:
    async for message in session:
        if isinstance(message, m.Transcript) and message.data.is_final:
            finals += [f"{message.data.id}{message.data.utterance.text}"]


async def _recording(session: LiveSession) -> bytes:
    with TemporaryFile() as file:
        await session.download(file)
        file.seek(HEADER_BYTES)
        return file.read()


def _judge(
    number: int, session: LiveSession, finals: list[str], sent: bytes, recorded: bytes, seen: Seen
) -> None:
    faults, missing = audit(recorded, sent, kills=len(seen.restarts))
    spoken = [word for word in WORDS.words if word.end <= len(sent) / SECOND]
    wanted = [f"00_{n:08d} {word.word}" for n, word in enumerate(spoken)]
    # A word at the very end may be heard or not, as a short repeat makes the recording longer.
    if finals not in (wanted, [f"00_{n:08d} word{n}" for n in range(len(wanted) + 1)]):
        faults.append(f"finals {finals}")
    if session.ended is None or session.ended.outcome != "complete":
        faults.append(f"ended {session.ended}")
    seen.faults += [f"session {number}: {fault}" for fault in faults]
    seen.missing += missing
    seen.finished += 1


def numbered(session: int, seconds: float) -> bytes:
    """Audio of which every four bytes say which session and where."""
    size = round(seconds * 10) * CHUNK
    return b"".join((session << 24 | n).to_bytes(4, "little") for n in range(size // 4))


def audit(recorded: bytes, sent: bytes, *, kills: int) -> tuple[list[str], int]:
    """What is wrong with a recording, and how many bytes are missing.

    It holds all of `sent`, in order, with at most one short repeat for each kill.
    """
    faults, repeats, expected = [], 0, 0
    present = bytearray(len(sent) // 4)
    if len(recorded) % 4:
        faults.append("it ends in the middle")
    for at in range(0, len(recorded) - 3, 4):
        place = int.from_bytes(recorded[at : at + 3], "little")
        if recorded[at : at + 4] != sent[place * 4 : place * 4 + 4]:
            faults.append(f"byte {at} is foreign")
            break
        present[place] = 1
        if place < expected:
            repeats += 1
            # Two chunks may be on their way when a process that is hard at work dies.
            if (expected - place) * 4 > SECOND:
                faults.append(f"{(expected - place) * 4} bytes come again")
        expected = place + 1
    if repeats > kills:
        faults.append(f"{repeats} repeats")
    return faults, 4 * present.count(0)
