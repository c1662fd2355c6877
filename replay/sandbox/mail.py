"""Everything a session tells by HTTP: callbacks to its client's URL, webhooks to the operator's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import trio

from replay.sandbox.courier import Carry, Courier, Terms
from replay.sandbox.files import Space
from replay.sandbox.postbook import Postbook, Written
from replay.sandbox.poster import HttpPoster, Poster
from replay.sandbox.reach import OutOfReach, Pattern, Reach
from replay.wire import messages as m
from replay.wire import posting, signing
from replay.wire.config import CallbackConfig, SessionConfig
from replay.wire.gating import wanted

_CALLBACKS, _WEBHOOKS = "callbacks.jsonl", "webhooks.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """Attributes:
    allowed: whom callbacks may go to besides programs on this machine.
    webhook_url: where every session's lifecycle is told; the operator's word is enough.
    webhook_key: signs webhooks.
    """

    allowed: tuple[Pattern, ...] = ()
    webhook_url: str | None = None
    webhook_key: bytes | None = field(default=None, repr=False)
    terms: Terms = field(default_factory=Terms)


class PostOffice:
    """Makes sessions' mail. Shared by all sessions of a sandbox."""

    def __init__(
        self,
        settings: MailSettings,
        now: Callable[[], datetime],
        *,
        durable: bool,
        lingering: int,
        poster: Poster | None = None,
        reach: Reach | None = None,
    ) -> None:
        """`durable`: somebody may go on with it after the sandbox's death; `lingering`: of how many
        sessions that have ended something may be left to post."""
        self._settings = settings
        self._now = now
        self._durable = durable
        self._poster = poster or HttpPoster()
        self._reach = reach or Reach(settings.allowed)
        self._most_lingering = lingering
        self._lingering: dict[Mail, None] = {}

    async def refusal(self, config: object) -> str:
        """Why nothing can be posted as this body of a request asks for it; "" when it can."""
        match config:
            case {"callback": True, "callback_config": {"url": str(url)}}:
                try:
                    await self._reach.find(url)
                except OutOfReach as error:
                    return str(error)
            case {"callback": True}:
                return "is required with callback"
        return ""

    def mail(
        self,
        session_id: str,
        config: SessionConfig,
        directory: Path,
        *,
        space: Space,
        ended: bool = False,
    ) -> Mail:
        """One session's; of one that has `ended`, what it still owes. Records go into `space`.

        Raises:
            MachineError: its records cannot be used.
        """

        def courier(file: str, carry: Carry, url: str) -> Courier | None:
            path = directory / file if self._durable else None
            if ended and not (path and path.exists()):
                return None
            name = f"session {session_id}: {file.removesuffix('.jsonl')}"
            # Whoever is told puts what only they may know into their URL.
            made = Courier(name, Postbook(path, space), carry, self._settings.terms, secrets=(url,))
            if ended and not made.pending:
                made.shut()
                return None
            return made

        callbacks, wants = None, config.callback_config
        if config.callback and isinstance(wants, CallbackConfig) and isinstance(wants.url, str):
            callbacks = courier(_CALLBACKS, partial(self._call_back, wants.url), wants.url)
        webhooks, url = None, self._settings.webhook_url
        if url is not None:
            webhooks = courier(_WEBHOOKS, partial(self._tell_hook, url, session_id), url)
        return Mail(session_id, config, callbacks, webhooks)

    async def deliver(self, mail: Mail) -> None:
        """Deliver until there is nothing more to come and to deliver, or time is up."""
        try:
            await mail.run()
        finally:
            self._lingering.pop(mail, None)

    def close(self, mail: Mail) -> None:
        """The session of `mail` has ended, and its place is another's: where too many such have
        something left to post, the one that ended first is given up."""
        mail.close()
        if not mail.receivers:
            return
        self._lingering[mail] = None
        if len(self._lingering) > self._most_lingering:
            first = next(iter(self._lingering))
            del self._lingering[first]
            first.give_up()

    async def _call_back(self, url: str, post: Written) -> str:
        try:
            place = await self._reach.find(url)
        except OutOfReach as error:
            return f"the URL {error}"
        return await self._poster.post(place, {}, post.body)

    async def _tell_hook(self, url: str, session_id: str, post: Written) -> str:
        try:
            place = await self._reach.find(url, trusted=True)
        except OutOfReach as error:
            return f"the URL {error}"
        return await self._poster.post(place, self._signed(session_id, post), post.body)

    def _signed(self, session_id: str, post: Written) -> dict[str, str]:
        key = self._settings.webhook_key
        if key is None:
            return {}
        # The same at every try, also after a restart: by it a receiver knows what it had before.
        post_id = f"msg_{session_id}_{post.number}"
        return signing.sign(key, post_id, int(self._now().timestamp()), post.body)


class Mail:
    """One session's; without any receiver it does nothing."""

    def __init__(
        self,
        session_id: str,
        config: SessionConfig,
        callbacks: Courier | None,
        webhooks: Courier | None,
    ) -> None:
        self._id = session_id
        self._wants = config.callback_config
        self._callbacks = callbacks
        self._webhooks = webhooks
        self._couriers = [each for each in (callbacks, webhooks) if each is not None]

    @property
    def receivers(self) -> int:
        """How many there are to post to."""
        return len(self._couriers)

    @property
    def pending(self) -> bool:
        """Is something owed?"""
        return any(each.pending for each in self._couriers)

    @property
    def takes_finals(self) -> bool:
        """Are transcripts that are final posted?"""
        wants = self._wants
        return (
            self._callbacks is not None
            and isinstance(wants, CallbackConfig)
            and wants.receive_final_transcripts
        )

    def open(self, stamp: str) -> None:
        """Tell that the session was opened at `stamp`, unless that was done before."""
        if self._couriers:
            self.put(m.StartSession(session_id=self._id, created_at=stamp))

    def put(self, message: m.Message, key: str = "") -> None:
        """Post `message`, as it is on the websocket, to those who want it. What has the `key` of
        an earlier one tells the same, and is not posted again."""
        wants = self._wants
        if self._callbacks and isinstance(wants, CallbackConfig) and wanted(message, wants):
            body = posting.callback_body(self._id, message)
            self._callbacks.put(key or posting.once(message), body, passing=_passing(message))
        if self._webhooks is not None and posting.is_hook(message):
            self._webhooks.put(posting.once(message), posting.webhook_body(self._id, message))

    async def run(self) -> None:
        """Deliver until there is nothing more to come and to deliver, or time is up."""
        async with trio.open_nursery() as nursery:
            for courier in self._couriers:
                nursery.start_soon(courier.run)

    def close(self) -> None:
        """The session has ended."""
        for courier in self._couriers:
            courier.close()

    def give_up(self) -> None:
        """Nothing more is posted of what is left."""
        for courier in self._couriers:
            courier.give_up()

    def cancel(self) -> None:
        """The session is deleted."""
        for courier in self._couriers:
            courier.cancel()


def _passing(message: m.Message) -> bool:
    match message:
        case m.Transcript(data=m.TranscriptData(is_final=False)):
            return True
        case m.AudioAck() | m.SpeechStart() | m.SpeechEnd():
            return True
    return False
