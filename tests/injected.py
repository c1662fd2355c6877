"""A world with the injector in the middle, in memory and in virtual time.

client ⇄ a network that takes its time ⇄ injector ⇄ sandbox. `Injected` is a
`replay.transport.Service`, so that a client plays into it as into `world.World`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import IO, Any

import msgspec
import trio
import trio.testing
from world import Link, words

from replay import journal as j
from replay.audio import HEADER_BYTES, AudioFormat
from replay.errors import ConnectFailed, Refused
from replay.faults import Plan, parse_plan
from replay.proxy.door import Door
from replay.proxy.exchange import Request, Response
from replay.proxy.injector import Injector
from replay.proxy.server import FaultsOnly
from replay.recorder import ListRecorder
from replay.sandbox.hub import ApiError, Sandbox, open_sandbox
from replay.sandbox.memory import serve_stream
from replay.sandbox.recognizers.base import Recognizer
from replay.sandbox.recognizers.scripted import Manner, Script, ScriptedRecognizer
from replay.sandbox.settings import Settings
from replay.transport import Steps, Wire
from replay.transport.retry_after import retry_after
from replay.transport.websocket import wrap
from replay.wire.http import LIVE_PATH as LIVE
from replay.wire.http import InitAnswer, Job, file_path, job_path, route_of


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

    def __init__(self, sandbox: Sandbox, nursery: trio.Nursery) -> None:
        self.sandbox = sandbox
        self.requests: list[Request] = []
        self.dialled: list[str] = []
        self._nursery = nursery

    async def dial(self, url: str) -> trio.abc.Stream:
        self.dialled.append(url)
        near, far = trio.testing.memory_stream_pair()
        self._nursery.start_soon(serve_stream, self.sandbox, far)
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
    ) -> None:
        self.sandbox = sandbox
        self.upstream = upstream
        self.injector = injector
        self.recorder = recorder
        self.latency = latency
        self._nursery = nursery

    @property
    def requests(self) -> list[str]:
        return [request.method for request in self.upstream.requests]

    @property
    def fired(self) -> list[j.FaultFired]:
        return [entry for entry in self.recorder.entries if isinstance(entry, j.FaultFired)]

    async def _door(self, deadline: float) -> None:
        await trio.sleep(self.latency)
        door = self.injector.door
        assert isinstance(door, MemoryDoor)
        if door.state == "refused":
            raise ConnectFailed("connection refused")
        if door.state == "unreachable":
            await trio.sleep_until(deadline)
            raise ConnectFailed("no answer")

    async def _exchange(self, method: str, path: str, body: bytes = b"") -> bytes:
        await self._door(trio.current_time() + 10)
        headers = [("content-type", "application/json")]
        async with self.injector.exchange(Request(method, path, headers, body)) as response:
            content = b"".join([piece async for piece in response.pieces()])
        await trio.sleep(self.latency)
        if response.status >= 400:
            wait = retry_after(dict(response.headers).get("retry-after"))
            raise Refused(f"HTTP {response.status}", status=response.status, retry_after=wait)
        return content

    async def init(self, body: Mapping[str, Any], region: str | None) -> InitAnswer:
        content = await self._exchange("POST", LIVE, msgspec.json.encode(dict(body)))
        return msgspec.json.decode(content, type=InitAnswer)

    @asynccontextmanager
    async def dial(self, url: str, deadline: float) -> AsyncIterator[Wire]:
        assert url.startswith(self.injector.url.replace("http", "ws"))
        await self._door(deadline)
        link = Link(self.latency)
        self._nursery.start_soon(link.run)
        self._nursery.start_soon(self.injector.handle, link.server)
        resource = url.removeprefix("ws://proxy")
        async with wrap(link.client, "proxy", resource, deadline, Steps()) as wire:
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
async def open_injected(
    *faults: str,
    plan: Plan | None = None,
    latency: float = 0.05,
    script: Script | None = None,
    manner: Manner | None = None,
    settings: Settings | None = None,
    recognizer: Recognizer | None = None,
    fmt: AudioFormat | None = None,
    seed: int = 0,
) -> AsyncIterator[Injected]:
    """A world for a test, with an injector that has these faults to do."""
    heard = recognizer or ScriptedRecognizer(script or words(20), manner or Manner())
    recorder = ListRecorder()
    async with (
        open_sandbox(settings or Settings(), heard) as sandbox,
        trio.open_nursery() as nursery,
    ):
        upstream = MemoryUpstream(sandbox, nursery)
        second = (fmt or AudioFormat()).bytes_per_second
        injector = Injector(
            upstream,
            plan or parse_plan(faults),
            FaultsOnly(recorder, second),
            Random(seed),
            nursery,
            bytes_per_second=second,
        )
        injector.door = MemoryDoor(nursery)
        injector.url = "http://proxy"
        injector.start()
        yield Injected(sandbox, upstream, injector, recorder, nursery, latency)
        nursery.cancel_scope.cancel()
