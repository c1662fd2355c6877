"""All sessions of a sandbox: made, found, listed, deleted."""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import trio

from replay.audio import AudioFormat
from replay.errors import DiskFull, MachineError, ReplayError
from replay.sandbox import jobs
from replay.sandbox.defects import flaws, fresh
from replay.sandbox.files import GONE, remove
from replay.sandbox.jobs import Entry
from replay.sandbox.live import LiveSession
from replay.sandbox.log import SESSION
from replay.sandbox.mail import PostOffice
from replay.sandbox.patience import Pool
from replay.sandbox.recognizers.base import Recognizer
from replay.sandbox.register import Register, Row, open_register
from replay.sandbox.retention import Retention
from replay.sandbox.scratch import open_directory
from replay.sandbox.settings import Settings
from replay.sandbox.standing import Session, Stage, written
from replay.sandbox.store import Store
from replay.sandbox.troubles import Troubles, kept_troubles
from replay.wire.config import MODELS, REGIONS, Problem, SessionConfig, problems
from replay.wire.http import Job

_log = logging.getLogger(__name__)


class ApiError(ReplayError):
    """A request that is answered with an error.

    Attributes:
        status: HTTP status code.
        validation: what is wrong with the body, one sentence each.
        retry_after: seconds after which it may be worth asking again.
    """

    def __init__(
        self,
        status: int,
        message: str,
        validation: list[str] | None = None,
        *,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.validation = validation
        self.retry_after = retry_after


class Sandbox:
    """Everything the routes and the websocket need. Made by `open_sandbox`."""

    def __init__(
        self,
        settings: Settings,
        recognizer: Recognizer,
        directory: Path,
        register: Register,
        nursery: trio.Nursery,
        *,
        troubles: Troubles,
        rng: Random | None = None,
        began: datetime | None = None,
    ) -> None:
        # What a defect keeps, it keeps for one sandbox, whoever else is made by these settings.
        self.settings = settings = replace(settings, defects=fresh(settings.defects))
        self.recognizer = recognizer
        self.troubles = troubles
        self._directory = directory
        self._register = register
        self._nursery = nursery
        # What concerns more than one session; what spoils one is its own.
        self._flaws = flaws(settings.defects, AudioFormat())
        self._entries: dict[str, Entry] = {}
        self._tokens: dict[bytes, Entry] = {}
        self.pool = Pool(settings.pending_bytes)
        self._running = 0
        self._rng = rng
        self._origin = (began or datetime.now(UTC), trio.current_time())
        self._retention = Retention(settings, self._entries.values, self.forget, self.now)
        self._post = PostOffice(
            settings.mail, self.now, durable=register.durable, lingering=settings.max_sessions
        )

    @property
    def began(self) -> datetime:
        """When it was opened."""
        return self._origin[0]

    def now(self) -> datetime:
        """The time of day, moved on by trio's clock, so that tests can let it fly."""
        wall, started = self._origin
        return wall + timedelta(seconds=trio.current_time() - started)

    def stamp(self) -> str:
        """`now` as the protocol writes it."""
        return written(self.now())

    async def refusals(self, body: object) -> list[Problem]:
        """What in `body` can be told wrong only by looking around: where callbacks would go."""
        refusal = await self._post.refusal(body)
        return [Problem("callback_config.url", refusal)] if refusal else []

    def init(
        self, body: object, region: str | None = None, refusals: Iterable[Problem] = ()
    ) -> Entry:
        """Open a session.

        `refusals`: what else is wrong with it.

        Raises:
            ApiError: 400, with everything that is wrong; 403 for a region that is not served; 429
                when as many sessions are live as may be; 503 when too many run for this machine;
                507 when their records may not take more room.
            DiskFull: there is none on the disk.
        """
        lenient = self.settings.unknown_fields == "accept"
        found = problems(body)
        wrong = [str(problem) for problem in found if not (problem.unknown and lenient)]
        wrong += map(str, refusals)
        if region is not None and region not in REGIONS:
            wrong.append(f'Query "region" must be one of {", ".join(REGIONS)}')
        if wrong:
            raise ApiError(400, "Validation error", wrong)
        assert isinstance(body, Mapping)
        if region is not None and region not in self.settings.regions:
            raise ApiError(403, f"Region {region} is not allowed")
        self._need_place()
        config = msgspec.convert(body, SessionConfig)
        if config.model not in MODELS:
            _log.warning("model %r: the service has only %s", config.model, ", ".join(MODELS))
        entry = self._open(config)
        if self._flaws.opens_twice:
            self._open(config)
        return entry

    def _open(self, config: SessionConfig) -> Entry:
        row = Row(id=self._draw(), token=self._draw(), created=self.stamp(), config=config)
        try:
            entry = self._add(row)
        except MachineError:
            remove(self._directory / row.id)
            raise
        try:
            self._register.save(row)
        except MachineError:
            self._discard(entry)
            raise
        self._warn_of_languages(entry)
        self._start(entry)
        return entry

    def _warn_of_languages(self, entry: Entry) -> None:
        known = self.recognizer.languages
        asked = entry.live.config.language_config.languages
        if known is not None and (other := [each for each in asked if each not in known]):
            _log.warning(
                "session %s asks for %s, but the %s recogniser understands %s alone: "
                "whatever is said is written, and marked, as that",
                entry.live.id,
                ", ".join(other),
                self.recognizer.name,
                ", ".join(sorted(known)),
            )

    def _need_place(self) -> None:
        """Whether there is room for one more session.

        Raises:
            ApiError: 429, 503, or 507.
        """
        if self._running >= self.settings.max_sessions:
            raise ApiError(503, "Too many sessions are running")
        try:
            self._retention.need(1)
        except DiskFull as error:
            raise ApiError(507, str(error)) from None
        limit = self.settings.concurrency
        if limit is None:
            return
        taking = (Stage.WAITING, Stage.OPEN)
        live = sum(entry.live.stage in taking for entry in self._entries.values())
        if live >= limit:
            sessions = f"{limit} live session" + "s" * (limit != 1)
            # When a place gets free depends on other clients; soon is as good a guess as any.
            raise ApiError(429, f"Too many requests: {sessions} at a time", retry_after=1)

    def _draw(self) -> str:
        """A name that nobody else has."""
        if self._rng is None:
            return str(uuid.uuid4())
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def restore(self, rows: Iterable[Row]) -> None:
        """Go on with the sessions that are on record, as far as their files can be used."""
        for gone in self._directory.glob(f"*{GONE}"):
            shutil.rmtree(gone, ignore_errors=True)
        for row in rows:
            if not (self._directory / row.id).exists():
                self._forget_row(row.id)  # it was deleted, down to this
                continue
            about = SESSION.set(row.id)
            try:
                entry = self._add(row)
            except MachineError as error:
                _log.error("session %s is left out: %s", row.id, error)
                continue
            finally:
                SESSION.reset(about)
            if entry.live.stage is not Stage.OVER or entry.mail.pending:
                self._start(entry)

    def _start(self, entry: Entry) -> None:
        self._running += 1
        entry.mail.open(entry.created_at)
        self._nursery.start_soon(self._run, entry)

    def _add(self, row: Row) -> Entry:
        directory, space = self._directory / row.id, self._retention.space()
        durable = self._register.durable
        store = Store(directory, row.config.format, durable=durable, space=space)
        kept: dict[str, Any] = {
            "store": store,
            "register": self._register,
            "settings": self.settings,
            "now": self.now,
        }
        over = bool(row.failure) or row.stage == Stage.OVER.name
        try:
            store.mend()
            mail = self._post.mail(row.id, row.config, directory, space=space, ended=over)
        except MachineError:
            store.close()
            raise
        if over:
            store.look_for_header()
            store.close()
            row.stage = Stage.OVER.name
            live = Session(row, **kept)
        else:
            live = LiveSession(row, recognizer=self.recognizer, mail=mail, **kept)
        entry = Entry(live=live, created=datetime.fromisoformat(row.created), mail=mail)
        self._entries[row.id] = self._tokens[_digest(row.token)] = entry
        return entry

    async def _run(self, entry: Entry) -> None:
        SESSION.set(entry.live.id)
        _log.info("session %s: opened", entry.live.id)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._post.deliver, entry.mail)
            try:
                await entry.live.run()
            finally:
                self._running -= 1
            _log.info("session %s: %s", entry.live.id, entry.status)
            self._post.close(entry.mail)

    def by_token(self, token: str) -> Session | None:
        entry = self._tokens.get(_digest(token))
        if entry is None:
            return None
        if self._flaws.forgets_sessions and entry.live.row.first_seen is not None:
            return None
        return entry.live

    def find(self, job_id: str) -> Entry:
        """The session of that id.

        Raises:
            ApiError: 404.
        """
        entry = self._entries.get(job_id)
        if entry is None:
            raise ApiError(404, "Not found")
        return entry

    @property
    def listening(self) -> int:
        """Sessions whose audio is being heard."""
        heard = (Stage.OPEN, Stage.STOPPED)
        return sum(entry.live.stage in heard for entry in self._entries.values())

    @property
    def behind(self) -> float:
        """Seconds of audio that wait for recognition, where most do."""
        return max((entry.live.behind for entry in self._entries.values()), default=0.0)

    def newest_first(self) -> Iterator[Entry]:
        return reversed(self._entries.values())

    def delete(self, job_id: str) -> None:
        """Forget a session that has ended; that needs no room on the disk.

        Raises:
            ApiError: 404, or 403 while it runs.
        """
        entry = self.find(job_id)
        if entry.status not in ("done", "error"):
            raise ApiError(403, "The job is still running")
        self.forget(entry)

    def forget(self, entry: Entry) -> None:
        """Remove everything of a session that has ended.

        Its files go first: a row without them counts for nothing, and on a full disk it is they
        that make room for the register's change.
        """
        self._discard(entry)
        self._forget_row(entry.live.id)

    def _discard(self, entry: Entry) -> None:
        entry.live.discard()
        entry.mail.cancel()
        entry.live.store.delete()
        del self._entries[entry.live.id], self._tokens[_digest(entry.token)]

    def _forget_row(self, session_id: str) -> None:
        try:
            self._register.delete(session_id)
        except MachineError as error:
            _log.warning("session %s is gone, but for its row: %s", session_id, error)

    async def retire(self) -> None:
        """Remove sessions when their time is over."""
        await self._retention.run()

    def keeps(self, entry: Entry) -> bool:
        """Is this session still there?"""
        return self._entries.get(entry.live.id) is entry

    def annotate(self, entry: Entry, metadata: dict[str, Any]) -> None:
        """Attach `metadata` to a session.

        Raises:
            MachineError: it cannot be kept.
        """
        entry.live.row.post_metadata = metadata
        self._register.save(entry.live.row)

    async def go_away(self) -> None:
        """Close every open connection with 1001, and wait until they are gone."""
        async with trio.open_nursery() as nursery:
            for entry in self._entries.values():
                nursery.start_soon(entry.live.go_away)

    def job(self, entry: Entry) -> Job:
        """What `GET /v2/live/{id}` tells."""
        return jobs.job(entry)


