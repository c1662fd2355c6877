"""One session: it outlives its connections, and ends once.

A session is driven from two sides. `serve` is one connection's life; `run` is the session's own,
from its creation to its end. They share the outbox, the intake and a few facts, and both belong
to one trio thread, so that between two awaits nothing changes.

The end comes in this order (protocol 6): the audio is over (stop, a normal close by the client,
nobody there for too long, nothing coming for too long, too much audio), everything recorded is
heard, the result is filed and can be fetched, the last messages are queued, a client that is
there or comes back gets them and close 1000, and from then on every connection gets 4403. Each
step is on record before anybody is told, so that after the death of the sandbox another one goes
on from there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

import trio

from replay.errors import ConnectionLost, MachineError, ReplayError
from replay.sandbox import result
from replay.sandbox.bugs import log_bug
from replay.sandbox.connection import Connection
from replay.sandbox.defects import flaws
from replay.sandbox.intake import Intake
from replay.sandbox.lane import Lane
from replay.sandbox.listening import Listening
from replay.sandbox.mail import Mail
from replay.sandbox.outbox import Outbox
from replay.sandbox.outgoing import Outgoing
from replay.sandbox.past import recall
from replay.sandbox.processing import Processing
from replay.sandbox.recognizers.base import Recognizer
from replay.sandbox.register import Register, Row
from replay.sandbox.schedule import Signal
from replay.sandbox.seat import Seat
from replay.sandbox.settings import Settings
from replay.sandbox.standing import Session, Stage
from replay.sandbox.store import Store
from replay.sandbox.tail import Tail
from replay.sandbox.telling import Telling
from replay.wire import closing
from replay.wire import messages as m

_log = logging.getLogger(__name__)


class LiveSession(Session):
    """A session that has not ended."""

    def __init__(
        self,
        row: Row,
        *,
        store: Store,
        register: Register,
        settings: Settings,
        now: Callable[[], datetime],
        recognizer: Recognizer,
        mail: Mail,
    ) -> None:
        super().__init__(row, store=store, register=register, settings=settings, now=now)
        wants = self.config.messages_config
        self._flaws = flaws(settings.defects, self.config.format)
        self._tentative = settings.commit == "ack" and wants.receive_acknowledgments
        self._intake = Intake(store, self.config.format, self._flaws, tentative=self._tentative)
        finals_wanted = wants.receive_final_transcripts or mail.takes_finals
        past = recall(store, self.config.channels, finals_wanted=finals_wanted)
        self._listening = Listening(self.config, store, recognizer, past, settings.spin)
        self._outbox = Outbox(settings.outbox_bytes, store)
        self.tail: Tail = Tail(past.latest)
        self._outgoing = Outgoing(
            self.id,
            self.config,
            store=store,
            outbox=self._outbox,
            now=self._now,
            flaws=self._flaws,
            past=past,
            mail=mail,
            tail=self.tail,
        )
        self._telling = Telling(
            Processing(self.id, self.config),
            schedule=self._listening.schedule,
            outgoing=self._outgoing,
            store=store,
            settings=settings,
            past=past,
        )
        self._acks = Lane(settings.ack, settings.seed, self._outgoing.put, settings.spin)
        self._seat: Seat | None = None
        self._changed = Signal()  # somebody came or went, or the stage moved on
        self._more = Signal()  # there is more to hear, or the stage moved on
        self._heard = Signal()  # there is less to hear, or the stage moved on
        self._told = False  # everything has been said
        self._audio_at = 0.0
        self._came_at = trio.current_time()  # when the last message of the client came in
        self._pausing = False  # no audio comes because none is read

    @property
    def connected(self) -> bool:
        return self._seat is not None

    @property
    def behind(self) -> float:
        return 0.0 if self.stage in (Stage.CONCLUDED, Stage.OVER) else self._listening.behind

    # ------------------------------------------------------------------ one connection

    async def serve(self, connection: Connection) -> None:
        """Serve `connection` until it is over; the session goes on without it."""
        if self.stage is Stage.OVER:
            await super().serve(connection)
            return
        seat = Seat(connection, self._outbox, self._settings.close_grace)
        try:
            self._take_seat(seat)
            if self._flaws.delay:
                await trio.sleep(self._flaws.delay)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._receive, seat)
                nursery.start_soon(self._watch_idle, seat)
                if self._tentative:
                    nursery.start_soon(self._settle)
                if self._settings.ack:
                    nursery.start_soon(self._acks.run)
                nursery.start_soon(seat.hurry, nursery.cancel_scope)
                await seat.deliver()
                nursery.cancel_scope.cancel()
        finally:
            self._leave_seat(seat)
        await seat.close()

    async def go_away(self) -> None:
        if self._seat:
            self._seat.dismiss(closing.GOING_AWAY, "the sandbox ends")
        while self._seat:
            await self._changed.wait()

    def _take_seat(self, seat: Seat) -> None:
        if self._seat:
            self._seat.taken = False
            self._seat.dismiss(closing.SUPERSEDED, "another connection took over")
            self._forget_tentative()
        self._forget_passing()
        self._seat = seat
        self._outgoing.connected = True
        self._audio_at = trio.current_time()
        if self.row.first_seen is None:
            self.row.first_seen = self._now().timestamp()
            if self._settings.start_session:
                self._outgoing.put_once(m.StartSession())
        else:
            self._flaws.come_back(self._intake.received, self.store.seconds)
        if self.stage is Stage.WAITING:
            self._move_on(Stage.OPEN)
        if self._told:
            seat.dismiss(closing.NORMAL, "", flush=True)
        self._changed.set()

    def _leave_seat(self, seat: Seat) -> None:
        if self._seat is seat:
            self._seat = None
            self._outgoing.connected = False
            self._forget_passing()
            self._forget_tentative()
        self._changed.set()

    def _forget_passing(self) -> None:
        self._outbox.forget_passing()
        self._acks.clear()

    async def _settle(self) -> None:
        """Let audio stay once its acknowledgement was handed over."""
        while True:
            self._intake.settle(self._outbox.acknowledged)
            self._more.set()
            await self._outbox.taken.wait()

    def _forget_tentative(self) -> None:
        self._intake.settle(self._outbox.acknowledged)
        if self.store.tentative:
            self._intake.forget()

    async def _receive(self, seat: Seat) -> None:
        while await self._ready(seat):
            try:
                frame = await seat.connection.receive()
            except ConnectionLost as lost:
                self._lose(seat, lost.code)
                return
            if not seat.taken:
                return
            self._came_at = seat.connection.read_at
            if len(frame) > self._settings.max_frame:
                limit = self._settings.max_frame
                seat.dismiss(closing.TOO_BIG, f"a frame may have {limit} bytes")
                return
            try:
                self._take(m.decode_client(frame))
            except MachineError as error:
                self._fail(error)

    async def _ready(self, seat: Seat) -> bool:
        """Wait until more can be taken in. False when the client does not take what it is told,
        and is dropped; the session is there for its next connection."""
        self._pausing = True
        if self._outbox.full:
            with trio.move_on_after(self._settings.drop_after):
                await self._outbox.room()
        if self._outbox.full:
            _log.warning("session %s: its client reads too slowly and is dropped", self.id)
            seat.lose()
            return False
        while self.stage is Stage.OPEN and self._listening.behind > self._settings.max_behind:
            await self._heard.wait()
        if seat.taken:
            self._pausing = False
        return True

    def _lose(self, seat: Seat, code: int) -> None:
        seat.lose()
        if code == closing.NORMAL and seat.taken:
            self.row.deserted = True
            self.stop()

    async def _watch_idle(self, seat: Seat) -> None:
        limit = self._settings.idle_timeout
        while limit is not None and self.stage is Stage.OPEN:
            if self._pausing:
                self._audio_at = trio.current_time()
            if trio.current_time() >= self._audio_at + limit:
                if seat.taken:
                    self.row.deserted = True
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
                if self._flaws.hears_stop:
                    self._take_stop()
            case m.BadFrame(reason):
                # The service's own answer is not known; one refusal keeps the session usable.
                self._answer(
                    m.AudioAck(acknowledged=False, error=_error(HTTPStatus.BAD_REQUEST, reason))
                )

    def _answer(self, message: m.AudioAck | m.StopAck) -> None:
        self._acks.put(message, self._came_at)

    def _take_audio(self, data: bytes) -> None:
        self._audio_at = trio.current_time()
        if self.stage is not Stage.OPEN and not self._flaws.hears_after_stop:
            self._answer(m.AudioAck(acknowledged=False, error=_stopped()))
            return
        if data and not self._intake.received:
            self._outgoing.put_once(m.StartRecording())
        self._answer(m.AudioAck(acknowledged=True, data=self._intake.take(data)))
        self._more.set()
        limit = self._settings.max_seconds
        if limit is not None and self.store.seconds >= limit:
            self.stop()

    def _take_stop(self) -> None:
        if self.stage is not Stage.OPEN:
            self._answer(m.StopAck(acknowledged=False, error=_stopped()))
            return
        self.stop()
        data = m.StopAckData(
            recording_duration=self.store.seconds,
            recording_left_to_process=self._listening.behind,
        )
        self._answer(m.StopAck(acknowledged=True, data=data))

    def stop(self) -> None:
        """The audio is over. Does nothing when it is already."""
        if self.stage in (Stage.WAITING, Stage.OPEN):
            self._came_at = trio.current_time()  # also where no message brought it about
            self._intake.settle(self._intake.received)
            self._move_on(Stage.STOPPED)

    def _move_on(self, stage: Stage) -> None:
        self.stage = stage
        self._changed.set()
        self._more.set()
        self._heard.set()
        try:
            self._save()
        except* Exception as group:  # noqa: BLE001 - a bug ends this session, and no other
            self._break_down(group)

    # ------------------------------------------------------------------ the session's own life

    async def run(self) -> None:
        """Live until nothing more can be delivered. A breakdown is filed in `failure`."""
        try:
            await self._live()
            self._move_on(Stage.OVER)
        except* Exception as group:  # noqa: BLE001 - a bug ends this session, and no other
            self._break_down(group)
        finally:
            # Also when cut short: but then the record says how far it had come.
            self.stage = Stage.OVER
            self._listening.close()
            self.store.close()
            self.tail.close()
            self._changed.set()

    async def _live(self) -> None:
        said_at = trio.current_time()
        try:
            if self.stage is not Stage.CONCLUDED:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._watch_presence)
                    nursery.start_soon(self._telling.run)
                    await self._listen()
                await self._acks.settled()
                said_at = trio.current_time()
                await self._telling.sum_up()
                self._conclude()
            await self._tell_result(said_at)
        except* Exception as group:  # noqa: BLE001 - a bug ends this session, and no other
            self._break_down(group)
        await self._hand_over()

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
                self.row.deserted = True
                self.stop()

    def _patience(self) -> float:
        if self.stage is Stage.WAITING:
            return self._settings.unclaimed_timeout
        return self._settings.session_timeout

    async def _listen(self) -> None:
        while True:
            if self.failure:
                raise self.failure
            if await self._listening.step(self._came_at):
                self._heard.set()
                if self._listening.behind:
                    await trio.lowlevel.checkpoint()
            elif self.stage is not Stage.STOPPED:
                await self._more.wait()
            elif not self._intake.finish():
                break
        await self._listening.finish(self._came_at)

    def _conclude(self) -> None:
        """File the result, so that it is there before anybody is told."""
        now = self._now()
        took = now.timestamp() - (self.row.first_seen or now.timestamp())
        self.row.result = result.metadata(self.config.format, self.store.seconds, took)
        self.row.ended_at = self._stamp()
        self.stage = Stage.CONCLUDED
        self._save()

    async def _tell_result(self, said_at: float) -> None:
        """`said_at`: since when all that was heard has been told."""
        assert self.row.result is not None
        await self._telling.end(self.row.result, said_at)
        self._told = True
        if self._seat and not self._seat.dismissed:
            self._seat.dismiss(closing.NORMAL, "", flush=True)

    def _break_down(self, group: ExceptionGroup[Exception]) -> None:
        ours, bugs = group.split(ReplayError)
        if bugs is not None:
            log_bug(f"session {self.id} broke down", bugs, self.row.token)
        error: Exception = ours or MachineError("internal error")
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        assert isinstance(error, ReplayError)
        self._fail(error)

    def _fail(self, error: ReplayError) -> None:
        if self.failure:
            return
        _log.error("session %s: %s", self.id, error)
        self.failure = error
        self.row.failure = str(error)
        self.row.ended_at = self._stamp()
        self.row.deserted = True
        self.stop()
        self._move_on(self.stage)
        if self._seat:
            self._seat.dismiss(closing.INTERNAL_ERROR, "the session broke down")

    async def _hand_over(self) -> None:
        """Wait for the rest to be delivered, or for there being nobody to take it."""
        with trio.move_on_after(self._settings.session_timeout):
            while self._seat or (len(self._outbox) and not self.row.deserted):
                await self._changed.wait()
        if self._seat:
            self._seat.dismiss(closing.NORMAL, "")
        while self._seat:
            await self._changed.wait()


def _stopped() -> m.MessageError:
    return _error(HTTPStatus.CONFLICT, "already stopped")


def _error(status: HTTPStatus, text: str) -> m.MessageError:
    name = status.phrase.replace(" ", "")
    return m.MessageError(message=text, status_code=status.value, exception=f"{name}Exception")
