"""Journals that the injector keeps: what a session came to is asked of the target, and when."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
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
from replay.faults import Plan, parse
from replay.proxy.exchange import Request
from replay.proxy.injector import Injector
from replay.proxy.server import open_proxy
from replay.proxy.sessions import SessionJournal
from replay.proxy.vantage import Journals, open_journals
from replay.recorder import ListRecorder
from replay.recording import fetch_job
from replay.rundir import load
from replay.sandbox.hub import open_sandbox
from replay.sandbox.recognizers.silent import SilentRecognizer
from replay.sandbox.server import listen, serving
from replay.sandbox.settings import Settings
from replay.wire import messages as m
from replay.wire.http import InitAnswer, Job


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
async def proxied(
    base: Path, **callbacks: Any
) -> AsyncIterator[tuple[Journals, Injector, httpx.AsyncClient]]:
    """A sandbox, an injector that does nothing, its journals, and a client for HTTP through it."""
    with trio.fail_after(20):
        async with (
            open_sandbox(Settings(), SilentRecognizer()) as sandbox,
            serving(sandbox, listen("127.0.0.1", 0)) as url,
            open_journals(
                base, url, j.TargetFacts(kind="sandbox", url=url), 0, **callbacks
            ) as journals,
            open_proxy(url, Plan(), journals, Random(1)) as injector,
            httpx.AsyncClient(base_url=injector.url, trust_env=False) as client,
        ):
            yield journals, injector, client


async def play(client: httpx.AsyncClient, *, stop: bool = True) -> dict[str, str]:
    """A session with a second of audio, to its end or only to its first acknowledgement; returns
    the answer that it was opened with."""
    answer: dict[str, str] = (await client.post("/v2/live", json={})).json()
    async with dial(answer["url"]) as websocket:
        await websocket.send_message(bytes(SECOND))
        await websocket.get_message()
        if not stop:
            return answer
        await websocket.send_message(m.STOP_RECORDING)
        with suppress(ConnectionClosed):
            while True:
                await websocket.get_message()
    return answer


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


async def test_sessions_opened_at_once_are_kept_apart(tmp_path: Path) -> None:
    """Each has a journal of its own, with what it was asked for."""
    rates = {8000, 16000, 32000, 48000}
    async with proxied(tmp_path) as (journals, _, client):
        async with trio.open_nursery() as nursery:
            for rate in rates:
                body = {"sample_rate": rate}
                nursery.start_soon(partial(client.post, "/v2/live", json=body))
        await journals.finish()
    timelines = [load(directory).timeline for directory in journals.directories]
    assert [len(timeline.all(j.Init)) for timeline in timelines] == [1] * 4
    posts = [each for timeline in timelines for each in timeline.all(j.Http)[:1]]
    assert all(each.method == "POST" and each.t <= each.done for each in posts)
    assert {timeline.header.config["sample_rate"] for timeline in timelines} == rates
    assert {timeline.header.format.sample_rate for timeline in timelines} == rates


# ------------------------------------------------------------------ over while others go on

Deed = tuple[float, Callable[[SessionJournal], j.AnyEntry]]


def came(witness: SessionJournal) -> j.AnyEntry:
    return j.Connected(t=witness.now(), connection=1, attempt=1, resume_at=0)


def went(code: int) -> Callable[[SessionJournal], j.AnyEntry]:
    return lambda witness: j.Lost(
        t=witness.now(), connection=1, code=code, cause="closed", reason=""
    )


def asked(path: str) -> Callable[[SessionJournal], j.AnyEntry]:
    return lambda witness: j.Http(t=0, done=witness.now(), method="GET", path=path, status=200)


def planned(witness: SessionJournal) -> j.AnyEntry:
    return j.FaultPlanned(t=witness.now(), rule=0, text="fin @ 1h")


class Looks(Jobs):
    """Such a service, with a recording that it does not give out; knows when it was asked."""

    def __init__(self, *answers: str | ReplayError) -> None:
        super().__init__(*answers)
        self.at: list[float] = []
        self._began = trio.current_time()

    async def job(self, job_id: str) -> tuple[bytes, Job]:
        self.at.append(trio.current_time() - self._began)
        return await super().job(job_id)

    async def download(self, _job_id: str, _into: object) -> int:
        await trio.lowlevel.checkpoint()
        raise NONE


@pytest.mark.parametrize(
    ("deeds", "answers", "looks"),
    [
        ([(1, came), (5, went(1000))], ["done"], [15]),
        ([(1, came), (5, went(1000)), (9, asked("/v2/live/some-id"))], ["done"], [19]),
        ([(1, came), (5, went(1000)), (9, asked("/v2/live/some-id/file"))], ["done"], [19]),
        ([(1, came), (5, went(1000)), (9, asked("/v2/live/other"))], ["done"], [15]),
        ([(1, came), (5, went(1000)), (9, planned)], ["done"], [15]),
        ([(1, came), (5, went(1000))], ["processing", "processing", "done"], [15, 25, 35]),
        ([(1, came), (5, went(1006))], ["done"], [135]),
        ([(1, came), (5, went(1006)), (100, came), (110, went(1000))], ["done"], [120]),
        ([(1, came), (5, went(1006))], ["processing", "done"], [135, 265]),
        ([(1, came), (5, went(1006))], [NONE], [135]),
        ([(1, came), (5, went(1000)), (12, came), (300, went(4403))], ["done"], [310]),
        ([], ["error"], [130]),
    ],
)
async def test_when_a_session_is_taken_to_be_over(
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    deeds: list[Deed],
    answers: list[Any],
    looks: list[float],
) -> None:
    """Ten seconds after its client did something last, and two minutes more where the target has
    not said that it is over; then the target is asked, again and again while it goes on."""
    service = Looks(*answers)

    @asynccontextmanager
    async def open_looks(_url: str, _key: str | None) -> AsyncIterator[Looks]:
        yield service

    monkeypatch.setattr("replay.proxy.vantage.open_service", open_looks)
    whole = trio.Event()

    async def told(_directory: Path) -> None:
        await trio.lowlevel.checkpoint()
        whole.set()

    facts = j.TargetFacts(kind="sandbox", url="http://target")
    async with open_journals(tmp_path, "http://target", facts, 0, told=told) as journals:
        witness = journals.witness()
        journals.asked(witness, Request("POST", "/v2/live", []))
        journals.opened(witness, InitAnswer(id="some-id", url="ws://target", created_at=""))
        for at, deed in deeds:
            await trio.sleep_until(service._began + at)
            assert not witness.closed
            witness.write(deed(witness))
        await whole.wait()
    assert service.at[: len(looks)] == looks
    assert witness.closed
    timeline = load(journals.directories[0]).timeline
    assert len(timeline.all(j.Closed)) == len(timeline.all(j.Ended)) == 1


async def test_a_session_is_whole_while_others_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its directory is complete while the next session runs, and the injector lets go of it; what
    its client does after that reaches the target, is told once, and is nobody else's. What is armed
    when none goes on is for the next."""
    monkeypatch.setattr("replay.proxy.sessions.GRACE_SECONDS", 0.05)
    monkeypatch.setattr("replay.proxy.vantage.GRACE_SECONDS", 0.05)
    whole, told = trio.open_memory_channel[Path](10)
    late: list[Path] = []
    async with proxied(tmp_path, told=whole.send, late=late.append) as (_, injector, client):
        first = await play(client)
        directory = await told.receive()
        run = load(directory)
        assert run.sent == run.recorded == bytes(SECOND)
        assert run.timeline.final(j.Closed)
        seen = weakref.ref(injector.watches[0])
        answer = (await client.post("/v2/live", json={})).json()
        async with dial(answer["url"]) as websocket:
            await websocket.send_message(bytes(SECOND))
            await websocket.get_message()
            gc.collect()
            assert (seen(), len(injector.watches)) == (None, 1)
            assert late == []
            assert (await client.get(f"/v2/live/{first['id']}")).json()["status"] == "done"
            async with dial(first["url"]) as again:
                with pytest.raises(ConnectionClosed) as closed:
                    await again.get_message()
            assert closed.value.reason.code == 4403
            assert late == [directory]
            await websocket.send_message(m.STOP_RECORDING)
            with suppress(ConnectionClosed):
                while True:
                    await websocket.get_message()
        run = load(await told.receive())
        assert len(run.timeline.all(j.Connected)) == 1
        asked = {each.path for each in run.timeline.all(j.Http)}
        assert not any(first["id"] in path for path in asked)
        await injector.arm(parse("fin @ 1h")).wait()
        (newest,) = injector.watches
        assert (newest.traffic.connections, newest.rules) == (0, 1)
