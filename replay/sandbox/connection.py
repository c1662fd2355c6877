"""A connection as a session sees it, whatever it is made of."""

from __future__ import annotations

from typing import Protocol


class Connection(Protocol):
    """An open websocket. One task receives while another sends."""

    @property
    def read_at(self) -> float:
        """When the end of the last message received was read, on trio's clock."""
        ...

    async def receive(self) -> str | bytes:
        """The next message.

        Raises:
            ConnectionLost: it is over; `code` is the client's close code, 1006 for none.
        """
        ...

    async def send(self, text: str) -> None:
        """Send a text message.

        Raises:
            ConnectionLost: it is over.
        """
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close, and wait for the other side to agree; safe to cancel and to call again."""
        ...
