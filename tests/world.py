"""A whole world in one process and in virtual time: a sandbox, a network with a length, a client.

The network delays every byte, so that at any moment some are on their way: a cut then loses them,
and the windows that matter (recorded but not acknowledged, stop sent but not heard) really occur.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import IO, Any

import trio

from replay.audio import HEADER_BYTES, AudioFormat
from replay.client import LiveSession, open_session
from replay.errors import ConnectFailed, Refused
from replay.player import Pace, Player
from replay.recorder import ListRecorder
from replay.sandbox.hub import ApiError, Sandbox, open_sandbox
from replay.sandbox.memory import serve_stream
from replay.sandbox.recognizers.base import Recognizer
from replay.sandbox.recognizers.scripted import Manner, Script, ScriptedRecognizer, ScriptWord
from replay.sandbox.settings import Settings
from replay.session import Policy
from replay.simulation.network import Link
from replay.source import PreparedSource
from replay.transport import Steps, Wire
from replay.transport.websocket import wrap
from replay.wire.config import format_fields
from replay.wire.http import InitAnswer, Job


class Alarms:
    """Rings by tasks, on whatever clock a test has."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery

    def at(self, moment: float, ring: Callable[[], None]) -> None:
        self._nursery.start_soon(self._wait, moment, ring)

    async def _wait(self, moment: float, ring: Callable[[], None]) -> None:
        await trio.sleep_until(moment)
        ring()


class World:
    """A sandbox and the network to it; a `replay.transport.Service`."""

    def __init__(self, sandbox: Sandbox, nursery: trio.Nursery, latency: float) -> None:
        self.sandbox = sandbox
        self.latency = latency
        self.links: list[Link] = []
        self.reachable = True
        self.requests: list[str] = []
        self._nursery = nursery
        self.alarms = Alarms(nursery)

    async def init(self, body: Mapping[str, Any], region: str | None) -> InitAnswer:
        self.requests.append("POST")
        await trio.sleep(2 * self.latency)
        try:
            entry = self.sandbox.init(body, region)
        except ApiError as error:
            raise Refused(str(error), status=error.status) from None
        url = f"ws://sandbox/v2/live?token={entry.token}"
        return InitAnswer(id=entry.live.id, url=url, created_at=entry.created_at)

    @asynccontextmanager
    async def dial(self, url: str, deadline: float) -> AsyncIterator[Wire]:
        await trio.sleep(self.latency)
        if not self.reachable:
            raise ConnectFailed("connection refused")
        link = Link(self.latency, self.alarms)
        self.links.append(link)
        self._nursery.start_soon(serve_stream, self.sandbox, link.server)
        resource = url.removeprefix("ws://sandbox")
        async with wrap(link.client, "sandbox", resource, deadline, Steps()) as wire:
            yield wire

    async def job(self, job_id: str) -> tuple[bytes, Job]:
        import msgspec

        self.requests.append("GET")
        await trio.sleep(2 * self.latency)
        try:
            job = self.sandbox.job(self.sandbox.find(job_id))
        except ApiError as error:
            raise Refused(str(error), status=error.status) from None
        return msgspec.json.encode(job), job

    async def download(self, job_id: str, into: IO[bytes]) -> int:
        data = self.recorded(job_id)
        into.write(data)
        return len(data)

    def recorded(self, job_id: str) -> bytes:
        """The audio that the sandbox has of a session, without a header."""
        store = self.sandbox.find(job_id).live.store
        return b"".join(store.wav())[HEADER_BYTES:]

    async def cut(self) -> None:
        """Cut the newest connection."""
        if self.links:
            await self.links[-1].cut()

    def swallow(self, *directions: str) -> None:
        """Let everything on the newest connection vanish from now on: `up`, `down` or both."""
        if self.links:
            self.links[-1].swallow(*directions)


def words(count: int, every: float = 0.5, gap_each: int = 4) -> Script:
    """`count` different words, one `every` so many seconds, with a pause after `gap_each`."""
    listed = []
    at = 0.3
    for n in range(count):
        listed.append(ScriptWord(word=f"word{n}", start=at, end=at + every * 0.8))
        at += every * (2 if (n + 1) % gap_each == 0 else 1)
    return Script(words=listed)


async def harm(world: World, how: str, rng: Random) -> None:
    """Do one thing to the connection: `cut` it, `bar` it for up to 3 s, or let everything vanish
    from now on: `up`, `down` or `both`."""
    match how:
        case "cut":
            await world.cut()
        case "bar":
            world.reachable = False
            await world.cut()
            await trio.sleep(rng.uniform(0, 3))
            world.reachable = True
        case "both":
            world.swallow("up", "down")
        case direction:
            world.swallow(direction)


@asynccontextmanager
async def open_world(
    script: Script | None = None,
    *,
    latency: float = 0.05,
    manner: Manner | None = None,
    settings: Settings | None = None,
    recognizer: Recognizer | None = None,
) -> AsyncIterator[World]:
    """A world for a test; everything in it is gone after the block."""
    recognizer = recognizer or ScriptedRecognizer(script or words(20), manner or Manner())
    async with (
        open_sandbox(settings or Settings(), recognizer) as sandbox,
        trio.open_nursery() as nursery,
    ):
        yield World(sandbox, nursery, latency)
        nursery.cancel_scope.cancel()


def counting(fmt: AudioFormat, seconds: float) -> bytes:
    """Audio in which every four bytes are different: any loss, shift or repeat shows."""
    size = fmt.bytes_in(seconds)
    return b"".join(n.to_bytes(4, "little") for n in range(size // 4 + 1))[:size]


async def play(
    world: World,
    audio: bytes,
    *,
    config: Mapping[str, Any] | None = None,
    fmt: AudioFormat | None = None,
    policy: Policy | None = None,
    recorder: ListRecorder | None = None,
    pace: Pace | None = None,
    chunk: float = 0.1,
    rng: Any = None,
) -> LiveSession:
    """Play `audio` into the world to the end of the session."""
    fmt = fmt or AudioFormat()
    source = PreparedSource(audio, fmt, chunk)
    recorder = recorder or ListRecorder()
    body = {**(config or {}), **format_fields(fmt)}
    async with (
        source,
        open_session(world, body, policy=policy, recorder=recorder, rng=rng) as session,
    ):
        player = Player(source, session, recorder, pace or Pace())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(player.play)
            async for _ in session:
                pass
            nursery.cancel_scope.cancel()
    return session
