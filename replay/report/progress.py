"""What a run looks like at this moment, folded from its entries as they are written.

Both views stand on it: the moving one and the plain one differ only in what they draw.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from msgspec import UNSET

from replay import journal
from replay.audio import NS
from replay.wire import messages
from replay.wire.closing import Close, on_status


@dataclass(frozen=True, slots=True)
class Line:
    """Something to tell once. `t`: seconds since the plan's zero."""

    kind: Literal["final", "connection", "trouble", "note"]
    t: float
    text: str


@dataclass(slots=True)
class Progress:
    """Everything a view shows.

    Attributes:
        title: source and target.
        total: seconds of audio to come, None when unknown.
        clock, spoken, heard: seconds since the plan's zero, of audio played, and of audio that
            the newest transcript reaches to.
        lag: how far the last partial was behind the audio, in seconds.
        connection: in one or two words; `up`: it is open.
        partials: the running partial of each channel.
    """

    title: str = ""
    total: float | None = None
    clock: float = 0.0
    spoken: float = 0.0
    heard: float = 0.0
    lag: float | None = None
    connection: str = "connecting"
    up: bool = False
    over: bool = False
    finals: int = 0
    partials: dict[int, str] = field(default_factory=dict)
    _zero: int | None = None
    _bytes_per_second: float = 1.0
    _speed: float = 1.0
    _chunk: float = 0.0
    _lost_at: int | None = None
    _back_at: int | None = None  # and not caught up yet
    _reached: int = 0

    def add(self, entry: journal.AnyEntry) -> list[Line]:
        """Take one entry; returns what is worth a line of its own."""
        if self._zero is not None:
            self.clock = max(self.clock, (entry.t - self._zero) / NS)
        text: tuple[Literal["final", "connection", "trouble", "note"], str] | None = None
        match entry:
            case journal.Produced():
                self.spoken = (entry.offset + entry.size) / self._bytes_per_second
            case journal.Frame():
                self._reached = max(self._reached, entry.offset + entry.size)
            case journal.Received():
                text = self._message(entry)
            case journal.Header():
                self._header(entry)
            case journal.Started():
                self._zero = entry.t
            case journal.Closed():
                self.over = True  # whoever ran it says why it broke off, if it did
            case _:
                text = self._connection(entry) or _note(entry)
        return [Line(text[0], self.clock, text[1])] if text else []

    def _header(self, entry: journal.Header) -> None:
        self.title = f"{entry.source.name} → {entry.target.kind}"
        self.total = entry.source.seconds
        size = entry.format.bit_depth // 8 * entry.format.channels
        self._bytes_per_second = size * entry.format.sample_rate
        self._speed = entry.plan.speed
        self._chunk = entry.plan.chunk_ns / NS

    def _message(self, entry: journal.Received) -> tuple[Literal["final", "note"], str] | None:
        if entry.body is UNSET:
            return None
        message = messages.decode(bytes(entry.body))
        if isinstance(message, messages.PostSummarization):
            return "note", _summary(message)
        if not isinstance(message, messages.Transcript):
            return None
        utterance = message.data.utterance
        self.heard = max(self.heard, utterance.end)
        if not message.data.is_final:
            self.lag = self._cursor() - utterance.end
            self.partials[utterance.channel] = utterance.text.strip()
            return None
        self.finals += 1
        self.partials.pop(utterance.channel, None)
        return "final", utterance.text.strip()

    def _cursor(self) -> float:
        """Where speech is by the clock: chunks move in steps, a speaker does not."""
        if not self._speed:
            return self.spoken
        return min(self.clock * self._speed, self.spoken + self._chunk)

    def _connection(
        self, entry: journal.AnyEntry
    ) -> tuple[Literal["connection", "trouble"], str] | None:
        match entry:
            case journal.Connected():
                self.up, self.connection = True, "connected"
                if self._lost_at is None:
                    return None
                away = (entry.t - self._lost_at) / NS
                again = max(self._reached - entry.resume_at, 0)
                self._lost_at = None
                self._back_at, self.connection = entry.t, "catching up"
                return "connection", f"back after {away:.2f} s, {again:,} bytes to repeat"
            case journal.CaughtUp() if self._back_at is not None:
                after, self._back_at = (entry.t - self._back_at) / NS, None
                if self.up and self.connection == "catching up":
                    self.connection = "connected"
                return "connection", f"caught up after {after:.2f} s"
            case journal.Lost(cause="ended") | journal.Lost(cause="closed", code=1000):
                self.up, self.connection = False, "closed"
            case journal.Lost():
                self.up, self.connection = False, "lost"
                self._lost_at, self._back_at = entry.t, None
                why = f": {entry.reason}" if entry.reason else ""
                return "trouble", f"down: connection lost ({entry.cause}, {entry.code}){why}"
            case journal.Backoff():
                self.connection = f"lost, waiting {(entry.until - entry.t) / NS:.1f} s"
            case journal.Connecting():
                self.connection = "connecting" + f", attempt {entry.attempt}" * (entry.attempt > 1)
            case journal.ConnectRefused():
                return "trouble", f"no connection: {entry.error}"
            case journal.StopSent():
                self.connection = "waiting for the end"
            case _:
                pass
        return None


def _note(entry: journal.AnyEntry) -> tuple[Literal["trouble", "note"], str] | None:
    match entry:
        case journal.Init() if entry.status and on_status(entry.status) is Close.RECONNECT:
            return "trouble", f"the session is not open yet: {entry.error}"
        case journal.FaultFired():
            return "note", f"fault: {entry.text}"
        case journal.SourceNote(event="looped"):
            return None
        case journal.SourceNote():
            return "note", f"source {entry.event}" + f": {entry.detail}" * bool(entry.detail)
        case journal.Observation() if entry.severity != "info":
            return "trouble", f"{entry.invariant}: {entry.detail}"
        case journal.Interrupted(how="graceful"):
            return "note", "stopping; once more to stop at once"
        case journal.Ended() if entry.outcome != "complete":
            return "trouble", f"session {entry.outcome}" + f": {entry.detail}" * bool(entry.detail)
        case _:
            return None


def _summary(message: messages.PostSummarization) -> str:
    if message.error is not None:
        return f"no summary: {message.error.message}"
    text = message.data.results if message.data else None
    return f"summary: {' '.join(text.split())}" if text else "summary: empty"
