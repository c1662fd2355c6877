"""More streams than a machine holds: partials are thinned out, finals stay."""

from __future__ import annotations

import logging

import httpx
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from sandboxes import ALL, join, sandbox, speak

from replay.sandbox.hub import open_sandbox
from replay.sandbox.recognizers.base import (
    Event,
    Final,
    Heard,
    Partial,
    Stream,
    StreamSettings,
)
from replay.sandbox.recognizers.load import BEHIND_SECONDS, WINDOW_SECONDS, Load
from replay.sandbox.server import listen, serving
from replay.sandbox.settings import Settings
from replay.wire.messages import Utterance


class Slow:
    """A recogniser that hears a word a second, on one place; each transcription takes so long."""

    name = "slow"
    wants_audio = False
    languages = None

    def __init__(self, seconds: float) -> None:
        self.load = Load()
        self.seconds = seconds
        self._place = trio.Lock()

    async def prepare(self) -> None:
        """Nothing to load."""

    def stream(self, settings: StreamSettings) -> Stream:
        return SlowStream(self, settings)

    async def transcribe(self) -> None:
        self.load.waiting += 1
        try:
            await self._place.acquire()
        finally:
            self.load.waiting -= 1
        await trio.sleep(self.seconds)
        self._place.release()

    def close(self) -> None:
        """Nothing to let go of."""


class SlowStream:
    def __init__(self, recognizer: Slow, settings: StreamSettings) -> None:
        self._recognizer = recognizer
        self._channel = settings.channel
        self._end = 0.0
        self._told = 0
        self._partial_at = 0.0

    async def hear(self, heard: Heard) -> list[Event]:
        self._end = heard.end
        return []

    async def think(self, behind: float) -> list[Event]:
        events: list[Event] = []
        if self._end - self._partial_at >= 0.5 and self._recognizer.load.allows_partial(
            behind, trio.current_time()
        ):
            self._partial_at = self._end
            await self._recognizer.transcribe()
            events.append(Partial(self._word(self._told)))
        while self._told + 1 <= self._end:
            await self._recognizer.transcribe()
            events.append(Final(self._word(self._told)))
            self._told += 1
        return events

    async def finish(self) -> list[Event]:
        return []

    def _word(self, number: int) -> Utterance:
        return Utterance(
            start=float(number),
            end=number + 0.9,
            confidence=1.0,
            channel=self._channel,
            words=[],
            text=f" word{number}",
            language="en",
        )


async def told(recognizer: Slow, sessions: int) -> list[tuple[int, int]]:
    """(partials, finals) of each of so many sessions of ten seconds at a time."""
    async with sandbox(recognizer) as box, trio.open_nursery() as nursery:
        clients = [await join(nursery, box.init(ALL)) for _ in range(sessions)]
        async with trio.open_nursery() as speaking:
            for client in clients:
                speaking.start_soon(speak, client, 10.0)
        for client in clients:
            await client.stop()
        await trio.sleep(100)
    assert all(client.closed == (1000, "") for client in clients)
    return [(len(client.partials()), len(client.finals())) for client in clients]


async def test_a_machine_that_holds_its_streams(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """One stream gets all its partials and finals, and nothing is said of load."""
    recognizer = Slow(0.1)
    ((partials, finals),) = await told(recognizer, 1)
    assert partials >= 18
    assert finals == 10
    assert (recognizer.load.left_out, recognizer.load.thinned) == (0, False)
    assert not caplog.records


async def test_too_many_streams(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Of six streams on one place partials become few, each gets all its finals, and the log says
    so once."""
    recognizer = Slow(0.1)
    each = await told(recognizer, 6)
    assert all(finals == 10 for _, finals in each)
    assert sum(partials for partials, _ in each) < 6 * 18 * 0.6
    assert recognizer.load.left_out > 5
    said = [record for record in caplog.records if "thinned out" in record.message]
    assert [record.levelno for record in said] == [logging.WARNING]


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(0, 2), st.floats(0, 1)), max_size=80))
def test_overload_is_what_leaves_partials_out(asked: list[tuple[float, int, float]]) -> None:
    """A partial is allowed exactly when its stream keeps up and nobody waits; thinning begins with
    no fewer than five left out, and is over a window after the last."""
    load, now = Load(), 0.0
    for behind, waiting, pause in asked:
        now += pause
        load.waiting = waiting
        before = load.left_out
        allowed = load.allows_partial(behind, now)
        assert allowed == (behind <= BEHIND_SECONDS and not waiting)
        assert load.left_out == before + (not allowed)
        assert not load.thinned or load.left_out >= 5
    load.waiting = 0
    assert load.allows_partial(0.0, now + WINDOW_SECONDS + 1)
    assert not load.thinned
    assert not load.is_thinned(now + WINDOW_SECONDS + 1)


async def test_health_tells() -> None:
    """`/health` says how many sessions are heard, how far behind, and whether partials are whole
    in number."""
    recognizer = Slow(0.0)
    async with (
        open_sandbox(Settings(), recognizer) as box,
        serving(box, listen("127.0.0.1", 0)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        calm = (await client.get("/health")).json()
        assert calm == {
            "health": "OK",
            "load": {"sessions": 0, "behind_seconds": 0.0, "partials": "all"},
        }
        recognizer.load.waiting = 1
        for _ in range(5):
            recognizer.load.allows_partial(0.0, trio.current_time())
        assert (await client.get("/health")).json()["load"]["partials"] == "thinned"
