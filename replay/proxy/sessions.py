"""What is taken down of one session that passes, and when that may end."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trio

from replay import __version__
from replay import journal as j
from replay.audio import NS, AudioFormat
from replay.recorder import FileRecorder
from replay.wire.closing import IDLE, JOB_ENDED, NORMAL

#: After these the target takes no more audio: it is about to end the session, or has.
_LAST_CODES = (NORMAL, IDLE, JOB_ENDED)
#: What a client does after the end belongs to its session: it asks for the job, fetches the file,
#: or comes back. It must be quiet for so long before the journal is closed.
GRACE_SECONDS = 10.0
#: So long a target waits for a client that is away; without a last word one may still come back.
AWAY_SECONDS = 120.0


class SessionJournal:
    """One session's witness; holds its entries until there is a session to have a directory.

    Attributes:
        concluding: the target has reason to end the session by now. One that was never stopped
            goes on for minutes in which nobody comes.
        closed: nothing is taken down any more.
        reconnects: how often its client came back.
    """

    def __init__(self, late: Callable[[SessionJournal], None]) -> None:
        """`late`: is told once if something comes when the journal is closed."""
        self.format = AudioFormat()
        self.config: dict[str, Any] = {}
        self.key: str | None = None
        self.id = ""
        self.directory: Path | None = None
        self.last_code = 0
        self.concluding = False
        self.closed = False
        self.reconnects = 0
        self._late: Callable[[SessionJournal], None] | None = late
        self._links = 0
        self._quiet_since = trio.current_time()
        self._origin = trio.current_time()
        self._began = datetime.now(UTC)
        self._waiting: list[j.AnyEntry] = []
        self._recorder: FileRecorder | None = None
        self._zero = False

    def now(self) -> int:
        return self.at(trio.current_time())

    def at(self, moment: float) -> int:
        return round((moment - self._origin) * NS)

    @property
    def patience(self) -> float:
        """Seconds of quiet after which the session may be over."""
        return GRACE_SECONDS + (0.0 if self.last_code in _LAST_CODES else AWAY_SECONDS)

    @property
    def quiet_since(self) -> float:
        """When its client did something last, on trio's clock; infinite while one is there."""
        return math.inf if self._links else self._quiet_since

    def write(self, entry: j.AnyEntry) -> None:
        if self.closed:
            if self._late is not None and self._is_of_client(entry):
                self._late(self)
                self._late = None
            return
        if self._is_of_client(entry):
            self._quiet_since = trio.current_time()
        if isinstance(entry, j.Connected):
            self._links += 1
            self.reconnects = max(self.reconnects, entry.connection - 1)
        if isinstance(entry, j.Lost):
            self._links -= 1
            self.last_code = entry.code
        if isinstance(entry, j.StopSent) or self.last_code in _LAST_CODES:
            self.concluding = True
        if isinstance(entry, j.Frame) and not self._zero:
            self._zero = True
            # What came first was spoken before it came.
            began = entry.t - self.format.nanoseconds(entry.size)
            self.write(j.Started(t=began))
        if self._recorder is None:
            self._waiting.append(entry)
        else:
            self._recorder.write(entry)

    def _is_of_client(self, entry: j.AnyEntry) -> bool:
        """Whether its client came or went. Faults go on without one, and what is asked about no
        session is put down with the newest."""
        if isinstance(entry, j.Http):
            return bool(self.id) and self.id in entry.path
        return isinstance(entry, j.Init | j.Connected | j.Lost)

    def audio(self, data: bytes) -> None:
        if self._recorder is not None:
            self._recorder.audio(data)

    def begin(self, recorder: FileRecorder, name: str, target: j.TargetFacts, seed: int) -> None:
        """There is a session, and a place for its journal."""
        header = j.Header(
            t=0,
            schema=j.SCHEMA,
            replay_version=__version__,
            created_at=self._began.isoformat(timespec="milliseconds"),
            name=name,
            source=j.SourceFacts(name="client", live=True),
            format=j.FormatFacts(
                encoding=self.format.encoding.name,
                sample_rate=self.format.sample_rate,
                bit_depth=self.format.bit_depth,
                channels=self.format.channels,
            ),
            plan=j.PlanFacts(phase="arrival", chunk_ns=0, speed=1.0),
            target=target,
            config=self.config,
            vantage="proxy",
            seed=seed,
        )
        self._recorder = recorder
        for entry in (header, *self._waiting):
            recorder.write(entry)
        self._waiting.clear()

    def close(self) -> None:
        """Nothing more is to be taken down."""
        self.write(j.Closed(t=self.now()))
        self.closed = True
        self._recorder, self.key = None, None
        self.config.clear()
