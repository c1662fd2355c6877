"""A service that says what a test wants it to say, over memory streams."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import IO, Any

import msgspec
import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from replay.errors import Refused
from replay.transport import Steps, Wire
from replay.transport.websocket import wrap
from replay.wire.http import InitAnswer, Job

UTTERANCE = {
    "start": 0.0,
    "end": 0.5,
    "confidence": 0.9,
    "channel": 0,
    "words": [],
    "text": " word",
    "language": "en",
}
RESULT = {
    "metadata": {
        "audio_duration": 1.0,
        "number_of_distinct_channels": 1,
        "billing_time": 1.0,
        "transcription_time": 1.0,
    },
    "transcription": {"full_transcript": "word", "languages": ["en"], "utterances": []},
}
PARTIAL = {
    "type": "transcript",
    "data": {"id": "00_00000000", "is_final": False, "utterance": UTTERANCE},
}
FINAL = {"type": "post_final_transcript", "data": RESULT}


class Line:
    """The service's end of one connection. `received`: bytes of the session's audio so far."""

    def __init__(self, ws: WebSocketConnection, service: FakeService) -> None:
        self.ws = ws
        self.service = service

    async def say(self, *messages: Mapping[str, Any] | str | bytes) -> None:
        for message in messages:
            await self.ws.send_message(
                json.dumps(message) if isinstance(message, dict) else message
            )

    async def hear(self) -> str | bytes:
        """The next frame; every one is noted."""
        frame = await self.ws.get_message()
        self.service.heard.append(frame)
        return frame

    async def ack(self, size: int) -> None:
        start = self.service.count
        self.service.count += size
        await self.say(
            {
                "type": "audio_chunk",
                "acknowledged": True,
                "data": {"byte_range": [start, start + size], "time_range": [0, 0]},
            }
        )

    async def serve(self) -> None:
        """Acknowledge all audio and the stop, finish as a service does."""
        while True:
            frame = await self.hear()
            if isinstance(frame, bytes):
                await self.ack(len(frame))
            elif "stop_recording" in frame:
                break
            else:
                await self.ack(0)
        await self.finish()

    async def finish(self) -> None:
        await self.say(
            {
                "type": "stop_recording",
                "acknowledged": True,
                "data": {"recording_duration": 1, "recording_left_to_process": 0},
            },
            FINAL,
        )
        await self.ws.aclose(1000)


Behaviour = Callable[[Line, int], Awaitable[None]]


class FakeService:
    """A `replay.transport.Service`; `behave(line, number)` is each connection's other end.

    Attributes:
        heard: every frame that came, in order.
        dialled: when each connection was asked for.
        job_answers: what each `GET` of the job gives: a status to refuse with, or the job's.
        codes: close code of each connection, as the service saw it.
    """

    def __init__(self, nursery: trio.Nursery, behave: Behaviour) -> None:
        self.heard: list[str | bytes] = []
        self.dialled: list[float] = []
        self.codes: list[int] = []
        self.job_answers: list[int | str] = ["done"]
        self.count = 0
        self._nursery = nursery
        self._behave = behave

    async def init(self, body: Mapping[str, Any], region: str | None) -> InitAnswer:
        return InitAnswer(id="job", url="ws://fake/v2/live?token=token-secret")

    @asynccontextmanager
    async def dial(self, url: str, deadline: float) -> AsyncIterator[Wire]:
        self.dialled.append(trio.current_time())
        near, far = trio.testing.memory_stream_pair()
        self._nursery.start_soon(self._serve, far, len(self.dialled))
        async with wrap(near, "fake", "/v2/live?token=token-secret", deadline, Steps()) as wire:
            yield wire

    async def _serve(self, stream: trio.abc.Stream, number: int) -> None:
        async with trio.open_nursery() as nursery:
            request = await wrap_server_stream(nursery, stream, max_message_size=1 << 21)
            ws = await request.accept()
            try:
                await self._behave(Line(ws, self), number)
            except ConnectionClosed:
                pass
            finally:
                self.codes.append(int(ws.closed.code) if ws.closed else 0)
                nursery.cancel_scope.cancel()
        await trio.aclose_forcefully(stream)

    async def job(self, job_id: str) -> tuple[bytes, Job]:
        answer = self.job_answers.pop(0) if len(self.job_answers) > 1 else self.job_answers[0]
        if isinstance(answer, int):
            raise Refused("no", status=answer)
        job = Job(id=job_id, request_id="G-1", version=2, status=answer, created_at="")
        return msgspec.json.encode(job), job

    async def download(self, job_id: str, into: IO[bytes]) -> int:
        raise Refused("Not found", status=404)


@asynccontextmanager
async def open_fake(behave: Behaviour) -> AsyncIterator[FakeService]:
    async with trio.open_nursery() as nursery:
        yield FakeService(nursery, behave)
        nursery.cancel_scope.cancel()


def client_tasks() -> list[str]:
    """Names of the tasks now running that belong to a client."""
    ours = ("replay.client.", "replay.connector.", "replay.transport.", "replay.player.")
    found, open_tasks = [], [trio.lowlevel.current_root_task()]
    while open_tasks:
        task = open_tasks.pop()
        assert task is not None
        if task.name.startswith(ours):
            found.append(task.name)
        for nursery in task.child_nurseries:
            open_tasks.extend(nursery.child_tasks)
    return found
