"""The sandbox on a port: one listener, plain HTTP and websockets told apart by their head.

Hypercorn serves the plain HTTP. Websockets are taken from it before it sees them, because it
hides the client's close code and cannot be made to let go of a client that stopped reading.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import trio
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from replay.errors import MachineError
from replay.sandbox.app import make_app
from replay.sandbox.bugs import log_bug
from replay.sandbox.hub import Sandbox
from replay.sandbox.memory import serve_stream
from replay.sandbox.patience import PatientStream

_HEAD_BYTES = 1 << 14
_READ = 1 << 16


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any that is free.

    Raises:
        MachineError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(256)
        sock.setblocking(False)
    except (OSError, OverflowError) as error:
        sock.close()
        reason = getattr(error, "strerror", None) or error
        hint = (
            "; use --port 0 for any free port"
            if getattr(error, "errno", None) == errno.EADDRINUSE
            else ""
        )
        raise MachineError(f"cannot listen on {host}:{port}: {reason}{hint}") from None
    return sock


def base_url(sock: socket.socket) -> str:
    """Where `sock` can be reached."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def serving(sandbox: Sandbox, sock: socket.socket) -> AsyncIterator[str]:
    """Serve `sandbox` on `sock` for as long as the block; gives the base URL.

    At the end, open websockets are closed with 1001, and everything else is cut.
    """
    front = Front(sandbox)
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, front.handle, [listener])
        try:
            yield base_url(sock)
            with trio.move_on_after(sandbox.settings.close_grace):
                await sandbox.go_away()
        finally:
            # Hypercorn shields its sends, so cancelling alone would wait for a client that
            # does not read.
            with trio.CancelScope(shield=True):
                await front.cut()
        nursery.cancel_scope.cancel()


class Front:
    """Looks at the first request of each connection and hands the connection on."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        config = Config()
        config.accesslog = None
        config.errorlog = logging.getLogger(__name__)
        config.include_server_header = False
        config.keep_alive_timeout = sandbox.settings.request_timeout
        config.h11_max_incomplete_size = _HEAD_BYTES
        # Hypercorn's types describe each message more exactly than starlette's do.
        closing = _Closing(make_app(sandbox))
        app = wrap_app(cast(Any, closing), config.wsgi_max_body_size, "asgi")
        self._http = partial(TCPServer, app, config, WorkerContext(None), ConnectionState({}))
        self._streams: set[trio.SocketStream] = set()
        # Those that belong to no session, the longest there first.
        self._visitors: dict[trio.SocketStream, None] = {}

    async def handle(self, stream: trio.SocketStream) -> None:
        """Serve one connection until it is over."""
        self._streams.add(stream)
        try:
            await self._dispatch(stream)
        except* Exception as bug:  # noqa: BLE001 - it is told, and must not end all others
            log_bug("a connection broke down", bug)
        finally:
            self._streams.discard(stream)
            self._visitors.pop(stream, None)
            await trio.aclose_forcefully(stream)

    async def cut(self) -> None:
        """Close every connection at once; a send that hangs in one ends with that."""
        for stream in tuple(self._streams):
            await trio.aclose_forcefully(stream)

    async def _dispatch(self, stream: trio.SocketStream) -> None:
        settings = self._sandbox.settings
        await self._welcome(stream)
        try:
            with trio.fail_after(settings.handshake_timeout):
                head = await _read_head(stream)
        except (trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError):
            return
        if not head:
            return
        if _asks_for_websocket(head):
            self._visitors.pop(stream, None)
            await serve_stream(self._sandbox, stream, head)
            return
        patient = PatientStream(
            stream,
            head,
            request_seconds=settings.request_timeout,
            send_seconds=settings.send_timeout,
        )
        await self._http(cast(Any, patient))

    async def _welcome(self, stream: trio.SocketStream) -> None:
        """Make room for one more; who came first goes first, as it has had its time."""
        while len(self._visitors) >= self._sandbox.settings.max_visitors:
            oldest = next(iter(self._visitors))
            del self._visitors[oldest]
            await trio.aclose_forcefully(oldest)
        self._visitors[stream] = None


async def _read_head(stream: trio.SocketStream) -> bytes:
    """Everything up to the end of the first request's head, and what came with it."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _HEAD_BYTES:
        data = await stream.receive_some(_READ)
        if not data:
            break
        head += data
    return head


def _asks_for_websocket(head: bytes) -> bool:
    for line in head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"upgrade":
            return value.strip().lower() == b"websocket"
    return False


class _Closing:
    """An application whose every answer ends its connection.

    A client may send the next request on a connection that is kept (aiohttp does), and where that
    one asks for a websocket hypercorn would have to be left in the middle.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def say(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, say)
