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
from replay.errors import ConnectFailed, ConnectionLost, ReplayError
from replay.ledger import Finding
from replay.opening import init, request_body
from replay.recorder import ListRecorder, Recorder
from replay.session import Outcome, Over, Policy, Retry, SendAudio, SendStop, Session, Wait
from replay.spill import Spill
from replay.tasks import open_flat_nursery
from replay.transport import Service, Wire
from replay.wire import config as c
from replay.wire import http
from replay.wire import messages as m
from replay.wire.closing import ABNORMAL, NORMAL

#: A connection without traffic is asked for a sign of life so often, in seconds.
_PING_SECONDS = 10.0
_POLL_SECONDS = 0.5
#: Of each kind of finding so many are journalled; a broken peer must not fill the disk.
_FINDINGS_EACH = 100

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
        self.opened = trio.Event()
        self._service = service
        self._ticket = ticket
        self._session = session
        self._recorder = recorder
        self._spill = spill
        self._wire: Wire | None = None
        self._wake = trio.Event()
        self._moved = trio.Event()
        self._out, self._in = trio.open_memory_channel[m.Received](float("inf"))
        self._aborted: Literal["silence", "ping", "timeout", "ended"] | None = None
        self._findings: dict[str, int] = {}

    # ------------------------------------------------------------ for the caller

    async def send(self, data: bytes) -> None:
        """Audio to deliver: whole frames of the session's format. Never waits for the network.

        Raises:
            ValueError: part of a frame, or after `stop`.
            MachineError: the disk took no more of a long backlog.
        """
        self._session.push(data)
        self._wake.set()
        for offset, piece in self._session.buffer.overflow(self._session.policy.memory_limit):
            await self._spill.write(offset, piece)

    def stop(self) -> None:
        """There is no more audio: ask the service to finish. May be called at any time."""
        if not self._session.stop_owed:
            self._recorder.write(j.StopAsked(t=self._recorder.now()))
        self._session.stop()
        self._wake.set()

    @property
    def unsent(self) -> int:
        """Bytes that wait for the network."""
        return self._session.unsent

    async def wait_unsent_at_most(self, size: int) -> None:
        """Wait until no more than `size` bytes wait for the network, or the session is over."""
        while self.unsent > size and self.ended is None:
            self._moved = trio.Event()
            await self._moved.wait()

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
        """Close the connection in the way that lets the service finish the session by itself."""
        if self._wire is not None:
            self._aborted = "ended"
            await self._wire.close(NORMAL)

    # ------------------------------------------------------------ connections

    async def run(self) -> None:
        """Keep the session connected until it is over, then fetch what it came to."""
        with self._out:
            over = await self._connect_until_over()
            self.ended = await self._settle(over)
            self._moved.set()
            self._recorder.write(
                j.Ended(
                    t=self._recorder.now(),
                    outcome=self.ended.outcome,
                    code=self.ended.code,
                    detail=self.ended.detail,
                )
            )

    async def _connect_until_over(self) -> Over:
        while True:
            step = await self._attempt()
            if isinstance(step, Over):
                return step
            self._recorder.write(
                j.Backoff(
                    t=self._recorder.now(),
                    until=self._recorder.at(step.at),
                    attempt=step.attempt,
                )
            )
            await trio.sleep_until(step.at)

    async def _attempt(self) -> Retry | Over:
        session, recorder = self._session, self._recorder
        attempt, connection = session.connecting(), session.connections + 1
        recorder.write(j.Connecting(t=recorder.now(), connection=connection, attempt=attempt))
        deadline = trio.current_time() + session.policy.connect_timeout
        step: Retry | Over | None = None
        try:
            async with self._service.dial(self._ticket.url, deadline) as wire:
                step = await self._use(wire, attempt)
        except ConnectFailed as error:
            recorder.write(
                j.ConnectRefused(
                    t=recorder.now(),
                    connection=connection,
                    attempt=attempt,
                    error=str(error),
                    status=error.status,
                    retry_after=error.retry_after,
                )
            )
            step = session.refused(
                trio.current_time(),
                status=error.status,
                retry_after=error.retry_after,
                reason=str(error),
            )
        except ConnectionLost as lost:
            # The connection broke down from inside while it was used.
            step = step or self._lost(lost)
        finally:
            self._wire = None
        return step

    async def _use(self, wire: Wire, attempt: int) -> Retry | Over:
        resume_at = self._session.opened(trio.current_time())
        self._recorder.write(
            j.Connected(
                t=self._recorder.now(),
                connection=self._session.connections,
                attempt=attempt,
                resume_at=resume_at,
                tcp_ns=round(wire.steps.tcp * 1e9),
                tls_ns=round(wire.steps.tls * 1e9),
                upgrade_ns=round(wire.steps.upgrade * 1e9),
            )
        )
        self._wire = wire
        self.opened.set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, wire)
            nursery.start_soon(self._watch, wire)
            nursery.start_soon(self._ping, wire)
            lost = await self._receive(wire)
            nursery.cancel_scope.cancel()
        return self._lost(lost)

    def _lost(self, lost: ConnectionLost) -> Retry | Over:
        cause = self._aborted or ("wire" if lost.code == ABNORMAL else "closed")
        self._aborted = None
        self._recorder.write(
            j.Lost(
                t=self._recorder.now(),
                connection=self._session.connections,
                code=lost.code,
                cause=cause,
                reason=lost.reason,
                unacked=self._session.ledger.in_flight,
            )
        )
        if cause == "timeout":
            return self._session.timed_out()
        return self._session.lost(trio.current_time(), lost.code, lost.reason)

    # ------------------------------------------------------------ the tasks of one connection

    async def _send(self, wire: Wire) -> None:
        session = self._session
        while True:
            action = session.next_send(trio.current_time())
            if session.caught_up():
                self._recorder.write(
                    j.CaughtUp(t=self._recorder.now(), connection=session.connections)
                )
            try:
                match action:
                    case SendAudio():
                        await self._send_audio(wire, action)
                    case SendStop():
                        await self._send_stop(wire, action)
                    case Wait(until=until):
                        with trio.move_on_at(until):
                            await self._wake.wait()
                        self._wake = trio.Event()
            except ConnectionLost:
                return  # the receiver sees it too, and says so

    async def _send_audio(self, wire: Wire, action: SendAudio) -> None:
        stop = action.offset + action.size
        data = self._session.buffer.read(action.offset, stop)
        if data is None:
            data = await self._spill.read(action.offset, action.size)
        as_text = self._session.policy.json_frames or not data
        frame = m.audio_frame(data) if as_text else data
        now = trio.current_time()
        self._session.record_sent(action, now)
        await wire.send(frame)
        self._moved.set()
        self._recorder.write(
            j.Frame(
                t=self._recorder.at(now),
                done=self._recorder.now(),
                connection=self._session.connections,
                offset=action.offset,
                size=action.size,
            )
        )

    async def _send_stop(self, wire: Wire, action: SendStop) -> None:
        now = trio.current_time()
        self._session.record_sent(action, now)
        await wire.send(m.STOP_RECORDING)
        self._recorder.write(
            j.StopSent(
                t=self._recorder.at(now),
                done=self._recorder.now(),
                connection=self._session.connections,
            )
        )

    async def _receive(self, wire: Wire) -> ConnectionLost:
        while True:
            try:
                stamp, frame = await wire.receive()
            except ConnectionLost as lost:
                return lost
            self._take(stamp, frame)

    def _take(self, stamp: float, frame: str | bytes) -> None:
        message = m.decode(frame)
        findings = self._session.received(message, stamp)
        t = self._recorder.at(stamp)
        if isinstance(message, m.AudioAck) and message.acknowledged and message.data is not None:
            start, end = message.data.byte_range
            self._recorder.write(
                j.Ack(
                    t=t,
                    connection=self._session.connections,
                    start=start,
                    end=end,
                    upto=self._session.ledger.acked,
                    created_at=message.created_at,
                )
            )
        else:
            self._record_message(t, frame)
        self.report(findings)
        if isinstance(message, m.PostFinalTranscript):
            self.result = message.data
        if not isinstance(message, m.AudioAck):
            self._out.send_nowait(message)
        self._wake.set()

    def _record_message(self, t: int, frame: str | bytes) -> None:
        body = j.raw(frame)
        connection = self._session.connections
        if body is None:
            text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
            self._recorder.write(j.Received(t=t, connection=connection, text=text))
        else:
            self._recorder.write(j.Received(t=t, connection=connection, body=body))

    def report(self, findings: list[Finding]) -> None:
        """Put findings into the journal, each kind up to a limit."""
        for finding in findings:
            seen = self._findings[finding.invariant] = 1 + self._findings.get(finding.invariant, 0)
            if seen <= _FINDINGS_EACH:
                self._recorder.write(
                    j.Observation(
                        t=self._recorder.now(),
                        invariant=finding.invariant,
                        severity=finding.severity,
                        detail=finding.detail,
                        at=dict(finding.at),
                    )
                )

    async def _watch(self, wire: Wire) -> None:
        """End a connection that acknowledges nothing any more, or the waiting for its end."""
        pause = self._session.policy.ack_timeout / 5
        while True:
            now = trio.current_time()
            silent_at, ends_at = self._session.silent_at(), self._session.ends_at()
            if now >= min(silent_at, ends_at):
                self._aborted = "silence" if silent_at <= ends_at else "timeout"
                await wire.abort()
                return
            await trio.sleep_until(min(silent_at, ends_at, now + pause))

    async def _ping(self, wire: Wire) -> None:
        """End a connection that does not answer, also when no acknowledgement is due."""
        while True:
            await trio.sleep(_PING_SECONDS)
            answered = False
            try:
                with trio.move_on_after(self._session.policy.ack_timeout):
                    await wire.ping()
                    answered = True
            except ConnectionLost:
                return
            if not answered:
                self._aborted = "ping"
                await wire.abort()
                return

    # ------------------------------------------------------------ the end

    async def _settle(self, over: Over) -> Ended:
        """Fetch the job, and say how the session ended."""
        stopped = self._session.stop_acked or over.outcome is Outcome.COMPLETE
        patience = self._session.policy.end_timeout if stopped else _PING_SECONDS
        job = await self._fetch_job(trio.current_time() + patience)
        done = job is not None and job.ended
        if job is not None and job.result is not None and self.result is None:
            self.result = job.result
        match over.outcome:
            case Outcome.COMPLETE:
                return Ended("complete", over.code, over.detail)
            case Outcome.ENDED if done and self._session.stop_owed:
                return Ended("recovered", over.code, over.detail)
            case Outcome.TIMEOUT | Outcome.GAVE_UP if done and self._session.stop_acked:
                return Ended("recovered", over.code, over.detail)
            case Outcome.TIMEOUT:
                return Ended("timeout", over.code, over.detail)
            case Outcome.GAVE_UP:
                return Ended("gave_up", over.code, over.detail)
            case _:
                return Ended("refused", over.code, over.detail)

    async def _fetch_job(self, deadline: float) -> http.Job | None:
        """The job once it has ended, or as it was when time was up; None without an answer."""
        path = http.job_path(self.id)
        job: http.Job | None = None
        with trio.CancelScope(deadline=deadline):
            while True:
                t, status, error = self._recorder.now(), 200, ""
                try:
                    body, job = await self._service.job(self.id)
                except ReplayError as failed:
                    status, error = getattr(failed, "status", None) or 0, str(failed)
                self._recorder.write(
                    j.Http(
                        t=t,
                        done=self._recorder.now(),
                        method="GET",
                        path=path,
                        status=status,
                        error=error,
                    )
                )
                if 400 <= status < 500 and status != 429:
                    return None
                if job is not None and not error and job.ended:
                    raw = j.raw(body)
                    assert raw is not None, "it was decoded just now"
                    self._recorder.write(j.Result(t=self._recorder.now(), body=raw))
                    return job
                await trio.sleep(_POLL_SECONDS)
        return job


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
            yield live
            if live.ended is None:
                await live.leave()
                nursery.cancel_scope.cancel()
