"""How a soak stands, on a port: OpenMetrics text for whoever comes and asks (`GET /metrics`)."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from replay.errors import MachineError
from replay.proxy.exchange import Request, Response
from replay.proxy.requests import serve_requests

_log = logging.getLogger(__name__)
_OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_PLAIN = "text/plain; charset=utf-8"
#: A connection is kept so long, in seconds: hours are long enough for many that nobody ended.
_KEPT = 300.0
_ADDRESS = re.compile(
    r"(?:(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]]+)):)?(?P<port>\d{1,5})"
)
_LAST_PORT = 65535


def address(text: str) -> tuple[str, int]:
    """Host and port as they are written; a port alone is one of this machine.

    Raises:
        ValueError: with a sentence for the user.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > _LAST_PORT:
        raise ValueError(f"{text!r} is no address: write HOST:PORT, such as 127.0.0.1:9100")
    return match["six"] or match["host"] or "127.0.0.1", int(match["port"])


async def serve_metrics(
    host: str,
    port: int,
    render: Callable[[], str],
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer until cancelled; tells the URL when it can be asked.

    Args:
        host: the address to listen on; port: 0 takes any that is free.
        render: gives the text as it is at this moment. It is called for each request, and must not
            take long, since sessions are paced beside it.

    Raises:
        MachineError: the address cannot be used.
    """
    listeners = await _listen(host, port)
    bound = listeners[0].socket.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    async with trio.open_nursery() as nursery:
        handle = _Metrics(render).handle
        await nursery.start(trio.serve_listeners, handle, listeners)
        task_status.started(f"http://{shown}:{bound}/metrics")


async def try_address(host: str, port: int) -> None:
    """Whether metrics can be served there.

    Raises:
        MachineError: the address cannot be used.
    """
    for listener in await _listen(host, port):
        await listener.aclose()


async def _listen(host: str, port: int) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except (OSError, OverflowError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        taken = getattr(error, "errno", None) == errno.EADDRINUSE
        hint = "; give --metrics another port, or 0 for any" if taken else ""
        raise MachineError(f"--metrics: cannot listen on {host}:{port}: {reason}{hint}") from None


class _Metrics:
    def __init__(self, render: Callable[[], str]) -> None:
        self._render = render

    async def handle(self, stream: trio.SocketStream) -> None:
        """Serve one connection."""
        try:
            with trio.move_on_after(_KEPT):
                await serve_requests(stream, b"", self._exchange)
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    @asynccontextmanager
    async def _exchange(self, request: Request) -> AsyncIterator[Response]:
        yield self._answer(request)

    def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD") or request.path not in ("/", "/metrics"):
            return Response.of(404, [("content-type", _PLAIN)], b"use GET /metrics\n")
        try:
            body = self._render().encode()
        except Exception:  # noqa: BLE001 - it is told, and whoever looks must not end a soak
            _log.exception("the metrics could not be made")
            return Response.of(500, [("content-type", _PLAIN)], b"see the log of the soak\n")
        # A browser would save what it does not know, in place of showing it.
        browser = "text/html" in dict(request.headers).get("accept", "")
        kind = _PLAIN if browser else _OPENMETRICS
        return Response.of(200, [("content-type", kind)], body)
