"""One session: it outlives its connections, and ends once.

A session is driven from two sides. `serve` is one connection's life; `run` is the session's own,
from its creation to its end. They share the outbox, the intake and a few facts, and both belong
to one trio thread, so that between two awaits nothing changes.

The end comes in this order (protocol 6): the audio is over (stop, a normal close by the client,
nobody there for too long, nothing coming for too long, too much audio), everything recorded is
heard, the result is filed and can be fetched, the last messages are queued, a client that is
there or comes back gets them and close 1000, and from then on every connection gets 4403.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum

import trio

from replay.errors import ConnectionLost, MachineError, ReplayError
from replay.sandbox import result
from replay.sandbox.connection import Connection
from replay.sandbox.intake import Intake
from replay.sandbox.listening import Listening
from replay.sandbox.outbox import Outbox
from replay.sandbox.outgoing import Outgoing
from replay.sandbox.recognizers.base import Recognizer
from replay.sandbox.schedule import Signal
from replay.sandbox.seat import Seat
from replay.sandbox.settings import Settings
from replay.sandbox.store import Store
from replay.wire import closing
from replay.wire import messages as m
from replay.wire.config import SessionConfig

_log = logging.getLogger(__name__)

_INTERNAL_ERROR = 1011


class Stage(Enum):
    """How far a session has come."""

    WAITING = "nobody has connected yet"
    OPEN = "audio is taken in"
    STOPPED = "the audio is over"
    CONCLUDED = "the result is there"
    OVER = "nothing more is delivered"


class LiveSession:
    """One session.

    Attributes:
        stage: how far it has come.
        failure: why it broke down, or None.
        result: what it came to, without its text; None before the end.
        first_seen: trio time of the first connection, or None.
        ended_at: when it concluded or broke down, as the protocol writes it.
    """

    def __init__(
        self,
        session_id: str,
        config: SessionConfig,
        *,
        store: Store,
        recognizer: Recognizer,
        settings: Settings,
        stamp: Callable[[], str],
    ) -> None:
        self.id = session_id
        self.config = config
        self.store = store
        self.stage = Stage.WAITING
        self.failure: ReplayError | None = None
        self.result: m.ResultMetadata | None = None
        self.first_seen: float | None = None
        self.ended_at: str | None = None
        self._settings = settings
        self._stamp = stamp
        self._intake = Intake(store, config.format)
        self._listening = Listening(config, store, recognizer)
        self._outbox = Outbox(settings.outbox_bytes)
        self._outgoing = Outgoing(session_id, config, store=store, outbox=self._outbox, stamp=stamp)
        self._seat: Seat | None = None
        self._changed = Signal()  # somebody came or went, audio came, the stage moved on
        self._audio_at = 0.0
        self._recording = False  # has audio come in?
        self._deserted = False  # the client said that it will not come back

    # ------------------------------------------------------------------ one connection

    async def serve(self, connection: Connection) -> None:
        """Serve `connection` until it is over; the session goes on without it."""
        if self.stage is Stage.OVER:
            with trio.move_on_after(self._settings.close_grace):
                await connection.close(closing.JOB_ENDED, "the session has ended")
            return
        seat = self._take_seat(connection)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._receive, seat)
                nursery.start_soon(self._watch_idle, seat)
                nursery.start_soon(seat.hurry, nursery.cancel_scope)
                await seat.deliver()
                nursery.cancel_scope.cancel()
        finally:
            self._leave_seat(seat)
        await seat.close()

    async def go_away(self) -> None:
        """Close the connection, if there is one, because the server ends."""
        if self._seat:
            self._seat.dismiss(closing.GOING_AWAY, "the sandbox ends")
        while self._seat:
            await self._changed.wait()

    def _take_seat(self, connection: Connection) -> Seat:
        if self._seat:
            self._seat.taken = False
            self._seat.dismiss(closing.SUPERSEDED, "another connection took over")
        self._outbox.forget_passing()
        self._seat = seat = Seat(connection, self._outbox, self._settings.close_grace)
        self._outgoing.connected = True
        self._audio_at = trio.current_time()
        if self.first_seen is None:
            self.first_seen = self._audio_at
        if self.stage is Stage.WAITING:
            self.stage = Stage.OPEN
        if self.stage is Stage.CONCLUDED:
            seat.dismiss(closing.NORMAL, "", flush=True)
        self._changed.set()
        return seat

    def _leave_seat(self, seat: Seat) -> None:
        if self._seat is seat:
            self._seat = None
            self._outgoing.connected = False
            self._outbox.forget_passing()
        self._changed.set()

    async def _receive(self, seat: Seat) -> None:
        while True:
            await self._outbox.room()
            try:
                frame = await seat.connection.receive()
            except ConnectionLost as lost:
                self._lose(seat, lost.code)
                return
            if not seat.taken:
                return
            if len(frame) > self._settings.max_frame:
                limit = self._settings.max_frame
                seat.dismiss(closing.TOO_BIG, f"a frame may have {limit} bytes")
                return
            try:
                self._take(m.decode_client(frame))
            except MachineError as error:
                self._fail(error)

    def _lose(self, seat: Seat, code: int) -> None:
        seat.lose()
        if code == closing.NORMAL and seat.taken:
            self._deserted = True
            self.stop()

    async def _watch_idle(self, seat: Seat) -> None:
        limit = self._settings.idle_timeout
        while limit is not None and self.stage is Stage.OPEN:
            if trio.current_time() >= self._audio_at + limit:
                if seat.taken:
                    self._deserted = True
                    seat.dismiss(closing.IDLE, f"no audio for {limit:g} s")
                    self.stop()
                return
            await trio.sleep_until(self._audio_at + limit)

    # ------------------------------------------------------------------ what comes in

    def _take(self, frame: m.AudioFrame | m.StopFrame | m.BadFrame) -> None:
        match frame:
            case m.AudioFrame(data):
                self._take_audio(data)
            case m.StopFrame():
                self._take_stop()
            case m.BadFrame(reason):
                # The service's own answer is not known; one refusal keeps the session usable.
                self._outgoing.put(m.AudioAck(acknowledged=False, error=_error(400, reason)))

    def _take_audio(self, data: bytes) -> None:
        self._audio_at = trio.current_time()
        if self.stage is not Stage.OPEN:
            self._outgoing.put(m.AudioAck(acknowledged=False, error=_error(409, "already stopped")))
            return
        if data and not self._recording:
            self._recording = True
            self._outgoing.put(m.StartRecording())
        self._outgoing.put(m.AudioAck(acknowledged=True, data=self._intake.take(data)))
        self._changed.set()
        limit = self._settings.max_seconds
        if limit is not None and self.store.seconds >= limit:
            self.stop()

    def _take_stop(self) -> None:
        if self.stage is not Stage.OPEN:
            self._outgoing.put(m.StopAck(acknowledged=False, error=_error(409, "already stopped")))
            return
        self.stop()
        data = m.StopAckData(
            recording_duration=self.store.seconds,
            recording_left_to_process=self._listening.behind,
        )
        self._outgoing.put(m.StopAck(acknowledged=True, data=data))

    def stop(self) -> None:
        """The audio is over. Does nothing when it is already."""
        if self.stage in (Stage.WAITING, Stage.OPEN):
            self.stage = Stage.STOPPED
            self._changed.set()

    # ------------------------------------------------------------------ the session's own life

    async def run(self) -> None:
        """Live until nothing more can be delivered. A breakdown is filed in `failure`."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_presence)
                nursery.start_soon(self._tell)
                await self._listen()
            self._conclude()
            await self._hand_over()
        except* ReplayError as group:
            self._break_down(group)
            await self._hand_over()
        finally:
            self.stage = Stage.OVER
            self._listening.close()
            self.store.close()
            self._changed.set()

    async def _watch_presence(self) -> None:
        """End the audio of a session whose client stays away too long."""
        while self.stage in (Stage.WAITING, Stage.OPEN):
            if self._seat:
                await self._changed.wait()
                continue
            with trio.move_on_after(self._patience()) as scope:
                while self._seat is None and self.stage in (Stage.WAITING, Stage.OPEN):
                    await self._changed.wait()
            if scope.cancelled_caught:
                self._deserted = True
                self.stop()

    def _patience(self) -> float:
        if self.stage is Stage.WAITING:
            return self._settings.unclaimed_timeout
        return self._settings.session_timeout

    async def _listen(self) -> None:
        while True:
            if self.failure:
                raise self.failure
            if await self._listening.step():
                await trio.lowlevel.checkpoint()
            elif self.stage is not Stage.STOPPED:
                await self._changed.wait()
            elif not self._intake.finish():
                break
        await self._listening.finish()

    async def _tell(self) -> None:
        while (event := await self._listening.schedule.next()) is not None:
            self._outgoing.tell(*event)

    def _conclude(self) -> None:
        """File the result, so that it is there before anybody is told, then tell."""
        took = trio.current_time() - (self.first_seen or trio.current_time())
        facts = result.metadata(self.config.format, self.store.seconds, took)
        text = result.fitting(result.transcription(self.store.utterances()))
        self.result = facts
        self.ended_at = self._stamp()
        self.stage = Stage.CONCLUDED
        for message in result.last_messages(text, facts):
            self._outgoing.put(message)
        if self._seat and not self._seat.dismissed:
            self._seat.dismiss(closing.NORMAL, "", flush=True)

    def _break_down(self, group: BaseExceptionGroup[ReplayError]) -> None:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        assert isinstance(error, ReplayError)
        self._fail(error)

    def _fail(self, error: ReplayError) -> None:
        if self.failure:
            return
        _log.error("session %s: %s", self.id, error)
        self.failure = error
        self.ended_at = self._stamp()
        self._deserted = True
        self.stop()
        if self._seat:
            self._seat.dismiss(_INTERNAL_ERROR, "the session broke down")

    async def _hand_over(self) -> None:
        """Wait for the rest to be delivered, or for there being nobody to take it."""
        with trio.move_on_after(self._settings.session_timeout):
            while self._seat or (len(self._outbox) and not self._deserted):
                await self._changed.wait()
        if self._seat:
            self._seat.dismiss(closing.NORMAL, "")
        while self._seat:
            await self._changed.wait()


def _error(status: int, text: str) -> m.MessageError:
    return m.MessageError(message=text, status_code=status)
