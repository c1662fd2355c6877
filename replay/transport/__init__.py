"""The wire: HTTP requests and websockets to a service, and nothing that knows what they are for.

`http`: `HttpService`, a service behind a base URL. `websocket`: one connection. Foreign exceptions
(httpx, trio, trio-websocket, wsproto, ssl) end here and come out as `replay.errors`. What the rooms
above need is `Service` and `Wire`; tests and simulations bring their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import IO, Any, Protocol

from replay.wire.http import InitAnswer, Job


@dataclass(frozen=True, slots=True)
class Steps:
    """How long each step of opening a connection took, in seconds. `tcp` includes the name."""

    tcp: float = 0.0
    tls: float = 0.0
    upgrade: float = 0.0


class Wire(Protocol):
    """One open websocket. Every method raises `ConnectionLost` when it is gone."""

    @property
    def steps(self) -> Steps: ...

    async def send(self, frame: str | bytes) -> None:
        """Send one text or binary frame. A cancelled send leaves nothing but `abort`."""

    async def receive(self) -> tuple[float, str | bytes]:
        """The next frame, and when it was read off the socket, in seconds on trio's clock."""

    async def ping(self) -> None:
        """Send a ping and wait for its pong."""

    async def abort(self) -> None:
        """End the connection at once, without a close frame."""

    async def close(self, code: int) -> None:
        """Say goodbye, wait a short while for the answer, end the connection."""


class Service(Protocol):
    """A service that transcribes, wherever it is."""

    async def init(self, body: Mapping[str, Any], region: str | None) -> InitAnswer:
        """Open a session.

        Raises:
            Refused: the service said no.
            TransportError: there was no answer.
        """

    def dial(self, url: str, deadline: float) -> AbstractAsyncContextManager[Wire]:
        """Connect to the `url` of a session.

        Raises:
            ConnectFailed: on entering, at `deadline` (trio's clock) at the latest.
        """

    async def job(self, job_id: str) -> tuple[bytes, Job]:
        """The job's JSON as it came, and typed.

        Raises:
            Refused, TransportError, ProtocolViolation.
        """

    async def download(self, job_id: str, into: IO[bytes]) -> int:
        """Write the job's recording to `into`; how many bytes it had.

        Raises:
            Refused, TransportError.
        """
