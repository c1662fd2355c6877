"""Keeping a session connected: attempts, and the tasks of one connection.

`Connector` carries out what `session.Session` says and tells it what happened. Each connection has
four tasks: one receives (stamps first, never waits for anybody), one sends, one watches for
silence, one pings; they end together.
"""

from __future__ import annotations

import math
from typing import Literal

import trio

from replay import journal as j
from replay.errors import ConnectFailed, ConnectionLost
from replay.ledger import Finding
from replay.recorder import Recorder
from replay.session import Over, Retry, SendAudio, SendStop, Session, Wait
from replay.spill import Spill
from replay.transport import Service, Wire
from replay.wire import messages as m
from replay.wire.closing import ABNORMAL

#: A connection is asked for a sign of life so often, in seconds.
PING_SECONDS = 10.0
#: Of each kind of finding so many are journalled; a broken peer must not fill the disk.
_FINDINGS_EACH = 100


class Connector:
    """Attributes:
    opened: set when the first connection is open.
    wake: set when there may be something to send. Nothing that is received makes it so.
    moved: set when something was sent.
    final: the end result, once it came over a connection.
    wire: the open connection, if there is one.
    aborted: why we end the connection ourselves, if we do.
    """

    def __init__(
        self,
        service: Service,
        url: str,
        session: Session,
        recorder: Recorder,
        spill: Spill,
        out: trio.MemorySendChannel[m.Received],
    ) -> None:
        self.opened = trio.Event()
        self.wake = trio.Event()
        self.moved = trio.Event()
        self.final: m.FinalResult | None = None
        self.wire: Wire | None = None
        self.aborted: Literal["silence", "ping", "timeout", "ended"] | None = None
        self._service = service
        self._url = url
        self._session = session
        self._recorder = recorder
        self._spill = spill
        self._out = out
        self._findings: dict[str, int] = {}

    async def run(self) -> Over:
        """Keep the session connected until it is over."""
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
            async with self._service.dial(self._url, deadline) as wire:
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
            self.wire = None
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
        self.wire = wire
        self.opened.set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, wire)
            nursery.start_soon(self._watch, wire)
            nursery.start_soon(self._ping, wire)
            lost = await self._receive(wire)
            nursery.cancel_scope.cancel()
        return self._lost(lost)

    def _lost(self, lost: ConnectionLost) -> Retry | Over:
        cause = self.aborted or ("wire" if lost.code == ABNORMAL else "closed")
        self.aborted = None
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
        if cause == "ended":
            return self._session.left()
        return self._session.lost(trio.current_time(), lost.code, lost.reason)

    # ------------------------------------------------------------ the tasks of one connection

    async def _send(self, wire: Wire) -> None:
        try:
            while True:
                # One scope for many pauses: to make one for each takes as long as masking a chunk.
                with trio.CancelScope() as pause:
                    await self._send_until(wire, pause)
        except ConnectionLost:
            return  # the receiver sees it too, and says so

    async def _send_until(self, wire: Wire, pause: trio.CancelScope) -> None:
        """Send what there is to send, until only time has to pass and `pause` has let it."""
        session = self._session
        while True:
            action = session.next_send(trio.current_time())
            if session.caught_up():
                self._recorder.write(
                    j.CaughtUp(t=self._recorder.now(), connection=session.connections)
                )
            match action:
                case SendAudio():
                    await self._send_audio(wire, action)
                case SendStop():
                    await self._send_stop(wire, action)
                case Wait(until=until):
                    pause.deadline = until
                    await self.wake.wait()
                    self.wake = trio.Event()
                    pause.deadline = math.inf
                    if pause.cancel_called:  # in the same moment: it must not cut a frame in two
                        return

    async def _send_audio(self, wire: Wire, action: SendAudio) -> None:
        stop = action.offset + action.size
        data = self._session.buffer.read(action.offset, stop)
        if data is None:
            # Read before anything is put down: a cancelled reading has sent nothing.
            data = await self._spill.read(action.offset, action.size)
        as_text = self._session.policy.json_frames or not data
        frame = m.audio_frame(data) if as_text else data
        now = trio.current_time()
        self._session.record_sent(action, now)
        try:
            await wire.send(frame)
        finally:
            # Also when it failed: some of it may have arrived.
            self._recorder.write(
                j.Frame(
                    t=self._recorder.at(now),
                    done=self._recorder.now(),
                    connection=self._session.connections,
                    offset=action.offset,
                    size=action.size,
                )
            )
        self.moved.set()

    async def _send_stop(self, wire: Wire, action: SendStop) -> None:
        now = trio.current_time()
        self._session.record_sent(action, now)
        try:
            await wire.send(m.STOP_RECORDING)
        finally:
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
        self._report(findings)
        if isinstance(message, m.PostFinalTranscript):
            self.final = message.data
        if not isinstance(message, m.AudioAck):
            self._out.send_nowait(message)

    def _record_message(self, t: int, frame: str | bytes) -> None:
        body = j.raw(frame)
        connection = self._session.connections
        if body is None:
            text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
            self._recorder.write(j.Received(t=t, connection=connection, text=text))
        else:
            self._recorder.write(j.Received(t=t, connection=connection, body=body))

    def _report(self, findings: list[Finding]) -> None:
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
                self.aborted = "silence" if silent_at <= ends_at else "timeout"
                await wire.abort()
                return
            await trio.sleep_until(min(silent_at, ends_at, now + pause))

    async def _ping(self, wire: Wire) -> None:
        """End a connection that does not answer, also when no acknowledgement is due."""
        while True:
            await trio.sleep(PING_SECONDS)
            answered = False
            try:
                with trio.move_on_after(self._session.policy.ack_timeout):
                    await wire.ping()
                    answered = True
            except ConnectionLost:
                return
            if not answered:
                self.aborted = "ping"
                await wire.abort()
                return
