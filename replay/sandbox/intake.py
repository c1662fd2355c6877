"""The audio of a session as it comes in: what is counted, what is recorded."""

from __future__ import annotations

from replay.audio import AudioFormat, wav_data_offset
from replay.sandbox.store import Store
from replay.wire.messages import AudioAckData

#: A WAV header longer than this is taken for audio after all.
_LONGEST_HEADER = 1 << 16


class Intake:
    """Counts every byte, records all but a WAV header that opens the session.

    Ranges count the header's bytes, because clients count what they sent; times leave it out.
    """

    def __init__(self, store: Store, fmt: AudioFormat) -> None:
        self._store = store
        self._format = fmt
        self._head: bytearray | None = bytearray()  # None once the header question is settled
        self._skipped = 0
        self.received = 0

    def take(self, data: bytes) -> AudioAckData:
        """Record `data`; the ranges to acknowledge, exclusive and cumulative."""
        start, time = self.received, self._seconds()
        self.received += len(data)
        if self._head is None:
            self._store.append(data)
        else:
            self._open(self._head, data)
        return AudioAckData(
            byte_range=(start, self.received), time_range=(time, max(time, self._seconds()))
        )

    def finish(self) -> bool:
        """No more comes: what looked like the beginning of a header is audio. Was there any?"""
        head, self._head = self._head, None
        if not head:
            return False
        self._store.append(bytes(head))
        return True

    def _open(self, head: bytearray, data: bytes) -> None:
        head += data
        offset = wav_data_offset(bytes(head[:_LONGEST_HEADER])) if head else None
        if offset is None and len(head) < _LONGEST_HEADER:
            return
        self._skipped = offset or 0
        self._head = None
        self._store.append(bytes(head[self._skipped :]))

    def _seconds(self) -> float:
        return self._format.seconds(max(0, self.received - self._skipped))
