"""How much of everybody's memory and time one client may take."""

from __future__ import annotations

import math

import trio


class Pool:
    """Bytes that all connections together may hold of messages that are not whole yet."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> bool:
        """Take `size` bytes, if they are there."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give(self, size: int) -> None:
        """Give back what was taken."""
        self._left += size


class Share:
    """One connection's part of a pool. What everybody may hold anyway is not taken from it, so
    that ordinary clients get along while others have used it up."""

    _FREE = 1 << 20

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._taken = 0

    def hold(self, size: int) -> bool:
        """Hold `size` bytes in all; false, and nothing changes, where there is no room."""
        more = max(0, size - self._FREE) - self._taken
        if more > 0 and not self._pool.take(more):
            return False
        if more < 0:
            self._pool.give(-more)
        self._taken += more
        return True


class PatientStream:
    """The stream of a request and its answer, given up when its client is too slow.

    Hypercorn itself waits for ever for a body, and for a client to take its answer. What counts is
    the time since the request began, or since the client took something of the answer: single
    bytes now and then do not help it.
    """

    def __init__(
        self,
        stream: trio.SocketStream,
        head: bytes,
        *,
        request_seconds: float,
        send_seconds: float,
    ) -> None:
        """`head`: what was read of the stream, which comes again; the seconds that the request and
        each piece of the answer may take."""
        self._stream = stream
        self._head = head
        self._request_seconds = request_seconds
        self._send_seconds = send_seconds
        self._sending = False
        self._since = trio.current_time()
        self.socket = stream.socket

    def _deadline(self) -> float:
        return math.inf if self._sending else self._since + self._request_seconds

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """As of any stream.

        Raises:
            trio.BrokenResourceError: the connection is broken, or its client too slow.
        """
        if self._head:
            await trio.lowlevel.checkpoint()
            size = max_bytes or len(self._head)
            piece, self._head = self._head[:size], self._head[size:]
            return piece
        while trio.current_time() < self._deadline():
            # An answer that goes out meanwhile moves the deadline.
            with trio.move_on_at(
                min(self._deadline(), trio.current_time() + self._request_seconds)
            ):
                return bytes(await self._stream.receive_some(max_bytes))
        # At once: hypercorn holds on to the connection for as long as to one without a request.
        await trio.aclose_forcefully(self._stream)
        raise trio.BrokenResourceError("the client is too slow")

    async def send_all(self, data: bytes) -> None:
        """As of any stream.

        Raises:
            trio.BrokenResourceError: the connection is broken, or its client too slow.
        """
        self._sending = True
        try:
            with trio.fail_after(self._send_seconds):
                await self._stream.send_all(data)
        except trio.TooSlowError:
            await trio.aclose_forcefully(self._stream)
            raise trio.BrokenResourceError("the client is too slow") from None
        finally:
            self._sending = False
            self._since = trio.current_time()

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()
