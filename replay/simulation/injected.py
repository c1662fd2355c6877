"""The injector between a client and a sandbox, in memory.

client ⇄ a network that takes its time ⇄ injector ⇄ sandbox. `Injected` is a `transport.Service`, so
that a client plays into it as into the real one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import IO, Any

import msgspec
import trio

from replay import journal as j
from replay.audio import HEADER_BYTES
from replay.errors import ConnectFailed, Refused
from replay.faults import Plan
from replay.proxy.door import Door
from replay.proxy.exchange import Request, Response
from replay.proxy.injector import Injector
from replay.proxy.server import FaultsOnly
from replay.recorder import ListRecorder
from replay.sandbox.hub import ApiError, Sandbox
from replay.sandbox.memory import serve_stream
from replay.simulation.network import Link
from replay.simulation.pipes import Alarms, stream_pair
from replay.simulation.wire import MemoryWebSocket, open_wire
from replay.tasks import open_flat_nursery
from replay.transport import Wire
from replay.transport.retry_after import retry_after
from replay.wire.http import LIVE_PATH as LIVE
from replay.wire.http import InitAnswer, Job, file_path, job_path, route_of

#: How long a request waits at a door that answers nobody.
_REQUEST_SECONDS = 10.0


class MemoryDoor(Door):
    """A door without a socket. `state`: open, refused or unreachable."""

    state = "open"

    async def be_open(self) -> None:
        self.state = "open"

    async def be_refused(self) -> None:
        self.state = "refused"

    async def be_unreachable(self) -> None:
        self.state = "unreachable"


class MemoryUpstream:
    """The sandbox as the injector's target."""

    base_url = "http://sandbox"

    def __init__(self, sandbox: Sandbox, nursery: trio.Nursery, alarms: Alarms) -> None:
        self.sandbox = sandbox
        self.requests: list[Request] = []
        self.dialled: list[str] = []
        self._nursery = nursery
        self._alarms = alarms

    async def dial(self, url: str) -> trio.abc.Stream:
        self.dialled.append(url)
        near, far = stream_pair(self._alarms)
        self._nursery.start_soon(serve_stream, self.sandbox, far, b"", MemoryWebSocket)
        await trio.lowlevel.checkpoint()
        return near

    @asynccontextmanager
    async def request(self, request: Request) -> AsyncIterator[Response]:
        self.requests.append(request)
        await trio.lowlevel.checkpoint()
        json = [("content-type", "application/json")]
        try:
            status, body = self._answer(request)
        except ApiError as error:
            status, body = error.status, b"{}"
        yield Response.of(status, json, body)

    def _answer(self, request: Request) -> tuple[int, bytes]:
        route, job_id = route_of(request.method, request.path)
        if route == "init":
            entry = self.sandbox.init(msgspec.json.decode(request.body), None)
            url = f"ws://sandbox{LIVE}?token={entry.token}"
            answer = InitAnswer(id=entry.live.id, url=url, created_at=entry.created_at)
            return 201, msgspec.json.encode(answer)
        entry = self.sandbox.find(job_id)
        if route == "file":
            return 200, b"".join(entry.live.store.wav())
        return 200, msgspec.json.encode(self.sandbox.job(entry))


class Injected:
    """What a client plays into.

    Attributes:
        recorder: the journal of client and injector.
        requests: the methods that reached the sandbox.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        upstream: MemoryUpstream,
        injector: Injector,
        recorder: ListRecorder,
        nursery: trio.Nursery,
        latency: float,
        alarms: Alarms,
    ) -> None:
        self.sandbox = sandbox
        self.upstream = upstream
        self.injector = injector
        self.recorder = recorder
        self.latency = latency
        self._nursery = nursery
        self._alarms = alarms

    @property
    def requests(self) -> list[str]:
        return [request.method for request in self.upstream.requests]

    @property
    def fired(self) -> list[j.FaultFired]:
        return [entry for entry in self.recorder.entries if isinstance(entry, j.FaultFired)]

    async def _door(self, deadline: float) -> None:
        await trio.sleep(self.latency)
        door = self.injector.door
        assert isinstance(door, MemoryDoor), "it was put there by `inject`"
        if door.state == "refused":
            raise ConnectFailed("connection refused")
        if door.state == "unreachable":
            await trio.sleep_until(deadline)
            raise ConnectFailed("no answer")

    async def _exchange(self, method: str, path: str, body: bytes = b"") -> bytes:
        await self._door(trio.current_time() + _REQUEST_SECONDS)
        headers = [("content-type", "application/json")]
        async with self.injector.exchange(Request(method, path, headers, body)) as response:
            content = b"".join([piece async for piece in response.pieces()])
        await trio.sleep(self.latency)
        if response.status >= 400:
            wait = retry_after(dict(response.headers).get("retry-after"))
            raise Refused(f"HTTP {response.status}", status=response.status, retry_after=wait)
        return content

    async def init(self, body: Mapping[str, Any], region: str | None) -> InitAnswer:  # noqa: ARG002
        content = await self._exchange("POST", LIVE, msgspec.json.encode(dict(body)))
        return msgspec.json.decode(content, type=InitAnswer)

    @asynccontextmanager
    async def dial(self, url: str, deadline: float) -> AsyncIterator[Wire]:
        await self._door(deadline)
        link = Link(self.latency, self._alarms)
        self._nursery.start_soon(self.injector.handle, link.server)
        resource = url.removeprefix("ws://proxy")
        async with open_wire(link.client, "proxy", resource, deadline) as wire:
            yield wire

    async def job(self, job_id: str) -> tuple[bytes, Job]:
        content = await self._exchange("GET", job_path(job_id))
        return content, msgspec.json.decode(content, type=Job)

    async def download(self, job_id: str, into: IO[bytes]) -> int:
        content = await self._exchange("GET", file_path(job_id))
        into.write(content)
        return len(content)

    def recorded(self, job_id: str) -> bytes:
        """The audio that the sandbox has of a session, without a header."""
        return b"".join(self.sandbox.find(job_id).live.store.wav())[HEADER_BYTES:]


@asynccontextmanager
async def inject(
    sandbox: Sandbox,
    plan: Plan,
    recorder: ListRecorder,
    alarms: Alarms,
    *,
    bytes_per_second: int,
    latency: float = 0.05,
    seed: int = 0,
) -> AsyncIterator[Injected]:
    """A service in front of `sandbox` that has this plan to do, for as long as the block.

    Args:
        alarms: of the clock that all of it runs on.
        latency: of the network between client and injector, in seconds each way.
        seed: of what the plan leaves to chance.

    Raises:
        UsageError: the plan asks for what only a process can do.
    """
    async with open_flat_nursery() as nursery:
        upstream = MemoryUpstream(sandbox, nursery, alarms)
        injector = Injector(
            upstream,
            plan,
            FaultsOnly(recorder, bytes_per_second),
            Random(seed),  # noqa: S311 - faults to be had again, not to be kept secret
            nursery,
            bytes_per_second=bytes_per_second,
        )
        injector.door = MemoryDoor(nursery)
        injector.url = "http://proxy"
        injector.start()
        yield Injected(sandbox, upstream, injector, recorder, nursery, latency, alarms)
        nursery.cancel_scope.cancel()
