"""Where clients come in: a listening socket that can be shut, or made to answer nobody."""

from __future__ import annotations

import abc
import math
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from replay.errors import MachineError

#: Linux makes twice as much of it; less than half a second of audio is on its way then.
SMALL_BUFFER = 4096
_BACKLOG = 256


class Door(abc.ABC):
    """Open, shut for a time, or open again; of several shuttings the last to end counts.

    Args:
        background: waits for the time to be over.
    """

    def __init__(self, background: trio.Nursery) -> None:
        self._background = background
        self._shut_until = -math.inf
        self._turn = 0

    async def refuse(self, seconds: float) -> None:
        """Connections are refused for so long."""
        await self._shut(self.be_refused, seconds)

    async def vanish(self, seconds: float) -> None:
        """Connections hang for so long."""
        await self._shut(self.be_unreachable, seconds)

    async def open(self) -> None:
        """Let clients in from now on."""
        self._turn += 1
        self._shut_until = -math.inf
        await self.be_open()

    async def _shut(self, how: Callable[[], Awaitable[None]], seconds: float) -> None:
        self._turn += 1
        self._shut_until = max(self._shut_until, trio.current_time() + seconds)
        await how()
        if self._shut_until < math.inf:
            self._background.start_soon(self._reopen, self._turn)

    async def _reopen(self, turn: int) -> None:
        await trio.sleep_until(self._shut_until)
        if turn == self._turn:
            await self.be_open()

    @abc.abstractmethod
    async def be_open(self) -> None: ...

    @abc.abstractmethod
    async def be_refused(self) -> None: ...

    @abc.abstractmethod
    async def be_unreachable(self) -> None: ...


class SocketDoor(Door):
    """A port of this machine. Use `open_door`.

    Attributes:
        port: which one; the same each time it opens again.
    """

    def __init__(
        self,
        background: trio.Nursery,
        handle: Callable[[trio.SocketStream], Awaitable[None]],
        host: str,
        port: int,
        *,
        small_buffers: bool,
    ) -> None:
        super().__init__(background)
        self.port = port
        self._handle = handle
        self._host = host
        self._small_buffers = small_buffers
        self._sockets: list[socket.socket] = []
        self._serving: tuple[trio.CancelScope, trio.SocketListener] | None = None

    async def be_open(self) -> None:
        """Listen.

        Raises:
            MachineError: the port is somebody else's.
        """
        self._close()
        sock = self._bind(_BACKLOG)
        self.port = sock.getsockname()[1]
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
        scope = trio.CancelScope()
        self._serving = scope, listener
        self._background.start_soon(self._serve, listener, scope)
        await trio.lowlevel.checkpoint()

    def be_gone(self) -> None:
        """Give the port back."""
        self._close()

    async def be_refused(self) -> None:
        self._close()
        await trio.lowlevel.checkpoint()

    async def be_unreachable(self) -> None:
        """Nobody accepts, and the queue of those who wait is full: the kernel drops who knocks."""
        self._close()
        self._sockets.append(self._bind(0))
        for _ in range(2):
            knock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            knock.setblocking(False)
            self._sockets.append(knock)
            with suppress(BlockingIOError):
                knock.connect((self._host, self.port))
        await trio.lowlevel.checkpoint()

    def _bind(self, backlog: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._small_buffers:  # what is accepted inherits it
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            sock.bind((self._host, self.port))
            sock.listen(backlog)
            sock.setblocking(False)
        except (OSError, OverflowError) as error:
            sock.close()
            reason = (getattr(error, "strerror", None) or str(error)).lower()
            raise MachineError(
                f"cannot listen on {self._host}:{self.port}: {reason}; port 0 takes any free one"
            ) from None
        return sock

    async def _serve(self, listener: trio.SocketListener, scope: trio.CancelScope) -> None:
        # Closed under it, it ends as if it had failed.
        with scope, suppress(trio.ClosedResourceError):
            await trio.serve_listeners(self._handle, [listener], handler_nursery=self._background)

    def _close(self) -> None:
        if self._serving is not None:
            scope, listener = self._serving
            scope.cancel()
            listener.socket.close()
            self._serving = None
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()
