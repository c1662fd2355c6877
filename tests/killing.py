"""A sandbox process that is killed in the middle of many sessions, and what is left of them.

Nothing here depends on how fast anything is: a kill waits for what the sessions were told, and
what may come twice is bounded by what was on its way at that kill, to the byte and to the message.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile

import msgspec
import psutil
import trio
from sandboxes import SECOND, words

from replay import journal as j
from replay.audio import HEADER_BYTES
from replay.client import LiveSession, open_session
from replay.policy import Policy
from replay.recorder import ListRecorder
from replay.sandbox.program import Ready
from replay.sandbox.recognizers.scripted import Script
from replay.sandbox.register import SqliteRegister
from replay.sandbox.schedule import Signal
from replay.transport.http import open_service
from replay.wire import messages as m

KILLS = 5
SESSIONS = 20
FINAL_DELAY = "300ms"
#: So long that no session with an utterance comes to its end.
ENDLESS = "1h"
#: Longer than between two chunks, so that at each moment something is recorded and not
#: acknowledged.
ACK_DELAY = "150ms"
#: Kills come so fast that clients would wait ever longer between their attempts.
EAGER = Policy(backoff_base=0.1, backoff_cap=0.1)
CHUNK = SECOND // 10
#: An utterance each, for ten minutes. Of any second of audio, one lies whole in it.
WORDS = Script(words(*[(f"word{n}", n * 0.6 + 0.1, n * 0.6 + 0.4) for n in range(1000)]))


class Target:
    """A sandbox process on a directory, which dies and comes back on the same port."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self._options = options
        self._process: trio.Process | None = None
        self._port = "0"
        self.url = ""

    async def start(self, final: str = FINAL_DELAY) -> float:
        """Start it, with this delay of finals; the seconds until it could be used."""
        began = trio.current_time()
        command = [sys.executable, "-m", "replay", "sandbox", "--port", self._port]
        latency = f"final={final},ack={ACK_DELAY}"
        self._process = await trio.lowlevel.open_process(
            [*command, "--data", str(self.directory), "--latency", latency, *self._options],
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
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
    target = Target(directory / "data", "--script", str(script))
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
    wrong with recordings and transcripts, `missing`: bytes of audio that are not in them;
    `again`: messages that came twice over a kill, `repeated`: bytes of audio that did."""

    finished: int = 0
    resumed: list[int] = field(default_factory=list)
    processing: list[int] = field(default_factory=list)
    restarts: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    missing: int = 0
    again: int = 0
    repeated: int = 0


class Account(ListRecorder):
    """A session's journal, with what it comes to so far.

    Attributes:
        acked: bytes of audio that were acknowledged.
        stopped: was the stop acknowledged?
        passages: of each connection, what was acknowledged before it, and how far audio was sent
            on it.
        told: every message that a sandbox keeps for a client that is away, with the number of the
            connection on which it came.
    """

    def __init__(self) -> None:
        super().__init__()
        self.acked = 0
        self.stopped = False
        self.passages: list[tuple[int, int]] = []
        self.told: list[tuple[int, str]] = []
        self._changed = Signal()

    def write(self, entry: j.AnyEntry) -> None:
        match entry:
            case j.Connected():
                self.passages.append((self.acked, 0))
            case j.Frame(offset=offset, size=size):
                acked, sent = self.passages[-1]
                self.passages[-1] = acked, max(sent, offset + size)
            case j.Ack(upto=upto):
                self.acked = upto
            case j.Received(connection=connection, body=body) if body:
                message = m.decode(bytes(body))
                if isinstance(message, m.StopAck):
                    self.stopped = True
                else:
                    self.told.append((connection, bytes(body).decode()))
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what is entered here to make `holds` true."""
        while not holds():
            await self._changed.wait()


class Speaker:
    """A client that speaks without a break, at the pace of speech, until it is told to end."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.sent = bytearray()
        self.account = Account()
        self.opened = trio.Event()
        self.ending = trio.Event()
        self._mark = 0

    async def live(self, url: str, spared: trio.Event, seen: Seen) -> None:
        """One session from its beginning to its end; it is judged when no kill comes any more."""
        async with (
            open_service(url, api_key=None) as service,
            open_session(
                service, {"endpointing": 0.15}, recorder=self.account, policy=EAGER
            ) as session,
        ):
            await session.wait_opened()
            self.opened.set()
            await self._speak(session)
            async for _ in session:
                pass
            await spared.wait()
            self._judge(session, await _recording(session), seen)

    async def _speak(self, session: LiveSession) -> None:
        began = trio.current_time() + self.number * 0.007
        for chunk in count():
            await trio.sleep_until(began + (chunk + 1) * 0.1)
            if self.ending.is_set():
                break
            piece = numbered(self.number, len(self.sent), CHUNK)
            self.sent += piece
            await session.send(piece)
        session.stop()

    def mark(self) -> None:
        """What is spoken from here on is new."""
        self._mark = len(self.sent)

    async def heard(self) -> None:
        """Wait until a second of what is new was acknowledged."""
        await self.account.until(lambda: self.account.acked >= self._mark + SECOND)

    async def end(self) -> None:
        """Stop speaking, and wait until that was acknowledged."""
        self.ending.set()
        await self.account.until(lambda: self.account.stopped)

    def _judge(self, session: LiveSession, recorded: bytes, seen: Seen) -> None:
        faults, missing, repeated = audit(recorded, self.sent, self.account.passages)
        told, again = once(self.account.told)
        spoken = [each.word for each in WORDS.words if each.end <= len(recorded) / SECOND + 1e-6]
        wanted = [f"00_{n:08d} {word}" for n, word in enumerate(spoken)]
        if (finals := _finals(told)) != wanted:
            faults.append(f"finals {finals}")
        result = session.result.transcription.full_transcript if session.result else ""
        if result != " ".join(spoken):
            faults.append(f"result {result}")
        if session.ended is None or session.ended.outcome != "complete":
            faults.append(f"ended {session.ended}")
        seen.faults += [f"session {self.number}: {fault}" for fault in faults]
        seen.missing += missing
        seen.repeated += repeated
        seen.again += again
        seen.finished += 1


@asynccontextmanager
async def speaking(target: Target, sessions: int, seen: Seen) -> AsyncIterator[list[Speaker]]:
    """Sessions under way. The block tells them to end; after it, they have."""
    speakers, spared = [Speaker(number) for number in range(sessions)], trio.Event()
    async with trio.open_nursery() as nursery:
        for each in speakers:
            nursery.start_soon(each.live, target.url, spared, seen)
        for each in speakers:
            await each.opened.wait()
        yield speakers
        spared.set()


async def killed_again_and_again(target: Target, sessions: int, kills: int) -> Seen:
    """Kill `target` under sessions of which one part ends after each kill.

    Each time everybody has come back and was heard since the last kill, and the next part has
    stopped just now. Before the last kill finals take for ever: that part has them before it.
    """
    seen = Seen()
    async with speaking(target, sessions, seen) as speakers:
        parts = [speakers[part::kills] for part in range(kills)]
        for kill in range(kills):
            await _each(each.heard for part in parts[max(0, kill - 1) :] for each in part)
            if kill:
                await _each(each.end for each in parts[kill - 1])
            await _kill(target, speakers, seen, ENDLESS if kill == kills - 2 else FINAL_DELAY)
        await _each(each.heard for each in parts[-1])
        await _each(each.end for each in parts[-1])
    return seen


async def killed_once(target: Target, sessions: int, moment: float) -> Seen:
    """Kill `target` after `moment` seconds of sessions of 1.2, 1.3, 1.4 … s."""
    seen = Seen()
    async with speaking(target, sessions, seen) as speakers, trio.open_nursery() as nursery:
        now = trio.current_time()
        for each in speakers:
            nursery.start_soon(_end_at, each, now + 1.2 + 0.1 * each.number)
        await trio.sleep_until(now + moment)
        await _kill(target, speakers, seen, FINAL_DELAY)
    return seen


async def _kill(target: Target, speakers: list[Speaker], seen: Seen, final: str) -> None:
    """Kill it and start it again, with finals that take `final` from then on."""
    await target.kill()
    for each in speakers:
        each.mark()
    stages = target.stages()
    seen.resumed.append(sum(stage not in ("CONCLUDED", "OVER") for stage in stages))
    seen.processing.append(stages.count("STOPPED"))
    seen.restarts.append(await target.start(final))


async def _end_at(speaker: Speaker, moment: float) -> None:
    await trio.sleep_until(moment)
    speaker.ending.set()


async def _each(waits: Iterable[Callable[[], object]]) -> None:
    async with trio.open_nursery() as nursery:
        for wait in waits:
            nursery.start_soon(wait)  # type: ignore[arg-type]


async def _recording(session: LiveSession) -> bytes:
    with TemporaryFile() as file:
        await session.download(file)
        file.seek(HEADER_BYTES)
        return file.read()


def _finals(told: Iterable[str]) -> list[str]:
    messages = [m.decode(text) for text in told]
    return [
        f"{message.data.id}{message.data.utterance.text}"
        for message in messages
        if isinstance(message, m.Transcript) and message.data.is_final
    ]


def once(told: Iterable[tuple[int, str]]) -> tuple[list[str], int]:
    """Messages without those that came again over a cut, and how many did.

    A message counts as handed over once it went out whole, and not before: where the sandbox died
    between the two, the first message on the next connection is the last one of that before.
    """
    found: list[str] = []
    again, at = 0, 0
    for connection, text in told:
        if found and text == found[-1] and connection != at:
            again += 1
        else:
            found.append(text)
        at = connection
    return found, again


def numbered(session: int, start: int, size: int) -> bytes:
    """A piece of audio of which every four bytes say which session and where."""
    places = range(start // 4, (start + size) // 4)
    return b"".join((session << 24 | place).to_bytes(4, "little") for place in places)


def audit(
    recorded: bytes, sent: bytes | bytearray, passages: Sequence[tuple[int, int]]
) -> tuple[list[str], int, int]:
    """What is wrong with a recording, how many bytes are missing, how many came again.

    It holds all of `sent`, in order; what was acknowledged before a connection (`passages`) comes
    once, and what comes again with it had been sent by then.
    """
    faults, at, repeated, connection = [], 0, 0, 0
    present = bytearray(len(sent) // 4)
    if len(recorded) % 4:
        faults.append("it ends in the middle")
    for place in range(0, len(recorded) - 3, 4):
        start = 4 * int.from_bytes(recorded[place : place + 3], "little")
        if recorded[place : place + 4] != sent[start : start + 4]:
            faults.append(f"byte {place} is foreign")
            break
        present[start // 4] = 1
        if start > at:
            faults.append(f"{at} is followed by {start}")
        elif start < at:
            repeated += at - start
            later = range(connection + 1, len(passages))
            connection = next((n for n in later if passages[n][0] == start), len(passages))
            if connection == len(passages):
                faults.append(f"audio comes again from {start}, where no connection went on")
            elif at > max(upto for _, upto in passages[:connection]):
                faults.append(f"{at} was recorded before it was sent")
        at = start + 4
    return faults, 4 * present.count(0), repeated
