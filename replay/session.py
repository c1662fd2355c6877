"""One session as its client sees it: what to send next, and what each event means.

Pure: every method takes the time and returns a value; nothing here waits, sends or draws lots of
its own. `client.py` carries out what it says. A session outlives its connections:

    state      a connection opens    it is lost          the service finishes
    DOWN       -> OPEN               -                   -
    OPEN       -                     -> DOWN or OVER     -> OVER
    OVER       -                     -                   -

`stop_recording` is owed from the moment the audio ends until the service acknowledged it; it goes
out after the last byte of audio, again on every new connection.
"""

from __future__ import annotations

from random import Random

from replay.audio import AudioFormat
from replay.ledger import AudioBuffer, Finding, Ledger
from replay.policy import Outcome, Over, Policy, Retry, SendAudio, SendStop, State, Wait
from replay.wire import messages as m
from replay.wire.closing import Close, on_close, on_status
from replay.wire.limits import IDLE_SECONDS

__all__ = [
    "Outcome",
    "Over",
    "Policy",
    "Retry",
    "SendAudio",
    "SendStop",
    "Session",
    "State",
    "Wait",
]

#: A backlog longer than this is caught up at the bounded rate, not sent at once.
_BACKLOG_SECONDS = 1.0
#: How much audio a frame of a backlog carries, as time it takes at the catch-up rate.
_CATCH_UP_STEP = 0.1
#: With no audio to send for so long, an empty chunk keeps the service from hanging up.
_KEEPALIVE_SECONDS = IDLE_SECONDS * 2 / 3


