"""The place of the one connection that a session has at a time."""

from __future__ import annotations

import trio

from replay.errors import ConnectionLost
from replay.sandbox.connection import Connection
from replay.sandbox.outbox import Outbox
from replay.sandbox.schedule import Signal


class Seat:
    """A connection, and how it is to end.

    Attributes:
        taken: false once another connection has the session.
        lost: nothing can be said to it any more.
    """

    def __init__(self, connection: Connection, outbox: Outbox, grace: float) -> None:
        """`grace`: seconds that whatever ends the connection may take."""
        self.connection = connection
        self.taken = True
        self.lost = False
        self._outbox = outbox
        self._grace = grace
        self._verdict: tuple[int, str] | None = None
        self._turned = Signal()
        self._flush = False  # deliver what is queued before the verdict is carried out

    @property
    def dismissed(self) -> bool:
        return self._verdict is not None

    def dismiss(self, code: int, reason: str, *, flush: bool = False) -> None:
        """Have it closed; with `flush`, after everything queued was delivered."""
        self._verdict, self._flush = (code, reason), flush
        self._turn()

    def lose(self) -> None:
        """It is gone."""
        self.lost = True
        self._turn()

    def _turn(self) -> None:
        self._turned.set()
        self._outbox.changed.set()  # whoever delivers looks again

    async def deliver(self) -> None:
        """Hand over what is queued until the connection is lost or is to be closed."""
        while not self.lost:
            parcel = self._outbox.head() if self.taken else None
            if self._verdict and not (self._flush and parcel):
                return
            if parcel is None:
                await self._outbox.changed.wait()
                continue
            try:
                await self.connection.send(parcel.text)
            except ConnectionLost:
                self.lose()
            else:
                self._outbox.done(parcel)

    async def hurry(self, scope: trio.CancelScope) -> None:
        """See that a send that never ends does not keep a connection that is to go."""
        while not self.lost and (self._verdict is None or self._flush):
            await self._turned.wait()
        await trio.sleep(self._grace)
        self.lost = True
        scope.cancel()

    async def close(self) -> None:
        """Carry out the verdict, if there still is somebody to hear it."""
        if self._verdict and not self.lost:
            with trio.move_on_after(self._grace):
                await self.connection.close(*self._verdict)
