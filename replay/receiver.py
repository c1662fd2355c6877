"""A small receiver of callbacks and webhooks: every request is stamped when it is whole."""

from __future__ import annotations

import errno
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import trio

from replay.errors import MachineError
from replay.proxy.exchange import Request, Response
from replay.proxy.requests import serve_requests
from replay.wire import posting, signing


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request.

    Attributes:
        moment: when its last byte was read, in seconds on trio's clock.
        wall: the same as POSIX time.
        post: what it tells, None when it is neither a callback nor a webhook.
        signature: what is wrong with it; "" when nothing is, None when nobody looked.
    """

    moment: float
    wall: float
    path: str
    body: bytes
    post: posting.Post | None
    signature: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """How requests are answered. `delay`: after so many seconds."""

    status: int = 200
    delay: float = 0.0


@asynccontextmanager
async def open_receiver(
    tell: Callable[[Arrival], None],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    key: bytes | None = None,
    answers: Answers | None = None,
) -> AsyncIterator[str]:
    """Take requests for as long as the block; gives the URL to post to.

    Args:
        tell: is given each arrival, at once.
        port: 0 takes any.
        key: look at webhooks' signatures made with it; one that is signed wrongly is told, and
            answered with 401. Callbacks are not signed.

    Raises:
        MachineError: the address cannot be used.
    """
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = (
            "; use --port 0 for any free port"
            if getattr(error, "errno", None) == errno.EADDRINUSE
            else ""
        )
        raise MachineError(f"cannot listen on {host}:{port}: {reason.lower()}{hint}") from None
    handle = partial(_serve, _Desk(tell, key, answers or Answers()))
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, handle, listeners)
        bound = listeners[0].socket.getsockname()[1]
        yield f"http://[{host}]:{bound}/" if ":" in host else f"http://{host}:{bound}/"
        nursery.cancel_scope.cancel()


async def _serve(desk: _Desk, stream: trio.abc.Stream) -> None:
    try:
        await serve_requests(stream, b"", desk.exchange)
    finally:
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(stream)


class _Desk:
    def __init__(
        self, tell: Callable[[Arrival], None], key: bytes | None, answers: Answers
    ) -> None:
        self._tell = tell
        self._key = key
        self._answers = answers

    @asynccontextmanager
    async def exchange(self, request: Request) -> AsyncIterator[Response]:
        if request.method != "POST":
            yield Response.of(405, [("allow", "POST")], b"callbacks are posted\n")
            return
        moment, wall = trio.current_time(), time.time()
        post = posting.decode(request.body)
        wrong = None
        if self._key is not None and (post is None or not posting.is_callback(post)):
            wrong = signing.verify(self._key, dict(request.headers), request.body, wall)
        self._tell(Arrival(moment, wall, request.path, request.body, post, wrong))
        await trio.sleep(self._answers.delay)
        yield Response.of(401 if wrong else self._answers.status, [], b"")
