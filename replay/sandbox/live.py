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
from replay.sandbox.outbox import Outbox, Parcel
from replay.sandbox.recognizers.base import (
    Event,
    Final,
    Partial,
    Recognizer,
    SpeechEnded,
    SpeechStarted,
)
from replay.sandbox.schedule import Signal
from replay.sandbox.settings import Settings
from replay.sandbox.store import Store
from replay.wire import closing
from replay.wire import messages as m
from replay.wire.config import SessionConfig
from replay.wire.gating import wanted

_log = logging.getLogger(__name__)

_INTERNAL_ERROR = 1011


class Stage(Enum):
    """How far a session has come."""

    WAITING = "nobody has connected yet"
    OPEN = "audio is taken in"
    STOPPED = "the audio is over"
    CONCLUDED = "the result is there"
    OVER = "nothing more is delivered"


class _Seat:
    """The place of the one connection that a session has at a time."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.lost = False
        self.verdict: tuple[int, str] | None = None
        self.flush = False  # deliver what is queued before the verdict is carried out


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
        self._seat: _Seat | None = None
        self._changed = Signal()  # somebody came or went, audio came, the stage moved on
        self._audio_at = 0.0
        self._recording = False  # has audio come in?
        self._deserted = False  # the client said that it will not come back
        self._utterances = [0] * config.channels

    # ------------------------------------------------------------------ one connection

    async def serve(self, connection: Connection) -> None:
        """Serve `connection` until it is over; the session goes on without it."""
        if self.stage is Stage.OVER:
            await self._close(connection, closing.JOB_ENDED, "the session has ended")
            return
        seat = self._take_seat(connection)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._receive, seat)
                nursery.start_soon(self._watch_idle, seat)
                nursery.start_soon(self._hurry, seat, nursery.cancel_scope)
                await self._send(seat)
                nursery.cancel_scope.cancel()
        finally:
            self._leave_seat(seat)
        if seat.verdict and not seat.lost:
            await self._close(connection, *seat.verdict)

    async def go_away(self) -> None:
        """Close the connection, if there is one, because the server ends."""
        if self._seat:
            self._dismiss(self._seat, closing.GOING_AWAY, "the sandbox ends")
        while self._seat:
            await self._changed.wait()

    def _take_seat(self, connection: Connection) -> _Seat:
        if self._seat:
            self._dismiss(self._seat, closing.SUPERSEDED, "another connection took over")
        self._outbox.forget_passing()
        self._seat = seat = _Seat(connection)
        self._audio_at = trio.current_time()
        if self.first_seen is None:
            self.first_seen = self._audio_at
        if self.stage is Stage.WAITING:
            self.stage = Stage.OPEN
        if self.stage is Stage.CONCLUDED:
            self._dismiss(seat, closing.NORMAL, "", flush=True)
        self._changed.set()
        return seat

    def _leave_seat(self, seat: _Seat) -> None:
        if self._seat is seat:
            self._seat = None
            self._outbox.forget_passing()
        self._changed.set()

    def _dismiss(self, seat: _Seat, code: int, reason: str, *, flush: bool = False) -> None:
        seat.verdict, seat.flush = (code, reason), flush
        self._outbox.changed.set()

    async def _close(self, connection: Connection, code: int, reason: str) -> None:
        with trio.move_on_after(self._settings.close_grace):
            await connection.close(code, reason)

    async def _send(self, seat: _Seat) -> None:
        """Hand over what is queued until the connection is lost or is to be closed."""
        while not seat.lost:
            parcel = self._outbox.head() if seat is self._seat else None
            if seat.verdict and not (seat.flush and parcel):
                return
            if parcel is None:
                await self._outbox.changed.wait()
                continue
            try:
                await seat.connection.send(parcel.text)
            except ConnectionLost:
                self._lose(seat)
            else:
                self._outbox.done(parcel)

    async def _hurry(self, seat: _Seat, scope: trio.CancelScope) -> None:
        """See that a send that never ends does not keep a connection that is to go."""
        while not seat.lost and (seat.verdict is None or seat.flush):
            await self._outbox.changed.wait()
        await trio.sleep(self._settings.close_grace)
        seat.lost = True
        scope.cancel()

    async def _receive(self, seat: _Seat) -> None:
        while True:
            await self._outbox.room()
            try:
                frame = await seat.connection.receive()
            except ConnectionLost as lost:
                self._lose(seat, lost.code)
                return
            if seat is not self._seat:
                return
            if len(frame) > self._settings.max_frame:
                limit = self._settings.max_frame
                self._dismiss(seat, closing.TOO_BIG, f"a frame may have {limit} bytes")
                return
            try:
                self._take(m.decode_client(frame))
            except MachineError as error:
                self._fail(error)

    def _lose(self, seat: _Seat, code: int = closing.ABNORMAL) -> None:
        seat.lost = True
        self._outbox.changed.set()
        if code == closing.NORMAL and seat is self._seat:
            self._deserted = True
            self.stop()

    async def _watch_idle(self, seat: _Seat) -> None:
        limit = self._settings.idle_timeout
        while limit is not None and self.stage is Stage.OPEN:
            if trio.current_time() >= self._audio_at + limit:
                if seat is self._seat:
                    self._deserted = True
                    self._dismiss(seat, closing.IDLE, f"no audio for {limit:g} s")
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
                self._put(m.AudioAck(acknowledged=False, error=_error(400, reason)))

    def _take_audio(self, data: bytes) -> None:
        self._audio_at = trio.current_time()
        if self.stage is not Stage.OPEN:
            self._put(m.AudioAck(acknowledged=False, error=_error(409, "already stopped")))
            return
        if data and not self._recording:
            self._recording = True
            self._put(m.StartRecording())
        self._put(m.AudioAck(acknowledged=True, data=self._intake.take(data)))
        self._changed.set()
        limit = self._settings.max_seconds
        if limit is not None and self.store.seconds >= limit:
            self.stop()

    def _take_stop(self) -> None:
        if self.stage is not Stage.OPEN:
            self._put(m.StopAck(acknowledged=False, error=_error(409, "already stopped")))
            return
        self.stop()
        data = m.StopAckData(
            recording_duration=self.store.seconds,
            recording_left_to_process=self._listening.behind,
        )
        self._put(m.StopAck(acknowledged=True, data=data))

    def stop(self) -> None:
        """The audio is over. Does nothing when it is already."""
        if self.stage in (Stage.WAITING, Stage.OPEN):
            self._intake.finish()
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
        except* ReplayError as group:
            self._break_down(group)
        await self._hand_over()
        self.stage = Stage.OVER
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
            elif self.stage is Stage.STOPPED:
                break
            else:
                await self._changed.wait()
        await self._listening.finish()

    async def _tell(self) -> None:
        while (event := await self._listening.schedule.next()) is not None:
            self._publish(*event)

    def _publish(self, channel: int, event: Event) -> None:
        match event:
            case SpeechStarted(time):
                self._put(m.SpeechStart(data=m.SpeechTime(time=time, channel=channel)))
            case SpeechEnded(time):
                self._put(m.SpeechEnd(data=m.SpeechTime(time=time, channel=channel)))
            case Partial(utterance) | Final(utterance):
                final = isinstance(event, Final)
                name = f"{channel:02d}_{self._utterances[channel]:08d}"
                if final:
                    self.store.add_utterance(utterance)
                    self._utterances[channel] += 1
                data = m.TranscriptData(id=name, is_final=final, utterance=utterance)
                self._put(m.Transcript(data=data))

    def _conclude(self) -> None:
        """File the result, so that it is there before anybody is told, then tell."""
        took = trio.current_time() - (self.first_seen or trio.current_time())
        facts = result.metadata(self.config.format, self.store.seconds, took)
        text = result.fitting(result.transcription(self.store.utterances()))
        self.result = facts
        self.ended_at = self._stamp()
        self.stage = Stage.CONCLUDED
        duration = m.RecordingDuration(recording_duration=facts.audio_duration)
        self._put(m.EndRecording(data=duration))
        self._put(m.PostTranscript(data=text))
        self._put(m.PostFinalTranscript(data=result.final_result(text, facts)))
        self._put(m.EndSession())
        if self._seat and not self._seat.verdict:
            self._dismiss(self._seat, closing.NORMAL, "", flush=True)

    def _break_down(self, group: BaseExceptionGroup[ReplayError]) -> None:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        assert isinstance(error, ReplayError)
        self._fail(error)

    def _fail(self, error: ReplayError) -> None:
        _log.error("session %s: %s", self.id, error)
        self.failure = error
        self.ended_at = self._stamp()
        self._deserted = True
        self.stop()
        if self._seat:
            self._dismiss(self._seat, _INTERNAL_ERROR, "the session broke down")

    async def _hand_over(self) -> None:
        """Wait for the rest to be delivered, or for there being nobody to take it."""
        with trio.move_on_after(self._settings.session_timeout):
            while self._seat or (len(self._outbox) and not self._deserted):
                await self._changed.wait()
        if self._seat:
            self._dismiss(self._seat, closing.NORMAL, "")
        while self._seat:
            await self._changed.wait()

    # ------------------------------------------------------------------ what goes out

    def _put(self, message: m.Message) -> None:
        """Queue `message` for the client, if it asked for its kind."""
        if not wanted(message, self.config.messages_config):
            return
        message.session_id = self.id
        message.created_at = self._stamp()
        text = m.encode(message)
        ack = isinstance(message, m.AudioAck | m.StopAck)
        partial = isinstance(message, m.Transcript) and not message.data.is_final
        if not ack:
            self.store.add_message(text)
        if self._seat or not (ack or partial):
            self._outbox.put(Parcel(text, keep=not (ack or partial)))


def _error(status: int, text: str) -> m.MessageError:
    return m.MessageError(message=text, status_code=status)
