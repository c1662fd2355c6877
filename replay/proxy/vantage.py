"""Journals that the injector keeps by itself: a directory for each session that passes, of the same
form as a run's, seen from the middle.

Offsets of audio count what has come from the client, over all connections: what it sends again
counts again, and stands again in `sent.wav`. At the end the recording and the job are fetched from
the target, with the key that the client used, which is kept in memory for that and nowhere else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import msgspec
import trio

from replay import __version__
from replay import journal as j
from replay.audio import NS, AudioFormat
from replay.errors import ReplayError, UsageError
from replay.proxy.exchange import Request
from replay.proxy.watch import Witness
from replay.recorder import FileRecorder, cannot_write, open_recorder
from replay.recording import fetch_job, fetch_recording
from replay.tasks import open_flat_nursery
from replay.transport.http import HttpService, open_service
from replay.wire import config as c
from replay.wire.closing import IDLE, JOB_ENDED, NORMAL, Close, on_close
from replay.wire.http import API_KEY_HEADER, InitAnswer

#: A session's job is waited for so long after the end.
_PATIENCE_SECONDS = 30.0
#: After these the target takes no more audio: it is about to end the session, or has.
_LAST_CODES = (NORMAL, IDLE, JOB_ENDED)


class SessionJournal:
    """One session's witness; holds its entries until there is a session to have a directory.

    Attributes:
        concluding: the target has reason to end the session by now. One that was never stopped
            goes on for minutes in which nobody comes.
    """

    def __init__(self) -> None:
        self.format = AudioFormat()
        self.config: dict[str, Any] = {}
        self.key: str | None = None
        self.id = ""
        self.last_code = 0
        self.concluding = False
        self._origin = trio.current_time()
        self._began = datetime.now(UTC)
        self._waiting: list[j.AnyEntry] = []
        self._recorder: FileRecorder | None = None
        self._zero = False

    def now(self) -> int:
        return self.at(trio.current_time())

    def at(self, moment: float) -> int:
        return round((moment - self._origin) * NS)

    def write(self, entry: j.AnyEntry) -> None:
        if isinstance(entry, j.Lost):
            self.last_code = entry.code
        if isinstance(entry, j.StopSent) or self.last_code in _LAST_CODES:
            self.concluding = True
        if isinstance(entry, j.Frame) and not self._zero:
            self._zero = True
            # What came first was spoken before it came.
            began = entry.t - self.format.nanoseconds(entry.size)
            self.write(j.Started(t=began))
        if self._recorder is None:
            self._waiting.append(entry)
        else:
            self._recorder.write(entry)

    def audio(self, data: bytes) -> None:
        if self._recorder is not None:
            self._recorder.audio(data)

    def begin(self, recorder: FileRecorder, name: str, target: j.TargetFacts, seed: int) -> None:
        """There is a session, and a place for its journal."""
        header = j.Header(
            t=0,
            schema=j.SCHEMA,
            replay_version=__version__,
            created_at=self._began.isoformat(timespec="milliseconds"),
            name=name,
            source=j.SourceFacts(name="client", live=True),
            format=j.FormatFacts(
                encoding=self.format.encoding.name,
                sample_rate=self.format.sample_rate,
                bit_depth=self.format.bit_depth,
                channels=self.format.channels,
            ),
            plan=j.PlanFacts(phase="arrival", chunk_ns=0, speed=1.0),
            target=target,
            config=self.config,
            vantage="proxy",
            seed=seed,
        )
        self._recorder = recorder
        for entry in (header, *self._waiting):
            recorder.write(entry)
        self._waiting.clear()


@dataclass(slots=True)
class Journals:
    """An archive (`injector.Archive`) of directories under `base`. Use `open_journals`.

    Attributes:
        directories: one for each session, in their order.
    """

    base: Path
    url: str
    target: j.TargetFacts
    seed: int
    nursery: trio.Nursery
    directories: list[Path] = field(default_factory=list)
    _over: trio.Event = field(default_factory=trio.Event)
    _kept: list[trio.Event] = field(default_factory=list)

    def witness(self) -> SessionJournal:
        return SessionJournal()

    def asked(self, witness: Witness, request: Request) -> int:
        assert isinstance(witness, SessionJournal)
        witness.config = _config(request.body)
        witness.key = dict(request.headers).get(API_KEY_HEADER)
        with suppress(msgspec.ValidationError, ReplayError):  # the target will say so
            witness.format = c.complete(witness.config).format
        return witness.format.bytes_per_second

    def opened(self, witness: Witness, answer: InitAnswer) -> None:
        assert isinstance(witness, SessionJournal)
        witness.id = answer.id
        kept = trio.Event()
        self._kept.append(kept)
        directory = self.base / f"{len(self._kept):03d}-{_plain(answer.id)}"
        self.directories.append(directory)
        self.nursery.start_soon(self._keep, witness, directory, kept)

    async def finish(self) -> None:
        """No session goes on: fetch what they came to, and close their journals."""
        self._over.set()
        for kept in self._kept:
            await kept.wait()

    async def _keep(self, witness: SessionJournal, directory: Path, kept: trio.Event) -> None:
        _make(directory)
        async with open_recorder(directory, witness.format) as recorder:
            witness.begin(recorder, directory.name, self.target, self.seed)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(recorder.flush_forever)
                await self._over.wait()
                async with open_service(self.url, witness.key) as service:
                    await _fetch(witness, service, directory)
                nursery.cancel_scope.cancel()
            witness.write(j.Closed(t=witness.now()))
        kept.set()


@dataclass(frozen=True, slots=True)
class _Download:
    """A session as `fetch_recording` needs it."""

    id: str
    service: HttpService

    async def download(self, into: IO[bytes]) -> int:
        return await self.service.download(self.id, into)


async def _fetch(witness: SessionJournal, service: HttpService, directory: Path) -> None:
    """What the session came to, as the target tells it."""
    deadline = trio.current_time() + _PATIENCE_SECONDS
    job = await fetch_job(service, witness.id, witness, deadline, wait=witness.concluding)
    await fetch_recording(_Download(witness.id, service), witness, directory / "recorded.wav")
    finished = on_close(witness.last_code) is Close.DONE
    ended = job is not None and job.ended
    witness.write(
        j.Ended(
            t=witness.now(),
            outcome="complete" if finished else "recovered" if ended else "interrupted",
            code=witness.last_code,
        )
    )


def _config(body: bytes) -> dict[str, Any]:
    """What a session was opened with, as far as it is an object."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return dict(value) if isinstance(value, Mapping) else {}


def _plain(name: str) -> str:
    return "".join(char for char in name if char.isalnum() or char in "-_")[:40] or "session"


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        used = any(directory.iterdir())
    except OSError as error:
        raise cannot_write(directory, error) from None
    if used:
        raise UsageError(f"{directory} is not empty: name a new directory with --journal")


@asynccontextmanager
async def open_journals(
    base: Path, url: str, target: j.TargetFacts, seed: int
) -> AsyncIterator[Journals]:
    """Journals under `base`, a new or empty directory, of sessions with the target at `url`.

    Raises:
        UsageError: something is in there.
        MachineError: they cannot be written, now or later.
    """
    _make(base)
    async with open_flat_nursery() as nursery:
        yield Journals(base, url, target, seed, nursery)
        nursery.cancel_scope.cancel()
