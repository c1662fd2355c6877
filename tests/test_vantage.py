"""Journals that the injector keeps: what a session came to is asked of the target, and how long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import httpx
import msgspec
import pytest
import trio
from sandboxes import SECOND, dial
from trio_websocket import ConnectionClosed

from replay import journal as j
from replay.errors import Refused, ReplayError, TransportError
from replay.faults import Plan
from replay.proxy.injector import Injector
from replay.proxy.server import open_proxy
from replay.proxy.vantage import Journals, open_journals
from replay.recorder import ListRecorder
from replay.recording import fetch_job
from replay.rundir import load
from replay.sandbox.hub import open_sandbox
from replay.sandbox.recognizers.silent import SilentRecognizer
from replay.sandbox.server import listen, serving
from replay.sandbox.settings import Settings
from replay.wire import messages as m
from replay.wire.http import Job


class Jobs:
    """A service that gives one answer after another about a job, the last one for ever."""

    def __init__(self, *answers: str | ReplayError) -> None:
        self._answers = list(answers)

    async def job(self, job_id: str) -> tuple[bytes, Job]:
        await trio.lowlevel.checkpoint()
        answer = self._answers.pop(0) if self._answers[1:] else self._answers[0]
        if isinstance(answer, ReplayError):
            raise answer
        job = Job(id=job_id, request_id="G-1", version=2, status=answer, created_at="")
        return msgspec.json.encode(job), job


DOWN, BUSY = Refused("down", status=503), Refused("busy", status=429)
NONE, GONE = Refused("none", status=404), TransportError("refused")


@pytest.mark.parametrize(
    ("answers", "wait", "looks", "status", "took"),
    [
        (["processing", "done"], True, 2, "done", 0.5),
        ([DOWN, GONE, BUSY, "done"], True, 4, "done", 1.5),
        ([NONE], True, 1, None, 0),
        ([GONE], True, 20, None, 10),
        (["processing", GONE], True, 20, "processing", 10),
        (["processing", "done"], False, 1, "processing", 0),
        (["done"], False, 1, "done", 0),
        ([DOWN, "processing"], False, 2, "processing", 0.5),
    ],
)
async def test_how_often_a_job_is_asked_for(
    autojump_clock: trio.testing.MockClock,
    answers: list[Any],
    wait: bool,
    looks: int,
    status: str | None,
    took: float,
) -> None:
    """Until it has ended, or once; a service that cannot answer is asked again until the time is
    up, and one that does not know the job is not. Every look is in the journal."""
    recorder, began = ListRecorder(), trio.current_time()
    service: Any = Jobs(*answers)
    job = await fetch_job(service, "some-id", recorder, began + 10, wait=wait)
    assert trio.current_time() - began == took
    assert (job.status if job else None) == status
    kinds = [type(entry) for entry in recorder.entries]
    assert kinds == [j.Http] * looks + [j.Result] * (status == "done")


@asynccontextmanager
async def proxied(base: Path) -> AsyncIterator[tuple[Journals, Injector, httpx.AsyncClient]]:
    """A sandbox, an injector that does nothing, its journals, and a client for HTTP through it."""
    with trio.fail_after(20):
        async with (
            open_sandbox(Settings(), SilentRecognizer()) as sandbox,
            serving(sandbox, listen("127.0.0.1", 0)) as url,
            open_journals(base, url, j.TargetFacts(kind="sandbox", url=url), 0) as journals,
            open_proxy(url, Plan(), journals, Random(1)) as injector,
            httpx.AsyncClient(base_url=injector.url, trust_env=False) as client,
        ):
            yield journals, injector, client


async def play(client: httpx.AsyncClient, *, stop: bool = True) -> None:
    """A session with a second of audio, to its end or only to its first acknowledgement."""
    answer = (await client.post("/v2/live", json={})).json()
    async with dial(answer["url"]) as websocket:
        await websocket.send_message(bytes(SECOND))
        await websocket.get_message()
        if not stop:
            return
        await websocket.send_message(m.STOP_RECORDING)
        with suppress(ConnectionClosed):
            while True:
                await websocket.get_message()


async def test_a_session_that_nobody_stopped_is_not_waited_for(tmp_path: Path) -> None:
    """The target keeps such a session for its client to come back: one look tells what it is."""
    async with proxied(tmp_path) as (journals, _, client):
        await play(client, stop=False)
        await journals.finish()
    timeline = load(journals.directories[0]).timeline
    asked = [each.path for each in timeline.all(j.Http) if each.method == "GET"]
    assert asked[0].count("/") == 3
    assert [each for each in asked if not each.endswith("/file")] == asked[:1]
    assert not timeline.all(j.Result)
    ended = timeline.final(j.Ended)
    assert ended is not None
    assert ended.outcome == "interrupted"
