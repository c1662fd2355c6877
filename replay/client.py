"""A live transcription session that outlives its connections.

::

    async with open_session(service, {"language_config": {"languages": ["en"]}}) as session:
        await session.send(pcm)
        session.stop()
        async for message in session:
            ...
    session.result

Audio goes in at any time, also while there is no connection; messages come out in the order in
which they arrived; reconnection, re-sending and the repetition of `stop_recording` happen inside.
The iteration ends when the service has finished, and the result has been fetched.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import IO, Any, Literal

import trio

from replay import journal as j
from replay.connector import Connector
from replay.opening import init, request_body
from replay.recorder import ListRecorder, Recorder
from replay.recording import fetch_job
from replay.session import Outcome, Over, Policy, Session
from replay.spill import Spill
from replay.tasks import open_flat_nursery
from replay.transport import Service
from replay.wire import config as c
from replay.wire import messages as m
from replay.wire.closing import NORMAL

#: A session that may go on for long without us: its job is asked for during so many seconds.
_UNENDED_PATIENCE = 10.0

Ending = Literal["complete", "recovered", "gave_up", "refused", "interrupted", "timeout"]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a session ended; see `journal.Ended` for the outcomes."""

    outcome: Ending
    code: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A session that exists: what a machine needs to join it, and nothing else."""

    id: str
    url: str = field(repr=False)  # holds the session's token


class LiveSession:
    """One session. Made by `open_session`.

    Attributes:
        id: the service's name for it.
        config: the configuration with its defaults filled in.
        result: what it came to, once the iteration has ended; None if that could not be had.
        ended: how it ended, once it has.
    """

    def __init__(
        self,
        service: Service,
        ticket: Ticket,
        config: c.SessionConfig,
        session: Session,
        recorder: Recorder,
        spill: Spill,
    ) -> None:
        self.id = ticket.id
        self.config = config
        self.result: m.FinalResult | None = None
        self.ended: Ended | None = None
        self._service = service
        self._ticket = ticket
        self._session = session
        self._recorder = recorder
        self._spill = spill
        self._out, self._in = trio.open_memory_channel[m.Received](float("inf"))
        self._connector = Connector(service, ticket.url, session, recorder, spill, self._out)

    # ------------------------------------------------------------ for the caller

    async def send(self, data: bytes) -> None:
        """Audio to deliver: whole frames of the session's format. Never waits for the network.

        Once the session is over (`ended`, or the iteration's end) what is sent goes nowhere. A
        cancelled call has still taken the audio.

        Raises:
            ValueError: part of a frame, or after `stop`.
            MachineError: the disk took no more of a long backlog.
        """
        self._session.push(data)
        self._connector.wake.set()
        await trio.lowlevel.checkpoint()
        buffer = self._session.buffer
        for offset, piece in buffer.overflow(self._session.policy.memory_limit):
            await self._spill.write(offset, piece)
            buffer.spilled(offset + len(piece))

    def stop(self) -> None:
        """There is no more audio: ask the service to finish. May be called at any time."""
        if not self._session.stop_owed:
            self._recorder.write(j.StopAsked(t=self._recorder.now()))
        self._session.stop()
        self._connector.wake.set()

    @property
    def unsent(self) -> int:
        """Bytes that wait for the network."""
        return self._session.unsent

    async def wait_unsent_at_most(self, size: int) -> None:
        """Wait until no more than `size` bytes wait for the network, or the session is over."""
        while self.unsent > size and self.ended is None:
            if self._connector.moved.is_set():
                self._connector.moved = trio.Event()
            await self._connector.moved.wait()

    async def wait_opened(self) -> None:
        """Wait for the first connection, or for the session being over without one."""
        await self._connector.opened.wait()

    def __aiter__(self) -> LiveSession:
        return self

    async def __anext__(self) -> m.Received:
        """The next message, acknowledgements of audio left out."""
        try:
            return await self._in.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    async def download(self, into: IO[bytes]) -> int:
        """Write the service's recording, a WAV file, to `into`; how many bytes it had.

        Raises:
            Refused, TransportError: the service did not give it out.
        """
        return await self._service.download(self.id, into)

    async def leave(self) -> None:
        """Close the connection in the way that lets the service finish the session by itself.

        Without a connection nothing can be said: the service waits its time, then finishes.
        """
        if self._connector.wire is not None:
            self._connector.aborted = "ended"
            await self._connector.wire.close(NORMAL)

    # ------------------------------------------------------------ the end

    async def run(self) -> None:
        """Keep the session connected until it is over, then fetch what it came to."""
        with self._out:
            over = await self._connector.run()
            self._end(await self._settle(over))

    def interrupt(self) -> None:
        """The caller has left before the end."""
        if self.ended is None:
            self._end(Ended("interrupted"))

    def _end(self, ended: Ended) -> None:
        self.ended = ended
        self._connector.moved.set()
        self._connector.opened.set()
        self._recorder.write(
            j.Ended(
                t=self._recorder.now(),
                outcome=ended.outcome,
                code=ended.code,
                detail=ended.detail,
            )
        )

    async def _settle(self, over: Over) -> Ended:
        """Fetch the job, and say how the session ended."""
        if over.outcome is Outcome.LEFT:
            return Ended("interrupted")
        ends = self._session.stop_acked or over.outcome in (Outcome.COMPLETE, Outcome.ENDED)
        patience = self._session.policy.end_timeout if ends else _UNENDED_PATIENCE
        job = await fetch_job(
            self._service, self.id, self._recorder, trio.current_time() + patience
        )
        done = job is not None and job.ended
        self.result = self._connector.final or (job.result if job is not None else None)
        match over.outcome:
            case Outcome.COMPLETE:
                return Ended("complete", over.code, over.detail)
            case Outcome.ENDED | Outcome.TIMEOUT | Outcome.GAVE_UP if done and self._heard_stop:
                return Ended("recovered", over.code, over.detail)
            case Outcome.TIMEOUT:
                return Ended("timeout", over.code, over.detail)
            case Outcome.GAVE_UP:
                return Ended("gave_up", over.code, over.detail)
            case _:
                return Ended("refused", over.code, over.detail)

    @property
    def _heard_stop(self) -> bool:
        """May the service have heard that the audio is over, and so all of it?"""
        return self._session.stop_sent or self._session.stop_acked


@asynccontextmanager
async def open_session(
    service: Service,
    config: Mapping[str, Any] | None = None,
    *,
    ticket: Ticket | None = None,
    region: str | None = None,
    policy: Policy | None = None,
    speed: float = 1.0,
    recorder: Recorder | None = None,
    rng: Random | None = None,
    spill: Spill | None = None,
) -> AsyncIterator[LiveSession]:
    """Open a session, or join the one of `ticket`; on leaving early the service finishes it alone.

    Args:
        config: the body of `POST /v2/live`; acknowledgements are always asked for. With `ticket`,
            what the session was opened with.
        region: of the service, as it names them.
        speed: of the audio, times real time, for the rate at which a backlog is caught up; 0 for
            no limit.
        recorder: takes the journal.
        rng: draws the back-off times.
        spill: where a backlog beyond `policy.memory_limit` goes; by default a temporary file.

    Raises:
        ConfigError: before any request, when the service would refuse the configuration.
        Refused, TransportError: no session could be opened.
    """
    body = request_body(config or {})
    typed = c.complete(body)
    policy, rng, recorder = (
        policy or Policy(),
        rng or Random(),  # noqa: S311 - spreads attempts, guards nothing
        recorder or ListRecorder(keep=False),
    )
    if ticket is None:
        answer = await init(service, body, region, policy, rng, recorder)
        ticket = Ticket(answer.id, answer.url)
        joined = False
    else:
        joined = True
    session = Session(typed.format, policy, rng, speed=speed, joined=joined)
    async with spill or Spill() as store:
        live = LiveSession(service, ticket, typed, session, recorder, store)
        async with open_flat_nursery() as nursery:
            nursery.start_soon(live.run)
            try:
                yield live
                await live.leave()
            finally:
                live.interrupt()
            nursery.cancel_scope.cancel()
