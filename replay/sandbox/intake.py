"""The audio of a session as it comes in: what is counted, what is recorded."""

from __future__ import annotations

import logging

from replay.audio import AudioFormat
from replay.sandbox.defects import Flaws
from replay.sandbox.store import Store
from replay.wire.messages import AudioAckData

_log = logging.getLogger(__name__)


class Intake:
    """Counts and records every byte, and tells a WAV header that opens the session from audio.

    Ranges count the header's bytes, because clients count what they sent; times leave it out.

    Attributes:
        received: bytes that came in.
    """

    def __init__(self, store: Store, fmt: AudioFormat, flaws: Flaws, *, tentative: bool) -> None:
        """`tentative`: audio stays only once its acknowledgement was handed over."""
        self._store = store
        self._format = fmt
        self._flaws = flaws
        self._tentative = tentative
        self.received = store.received
        self._decided = store.look_for_header()

    def take(self, data: bytes) -> AudioAckData:
        """Record `data`; the ranges to acknowledge, exclusive and cumulative."""
        start, time = self.received, self._seconds()
        recorded = self._flaws.record(data)
        self._store.append(recorded)
        if self._tentative:
            self._store.tentative += len(recorded)
        self.received += len(data)
        if not self._decided:
            self._decide()
        return AudioAckData(
            byte_range=(start, self.received), time_range=(time, max(time, self._seconds()))
        )

    def _decide(self) -> None:
        """What was declared when the session was opened counts, whatever a header says: audio in
        the body's format is what the session is about (protocol 3.1)."""
        self._decided = self._store.look_for_header()
        if not (self._decided and self._store.hidden):
            return
        if wrong := self._store.header_differences():
            _log.warning("the header of the audio differs from the session: %s", "; ".join(wrong))

    def settle(self, position: int) -> None:
        """Everything up to `position`, as ranges count, is sure to stay."""
        self._store.tentative = min(self._store.tentative, max(0, self.received - position))

    def forget(self) -> None:
        """What is not settled was never received."""
        self.received -= self._store.tentative
        self._store.forget()
        self._decided = self._store.look_for_header()

    def finish(self) -> bool:
        """No more comes: what looked like the beginning of a header is audio. Was there any?"""
        self.settle(self.received)
        if self._decided:
            return False
        self._decided, self._store.hidden = True, 0
        return self._store.size > 0

    def _seconds(self) -> float:
        return self._format.seconds(max(0, self.received - self._store.hidden))