def _digest(token: str) -> bytes:
    """What tokens are looked up by: how long that takes tells nothing of a token."""
    return sha256(token.encode(errors="surrogatepass")).digest()


@asynccontextmanager
async def open_sandbox(
    settings: Settings,
    recognizer: Recognizer,
    *,
    rng: Random | None = None,
    began: datetime | None = None,
) -> AsyncIterator[Sandbox]:
    """A sandbox that goes on with the sessions in its directory, and whose sessions live as long
    as the block; then all of them are cut short.

    Args:
        rng: draws ids and tokens, which can then be guessed: for simulations alone.
        began: the time of day at which it opens, when that is not now.

    Raises:
        MachineError: the directory cannot be used, or is in use.
    """
    with (
        kept_troubles(settings.api_key) as troubles,
        open_directory(settings.data) as directory,
        open_register(directory, durable=settings.data is not None) as register,
    ):
        rows = register.rows()
        try:
            async with trio.open_nursery() as nursery:
                sandbox = Sandbox(
                    settings,
                    recognizer,
                    directory,
                    register,
                    nursery,
                    troubles=troubles,
                    rng=rng,
                    began=began,
                )
                sandbox.restore(rows)
                nursery.start_soon(sandbox.retire)
                yield sandbox
                nursery.cancel_scope.cancel()
        finally:
            recognizer.close()
