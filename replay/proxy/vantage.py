"""Journals that the injector keeps by itself: a directory for each session that passes, of the same
form as a run's, seen from the middle.

Offsets of audio count what has come from the client, over all connections: what it sends again
counts again, and stands again in `sent.wav`. Once a session is over the recording and the job are
fetched from the target, with the key that the client used, which is kept in memory for that and
nowhere else; then its journal is closed, while others go on.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec
import trio

from replay import journal as j
from replay.errors import ReplayError, UsageError
from replay.proxy.exchange import Request
from replay.proxy.sessions import AWAY_SECONDS, GRACE_SECONDS, SessionJournal
from replay.proxy.watch import Witness
from replay.recorder import ListRecorder, cannot_write, open_recorder
from replay.recording import fetch_job, fetch_recording
from replay.tasks import open_flat_nursery
from replay.transport.http import HttpService, open_service
from replay.wire import config as c
from replay.wire.closing import Close, on_close
from replay.wire.http import API_KEY_HEADER, InitAnswer

#: A session's job is waited for so long after the end.
_PATIENCE_SECONDS = 30.0

Told = Callable[[Path], Awaitable[None]]


@dataclass(slots=True)
class Journals:
    """An archive (`injector.Archive`) of directories under `base`. Use `open_journals`.

    Attributes:
        told: is called with each directory once it is whole, one after another.
        late: is called with a directory if something comes of its session after that.
        directories: one for each session, in their order.
    """

    base: Path
    url: str
    target: j.TargetFacts
    seed: int
    nursery: trio.Nursery
    told: Told
    late: Callable[[Path], None]
    directories: list[Path] = field(default_factory=list)
    _ending: trio.Event = field(default_factory=trio.Event)
    _unkept: set[trio.Event] = field(default_factory=set)
    _telling: trio.Lock = field(default_factory=trio.Lock)
    _going_on: list[SessionJournal] = field(default_factory=list)
    _over: int = 0

    @property
    def counts(self) -> tuple[int, int]:
        """How often clients came back to their sessions, and how many sessions are over."""
        reconnects = self._over + sum(witness.reconnects for witness in self._going_on)
        return reconnects, len(self.directories) - len(self._going_on)

    def witness(self) -> SessionJournal:
        return SessionJournal(self._be_late)

    def asked(self, witness: Witness, request: Request) -> int:
        assert isinstance(witness, SessionJournal)
        witness.config = _config(request.body)
        key = dict(request.headers).get(API_KEY_HEADER, "")
        # What cannot be a header of ours is no key that the target would take.
        witness.key = key if key.isascii() and key.isprintable() else None
        with suppress(msgspec.ValidationError, ReplayError):  # the target will say so
            witness.format = c.complete(witness.config).format
        return witness.format.bytes_per_second

    def opened(self, witness: Witness, answer: InitAnswer) -> None:
        assert isinstance(witness, SessionJournal)
        witness.id = answer.id
        kept = trio.Event()
        self._unkept.add(kept)
        directory = self.base / f"{len(self.directories) + 1:03d}-{_plain(answer.id)}"
        witness.directory = directory
        self.directories.append(directory)
        self._going_on.append(witness)
        self.nursery.start_soon(self._keep, witness, directory, kept)

    def over(self, witness: Witness) -> bool:
        assert isinstance(witness, SessionJournal)
        return witness.closed

    async def finish(self) -> None:
        """No session goes on: fetch what they came to, and close their journals."""
        self._ending.set()
        for kept in list(self._unkept):
            await kept.wait()

    async def _keep(self, witness: SessionJournal, directory: Path, kept: trio.Event) -> None:
        _make(directory)
        async with open_recorder(directory, witness.format) as recorder:
            witness.begin(recorder, directory.name, self.target, self.seed)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(recorder.flush_forever)
                await self._until_over(witness)
                async with open_service(self.url, witness.key) as service:
                    await _fetch(witness, service, directory)
                nursery.cancel_scope.cancel()
            witness.close()
        self._going_on.remove(witness)
        self._over += witness.reconnects
        async with self._telling:
            await self.told(directory)
        self._unkept.discard(kept)
        kept.set()

    async def _until_over(self, witness: SessionJournal) -> None:
        """Wait until the session is over, as far as that can be told, or no session goes on."""
        look = -math.inf
        while not self._ending.is_set():
            now = trio.current_time()
            due = max(look, witness.quiet_since + witness.patience)
            if now < due:
                # A client that comes or goes moves it.
                with trio.move_on_at(min(due, now + GRACE_SECONDS)):
                    await self._ending.wait()
                continue
            if await self._ended(witness):
                return
            look = trio.current_time() + witness.patience

    async def _ended(self, witness: SessionJournal) -> bool:
        """Whether a session whose client is quiet has ended: what the target says counts, and where
        it says nothing, that nobody can come back."""
        async with open_service(self.url, witness.key) as service:
            deadline = trio.current_time() + GRACE_SECONDS
            unseen = ListRecorder(keep=False)
            job = await fetch_job(service, witness.id, unseen, deadline, wait=False)
        quiet = trio.current_time() - witness.quiet_since
        if job is None:
            return quiet >= AWAY_SECONDS
        # Whoever came meanwhile is to be seen to the end.
        return job.ended and quiet >= GRACE_SECONDS

    def _be_late(self, witness: SessionJournal) -> None:
        assert witness.directory is not None
        self.late(witness.directory)


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


async def _nobody(_: Path) -> None:
    await trio.lowlevel.checkpoint()


@asynccontextmanager
async def open_journals(
    base: Path,
    url: str,
    target: j.TargetFacts,
    seed: int,
    *,
    told: Told = _nobody,
    late: Callable[[Path], None] = lambda _: None,
) -> AsyncIterator[Journals]:
    """Journals under `base`, a new or empty directory, of sessions with the target at `url`.

    `told` and `late`: as `Journals` has them.

    Raises:
        UsageError: something is in there.
        MachineError: they cannot be written, now or later.
    """
    _make(base)
    async with open_flat_nursery() as nursery:
        yield Journals(base, url, target, seed, nursery, told, late)
        nursery.cancel_scope.cancel()
