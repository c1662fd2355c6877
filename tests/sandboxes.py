"""A sandbox without sockets, and a client for it that writes down what it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import trio
from trio_websocket import wrap_client_stream

from replay.errors import ConnectionLost
from replay.sandbox.hub import Entry, Sandbox, open_sandbox
from replay.sandbox.recognizers.base import Recognizer
from replay.sandbox.recognizers.scripted import Manner, Script, ScriptedRecognizer, ScriptWord
from replay.sandbox.recognizers.silent import SilentRecognizer
from replay.sandbox.settings import Settings
from replay.wire import messages as m

SECOND = 32000  # bytes of the default format
ALL = {
    "messages_config": {
        "receive_partial_transcripts": True,
        "receive_lifecycle_events": True,
    }
}


def words(*spoken: tuple[str, float, float], channel: int = 0) -> list[ScriptWord]:
    return [ScriptWord(word, start, end, channel) for word, start, end in spoken]


GOOD_DAY = Script(words(("Good", 0.4, 0.7), ("day.", 0.7, 1.1)))


def scripted(script: Script = GOOD_DAY, **manner: Any) -> ScriptedRecognizer:
    return ScriptedRecognizer(script, Manner(**manner))


@asynccontextmanager
async def sandbox(recognizer: Recognizer | None = None, **settings: Any) -> AsyncIterator[Sandbox]:
    async with open_sandbox(Settings(**settings), recognizer or SilentRecognizer()) as made:
        yield made


@dataclass
class Client:
    """A connection whose two ends are this test. `heard`: (trio time since it began, message)."""

    heard: list[tuple[float, Any]] = field(default_factory=list)
    closed: tuple[int, str] | None = None
    reading: bool = True

    def __post_init__(self) -> None:
        self._out, self._in = trio.open_memory_channel[str | bytes](10_000)
        self._lost = trio.Event()
        self._code = 0
        self._began = trio.current_time()
        self._may_read = trio.Event()

    # what a test does

    async def say(self, *frames: str | bytes) -> None:
        for frame in frames:
            await self._out.send(frame)
        await trio.testing.wait_all_tasks_blocked()

    async def stop(self) -> None:
        await self.say(m.STOP_RECORDING)

    def hang_up(self, code: int = 1006) -> None:
        self._code = code
        self._lost.set()
        self._out.close()

    def read_on(self) -> None:
        self.reading = True
        self._may_read.set()

    def kinds(self, *, acks: bool = False) -> list[str]:
        return [
            m.message_type(message)
            for _, message in self.heard
            if acks or not isinstance(message, m.AudioAck)
        ]

    def all(self, kind: type) -> list[Any]:
        return [message for _, message in self.heard if isinstance(message, kind)]

    def finals(self) -> list[str]:
        return [t.data.utterance.text for t in self.all(m.Transcript) if t.data.is_final]

    def partials(self) -> list[str]:
        return [t.data.utterance.text for t in self.all(m.Transcript) if not t.data.is_final]

    def ranges(self) -> list[tuple[int, int]]:
        return [ack.data.byte_range for ack in self.all(m.AudioAck) if ack.acknowledged]

    # what a session does

    @property
    def read_at(self) -> float:
        return trio.current_time()

    async def receive(self) -> str | bytes:
        try:
            return await self._in.receive()
        except trio.EndOfChannel:
            raise ConnectionLost(self._code) from None

    async def send(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        if not self.reading:
            await self._may_read.wait()
        if self._lost.is_set():
            raise ConnectionLost(self._code)
        message = m.decode(text)
        assert not isinstance(message, m.Unknown | m.Malformed), message
        self.heard.append((trio.current_time() - self._began, message))

    async def close(self, code: int, reason: str) -> None:
        await trio.lowlevel.checkpoint()
        self.closed = self.closed or (code, reason)


async def join(nursery: trio.Nursery, entry: Entry, **options: Any) -> Client:
    """A new connection to a session."""
    client = Client(**options)
    nursery.start_soon(entry.live.serve, client)
    await trio.testing.wait_all_tasks_blocked()
    return client


async def speak(client: Client, seconds: float, chunk: float = 0.1) -> None:
    """Send silence at the pace of speech."""
    size = round(chunk * SECOND)
    start = trio.current_time()
    for index in range(round(seconds / chunk)):
        await trio.sleep_until(start + (index + 1) * chunk)
        await client.say(bytes(size))


@asynccontextmanager
async def dial(url: str) -> AsyncIterator[Any]:
    """A websocket over a socket of our own, which is closed whatever the library does."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    async with (
        await trio.open_tcp_stream(parts.hostname, parts.port) as stream,
        trio.open_nursery() as nursery,
    ):
        yield await wrap_client_stream(
            nursery, stream, parts.netloc, f"{parts.path}?{parts.query}", message_queue_size=100
        )
        nursery.cancel_scope.cancel()
