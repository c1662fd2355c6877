"""How far a session has come, on record before anybody learns of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import Enum

import trio

from replay.errors import MachineError, ReplayError
from replay.sandbox.connection import Connection
from replay.sandbox.register import Register, Row
from replay.sandbox.settings import Settings
from replay.sandbox.store import Store
from replay.sandbox.tail import Tail
from replay.wire import closing
from replay.wire.messages import ResultMetadata


class Stage(Enum):
    """How far a session has come; the names are on record."""

    WAITING = "nobody has connected yet"
    OPEN = "audio is taken in"
    STOPPED = "the audio is over"
    CONCLUDED = "the result is there"
    OVER = "nothing more is delivered"


def written(time: datetime) -> str:
    """`time`, which is UTC, as the protocol writes it."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Session:
    """A session; one that has ended needs no more than this.

    Attributes:
        row: what is kept of it in the register.
        stage: how far it has come.
        failure: why it broke down, or None.
        tail: the last of what was understood, for one that lived in this sandbox.
    """

    def __init__(
        self,
        row: Row,
        *,
        store: Store,
        register: Register,
        settings: Settings,
        now: Callable[[], datetime],
    ) -> None:
        self.id = row.id
        self.config = row.config
        self.row = row
        self.store = store
        self.stage = Stage[row.stage]
        self.failure: ReplayError | None = MachineError(row.failure) if row.failure else None
        self.tail: Tail | None = None
        self._register = register
        self._settings = settings
        self._now = now
        self._discarded = False

    @property
    def behind(self) -> float:
        """Seconds of its audio that wait for recognition."""
        return 0.0

    @property
    def result(self) -> ResultMetadata | None:
        """What it came to, without its text; None before the end."""
        return self.row.result

    @property
    def connected(self) -> bool:
        """Is a client there?"""
        return False

    async def serve(self, connection: Connection) -> None:
        """Tell `connection` that there is nothing more."""
        with trio.move_on_after(self._settings.close_grace):
            await connection.close(closing.JOB_ENDED, "the session has ended")

    async def go_away(self) -> None:
        """Close the connection, if there is one, because the server ends."""

    def discard(self) -> None:
        """It is deleted: nothing more of it goes on record."""
        self._discarded = True

    async def run(self) -> None:
        """Live until nothing more can be delivered."""

    def _stamp(self) -> str:
        return written(self._now())

    def _save(self) -> None:
        """Put on record how far it has come.

        Raises:
            MachineError: the register cannot be written.
        """
        self.row.stage = self.stage.name
        if not self._discarded:
            self._register.save(self.row)
