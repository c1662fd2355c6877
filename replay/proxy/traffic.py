"""What passes in a session, as the events of `replay.faults`.

`Traffic` keeps count of one session over all its connections. Audio has the position that it has
for the client: a connection goes on where the acknowledgements that reached the client end, and
what it says first is held against what was said before, since one may have been lost on its way.
"""

from __future__ import annotations

from dataclasses import dataclass

from replay.faults import events as e
from replay.wire import messages as m

#: To recognise what is sent again: audio that the client cannot know to be recorded is kept, up to
#: so much of the newest, and so much before it, for clients that count otherwise.
_KEPT_BYTES = 8 << 20
_BEFORE_BYTES = 1 << 20
_POST = (m.PostTranscript, m.PostSummarization, m.PostChapterization, m.PostFinalTranscript)


@dataclass(slots=True)
class _Line:
    """One connection. `start`: where its audio begins, None before any came; `guess`: where it
    should; `at`: where it has come to; `base`: the target's count at its beginning."""

    guess: int
    start: int | None = None
    at: int = 0
    base: int | None = None


class Traffic:
    """Counts what passes in one session.

    Attributes:
        connections: how many there were.
        furthest: the end of the audio that has come up.
        received: bytes of audio that have come up, what was sent again included.
    """

    def __init__(self) -> None:
        self.connections = 0
        self.furthest = 0
        self.received = 0
        self._lines: dict[int, _Line] = {}
        self._acked = 0  # by what reached the client
        self._history = bytearray()
        self._history_start = 0
        self._behind: int | None = None  # what was sent before the outage ends here
        self._counts: dict[str, int] = {}

    def opened(self) -> e.ConnectionOpened:
        """The next connection is open."""
        self.connections += 1
        self._lines[self.connections] = _Line(guess=self._acked)
        return e.ConnectionOpened(self.connections)

    def lost(self, connection: int) -> e.ConnectionLost:
        """That connection is over."""
        self._lines.pop(connection, None)
        return e.ConnectionLost(connection)

    def up(self, connection: int, said: m.AudioFrame | m.StopFrame) -> list[e.Event]:
        """The events of one message from the client."""
        if isinstance(said, m.StopFrame):
            return [e.StopUp()]
        line, data = self._lines[connection], said.data
        if line.start is None and data:
            line.start = line.at = self._place(line.guess, data)
            self._behind = self.furthest if connection > 1 else None
            again = line.at < self.furthest
        else:
            again = False
        offset = line.at
        line.at += len(data)
        self.received += len(data)
        self._keep(offset, data)
        found: list[e.Event] = [e.Resend()] if again else []
        found.append(e.AudioUp(connection, offset, len(data)))
        if self._behind is not None and line.at >= self._behind:
            self._behind = None
            found.append(e.CaughtUp())
        return found

    def ack_at_hand(self, connection: int, ack: m.AudioAck) -> e.AckAboutToPass:
        """The target has acknowledged audio; the client has not heard it yet."""
        line = self._lines.get(connection)
        if line is not None and line.base is None and ack.data is not None:
            line.base = ack.data.byte_range[0]
        return e.AckAboutToPass(self._count("about"))

    def ack_passes(self, ack: m.AudioAck) -> e.AckDown:
        """That acknowledgement goes on to the client; it may still be held back, or late."""
        assert ack.data is not None  # or it acknowledges no audio
        return e.AckDown(self._count("ack"), *ack.data.byte_range)

    def ack_heard(self, connection: int, ack: m.AudioAck) -> None:
        """It has gone: a client that comes back goes on from there."""
        assert ack.data is not None  # as above
        end = ack.data.byte_range[1]
        line = self._lines.get(connection)
        if line is not None and line.base is not None:
            upto = (line.guess if line.start is None else line.start) + end - line.base
            self._acked = max(self._acked, min(upto, self.furthest))

    def down(self, message: m.Received) -> list[e.Event]:
        """The events of one message from the target, acknowledgements of audio left out."""
        match message:
            case m.Transcript(data=data) if data.is_final:
                return [e.FinalDown(self._count("final"))]
            case m.Transcript():
                return [e.PartialDown(self._count("partial"))]
            case m.SpeechStart():
                return [e.SpeechStartDown(self._count("speech"))]
            case m.StopAck(acknowledged=True):
                return [e.StopAckDown()]
            case m.EndRecording():
                return [e.EndRecordingDown()]
        return [e.PostDown(self._count("post"))] if isinstance(message, _POST) else []

    def _count(self, what: str) -> int:
        self._counts[what] = 1 + self._counts.get(what, 0)
        return self._counts[what]

    def _place(self, guess: int, data: bytes) -> int:
        """Where audio that a connection begins with belongs."""
        guess = min(guess, self.furthest)
        if guess == self.furthest or self._is_at(guess, data):
            return guess
        found, best = self._history.find(data), None
        while found >= 0:
            offset = self._history_start + found
            if best is None or abs(offset - guess) < abs(best - guess):
                best = offset
            found = self._history.find(data, found + 1)
        return self.furthest if best is None else best

    def _is_at(self, offset: int, data: bytes) -> bool:
        at = offset - self._history_start
        known = self._history[at : at + len(data)] if at >= 0 else b""
        return bool(known) and data.startswith(bytes(known))

    def _keep(self, offset: int, data: bytes) -> None:
        new = offset + len(data) - self.furthest
        if new <= 0:
            return
        self._history += data[-new:]
        self.furthest += new
        kept = min(self.furthest - self._acked + _BEFORE_BYTES, _KEPT_BYTES)
        surplus = len(self._history) - kept
        if surplus > _BEFORE_BYTES // 4:  # moved seldom, since all of it moves
            del self._history[:surplus]
            self._history_start += surplus
