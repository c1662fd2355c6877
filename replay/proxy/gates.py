"""What new connections and requests meet instead of the target, as long as it is there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import msgspec
import trio

from replay.proxy.exchange import Response
from replay.proxy.handshake import Head, accept, error_answer
from replay.proxy.link import Link, Nowhere
from replay.proxy.pump import GONE
from replay.proxy.watch import Watch
from replay.wire.http import ErrorBody


@dataclass(frozen=True, slots=True)
class Visitor:
    """A client that asks for a websocket. `connect` makes a link of its stream and a target's."""

    stream: trio.abc.Stream
    head: Head
    watch: Watch
    connect: Callable[[trio.abc.Stream], Link]


class Gate(Protocol):
    """Meets websocket handshakes."""

    def stands(self, now: float, /) -> bool:
        """Whether it is still there."""

    async def meet(self, visitor: Visitor) -> None:
        """Deal with a client to the end of its connection."""


@dataclass(slots=True)
class _Lasting:
    """There until its time is over."""

    until: float
    landed: Callable[[], None]

    def stands(self, now: float) -> bool:
        return now < self.until


@dataclass(slots=True)
class Mute(_Lasting):
    """Never answers."""

    async def meet(self, visitor: Visitor) -> None:
        self.landed()
        try:
            while await visitor.stream.receive_some():
                pass
        except GONE:
            return


@dataclass(slots=True)
class Reject(_Lasting):
    """Answers with an HTTP error."""

    status: int
    retry_after: float | None

    async def meet(self, visitor: Visitor) -> None:
        self.landed()
        try:
            await visitor.stream.send_all(error_answer(self.status, self.retry_after))
        except GONE:
            return


@dataclass(slots=True)
class AcceptThenClose:
    """Agrees to the websocket and closes it, the next `left` times."""

    code: int
    left: int
    landed: Callable[[], None]

    def stands(self, _now: float) -> bool:
        return self.left > 0

    async def meet(self, visitor: Visitor) -> None:
        self.left -= 1
        self.landed()
        try:
            await visitor.stream.send_all(accept(visitor.head))
        except GONE:
            return
        link = visitor.connect(Nowhere())
        await visitor.watch.opened(link).wait()
        await link.close(self.code)
        await link.run()


class Answering(Protocol):
    """Meets requests that are no websocket."""

    def stands(self, now: float, /) -> bool:
        """Whether it is still there."""

    def takes(self, route: str, /) -> bool:
        """Whether it meets this kind of request."""

    def meet(self, path: str, /) -> Response | float:
        """An answer to give instead of the target's, or seconds that the target's is late."""


@dataclass(slots=True)
class ErrorAnswer:
    """Answers with an HTTP error, the next `left` times (None: always) until its time is over."""

    status: int
    route: str
    left: int | None
    landed: Callable[[], None]
    until: float = math.inf
    retry_after: float | None = None

    def stands(self, now: float) -> bool:
        return self.left != 0 and now < self.until

    def takes(self, route: str) -> bool:
        return self.route in ("any", route)

    def meet(self, path: str) -> Response:
        self.landed()
        if self.left is not None:
            self.left -= 1
        return error_response(self.status, path, "told to fail", self.retry_after)


@dataclass(slots=True)
class LateAnswer:
    """Makes the next answer late."""

    seconds: float
    landed: Callable[[], None]
    used: bool = field(default=False)

    def stands(self, _now: float) -> bool:
        return not self.used

    def takes(self, _route: str) -> bool:
        return True

    def meet(self, _path: str) -> float:
        self.used = True
        self.landed()
        return self.seconds


def error_response(
    status: int, path: str, message: str, retry_after: float | None = None
) -> Response:
    """An HTTP error in the form that the service gives it."""
    body = ErrorBody(
        timestamp=datetime.now(UTC).isoformat(timespec="milliseconds"),
        path=path,
        statusCode=status,
        message=message,
    )
    headers = [("content-type", "application/json")]
    if retry_after is not None:
        headers.append(("retry-after", str(math.ceil(retry_after))))
    return Response.of(status, headers, msgspec.json.encode(body))