class Session:
    """The state of one session. Times are seconds on one monotonic clock."""

    def __init__(
        self,
        fmt: AudioFormat,
        policy: Policy,
        rng: Random,
        *,
        speed: float = 1.0,
        joined: bool = False,
    ) -> None:
        """`speed`: of the audio, times real time, for the catch-up rate; 0 for unpaced."""
        self.format = fmt
        self.policy = policy
        self.buffer = AudioBuffer()
        self.ledger = Ledger(fmt.frame_bytes, joined=joined)
        self.state = State.DOWN
        self.connections = 0
        self.attempt = 0
        self.stop_owed = False
        self.stop_sent = False  # on some connection, after all of the audio
        self.stop_acked = False
        self.finished = False
        self._rng = rng
        self._rate = policy.catch_up_rate * speed * fmt.bytes_per_second
        self._failures = 0
        self._outage_since: float | None = None
        self._opened_at = 0.0
        self._heard_at = 0.0
        self._progress_at = 0.0  # of acknowledgements: other messages prove one direction only
        self._sent_at = 0.0
        self._stop_sent_at: float | None = None
        self._alive = False
        self._catch_up: tuple[float, int] | None = None  # since when, from which offset
        self._announce_caught_up = False

    # ------------------------------------------------------------ the audio

    def push(self, data: bytes) -> None:
        """Audio to deliver, whole frames; it goes nowhere once the session is over.

        Raises:
            ValueError: part of a frame, or after `stop`.
        """
        data = bytes(data)  # costs nothing for bytes, and keeps what others may still change
        if len(data) % self.format.frame_bytes:
            raise ValueError(f"{len(data)} bytes are not whole frames")
        if self.stop_owed:
            raise ValueError("the session's audio has ended")
        if self.state is State.OVER:
            return  # nobody will ever take it
        self.buffer.append(data)
        self.ledger.produced += len(data)

    def stop(self) -> None:
        """There is no more audio."""
        self.stop_owed = True

    @property
    def unsent(self) -> int:
        """Bytes waiting to go out for the first time, or again."""
        return self.ledger.produced - self.ledger.sent

    # ------------------------------------------------------------ connections

    def connecting(self) -> int:
        """An attempt begins: the number it has since the last connection, from 1."""
        self.attempt += 1
        return self.attempt

    def opened(self, now: float) -> int:
        """The connection is open; audio goes on from the returned offset."""
        self.state = State.OPEN
        self.connections += 1
        self.attempt = 0
        self._alive = False
        self._opened_at = self._heard_at = self._progress_at = self._sent_at = now
        self._stop_sent_at = None
        resumed = self.ledger.resume()
        self._catch_up = (now, resumed) if self.connections > 1 else None
        self._announce_caught_up = self.connections > 1
        return resumed

    def refused(
        self, now: float, *, status: int | None, retry_after: float | None, reason: str
    ) -> Retry | Over:
        """An attempt failed; `status` is the HTTP status of the handshake, if one came."""
        if status is not None and on_status(status) is Close.REFUSED:
            return self._over(Outcome.REFUSED, status, reason)
        return self._retry(now, retry_after or 0.0, reason)

    def lost(self, now: float, code: int, reason: str) -> Retry | Over:
        """The connection is gone with a close code, 1006 for none."""
        self.state = State.DOWN
        if self._alive and now - self._opened_at >= self.policy.stable_after:
            self._failures = 0
        match on_close(code):
            case Close.DONE if self.stop_sent or self.finished:
                return self._over(Outcome.COMPLETE, code, reason)
            case Close.DONE:
                return self._over(
                    Outcome.ENDED, code, reason or "the service ended the session by itself"
                )
            case Close.ENDED:
                return self._over(Outcome.ENDED, code, reason or "the session had ended already")
            case Close.REFUSED:
                return self._over(Outcome.REFUSED, code, reason)
            case Close.RECONNECT if self.finished:
                return self._over(Outcome.COMPLETE, code, "everything had arrived")
            case Close.RECONNECT:
                return self._retry(now, 0.0, reason)

    def timed_out(self) -> Over:
        """The time for waiting for the end is up."""
        if self.finished:
            return self._over(Outcome.COMPLETE, 0, "everything had come but the close")
        return self._over(
            Outcome.TIMEOUT, 0, f"nothing came for {self.policy.end_timeout:g} s after the end"
        )

    def left(self) -> Over:
        """The caller has had enough: we closed the connection ourselves."""
        return self._over(Outcome.LEFT, 0, "")

    def _retry(self, now: float, at_least: float, reason: str) -> Retry | Over:
        if self._outage_since is None:
            self._outage_since = now
        ceiling = min(self.policy.backoff_cap, self.policy.backoff_base * 2**self._failures)
        self._failures = min(self._failures + 1, 30)
        # On top of what the service asked for: else all its clients come back in one moment.
        at = now + at_least + self._rng.uniform(0, ceiling)
        if at > self._outage_since + self.policy.give_up_after:
            limit = f"no connection for {self.policy.give_up_after:g} s"
            if at_least >= self.policy.give_up_after:
                limit = f"asked to wait {at_least:g} s, longer than the limit of an outage"
            return self._over(Outcome.GAVE_UP, 0, f"{limit}; last: {reason or 'cut off'}")
        return Retry(at, self.attempt + 1)

    def _over(self, outcome: Outcome, code: int, detail: str) -> Over:
        self.state = State.OVER
        return Over(outcome, code, detail)

    # ------------------------------------------------------------ receiving

    def received(self, message: m.Received, now: float) -> list[Finding]:
        """A message came in at `now`; what about it was not as it should be."""
        self._heard_at = now
        self._alive = True
        self._outage_since = None
        match message:
            case m.AudioAck():
                self._progress_at = now
                return self._acknowledged(message)
            case m.StopAck():
                # Also a refusal counts: the service knows that the audio has ended.
                self.stop_acked = True
            case m.PostFinalTranscript() | m.EndSession():
                self.finished = self.stop_acked = True
            case m.EndRecording() | m.PostTranscript():
                # Comes only once the audio is over: as good as the acknowledgement.
                self.stop_acked = True
            case m.Malformed(reason=reason):
                detail = f"a message breaks the protocol: {reason}"
                return [Finding("E1", "error", detail, {"connection": self.connections})]
        return []

    def _acknowledged(self, ack: m.AudioAck) -> list[Finding]:
        if not ack.acknowledged:
            return self.ledger.refuse(stopped=self.stop_sent)
        if ack.data is None:
            return [Finding("E1", "error", "an acknowledgement carries no range", {})]
        findings = self.ledger.acknowledge(*ack.data.byte_range)
        self.buffer.release(self.ledger.acked - self.ledger.acked % self.format.frame_bytes)
        return findings

    # ------------------------------------------------------------ sending

    def next_send(self, now: float) -> SendAudio | SendStop | Wait:
        """What is to go out at `now`; follow each sending with `record_sent`."""
        if self.state is not State.OPEN or self.stop_acked:
            return Wait()
        if self.unsent:
            return self._next_audio(now)
        self._catch_up = None
        if self.stop_owed:
            return Wait() if self._stop_sent_at is not None else SendStop()
        keepalive = self._sent_at + _KEEPALIVE_SECONDS
        return SendAudio(self.ledger.sent, 0) if now >= keepalive else Wait(keepalive)

    def _next_audio(self, now: float) -> SendAudio | Wait:
        sent = self.ledger.sent
        limit = self.format.align(self.policy.frame_limit)
        if self._catch_up is None and self.unsent > self.format.bytes_in(_BACKLOG_SECONDS):
            self._catch_up = (now, sent)
        if self._catch_up is None or not self._rate:
            return SendAudio(sent, self.buffer.piece(sent, limit))
        since, origin = self._catch_up
        # The first step goes at once, each further one when the rate allows for what is out.
        due = since + (sent - origin) / self._rate
        if now < due:
            return Wait(due)
        if now > due + _CATCH_UP_STEP:
            # Held up by the network: what was missed is not made up for in one go.
            self._catch_up = (now, sent)
        step = max(self.format.frame_bytes, self.format.align(int(self._rate * _CATCH_UP_STEP)))
        if sent < self.buffer.memory_start:
            step = min(step, self.buffer.memory_start - sent)  # from one place at a time
        return SendAudio(sent, min(self.unsent, step, limit))

    def record_sent(self, action: SendAudio | SendStop, now: float) -> None:
        """`action` was begun at `now`: handed to the socket."""
        self._sent_at = now
        if isinstance(action, SendStop):
            self._stop_sent_at = now
            self.stop_sent = True
        else:
            self.ledger.record_sent(action.size, now)

    def caught_up(self) -> bool:
        """True once after a reconnection, when everything produced so far has been sent again."""
        if self._announce_caught_up and not self.unsent:
            self._announce_caught_up = False
            return True
        return False

    # ------------------------------------------------------------ watching

    def silent_at(self) -> float:
        """When the connection is to be taken for dead, if nothing is acknowledged until then."""
        if self.stop_acked:
            return float("inf")
        # A sign of life may stay without an answer: the protocol does not promise one.
        waits = [next((sent.at for sent in self.ledger.outstanding if sent.size), float("inf"))]
        if self._stop_sent_at is not None:
            waits.append(self._stop_sent_at)
        return max(min(waits), self._progress_at) + self.policy.ack_timeout

    def ends_at(self) -> float:
        """When waiting for the end of a stopped session is given up."""
        if self.finished:  # all has come but the close
            return self._heard_at + self.policy.ack_timeout
        if not self.stop_acked:
            return float("inf")
        return self._heard_at + self.policy.end_timeout
