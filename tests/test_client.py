"""The client against a sandbox behind a network with a length, and against services that lie."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from random import Random
from typing import Any

import pytest
import trio
import trio.testing
from fakes import FINAL, PARTIAL, FakeService, Line, client_tasks, open_fake
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cuts import judge_recording
from world import World, counting, open_world, play, words

from replay import journal as j
from replay.audio import AudioFormat
from replay.client import LiveSession, Ticket, open_session
from replay.errors import MachineError, Refused
from replay.pace import UNPACED
from replay.player import Pace, Player
from replay.recorder import ListRecorder
from replay.sandbox.latency import Spread
from replay.sandbox.recognizers.scripted import Manner
from replay.sandbox.recognizers.silent import SilentRecognizer
from replay.sandbox.settings import Settings
from replay.session import Policy
from replay.source import PreparedSource
from replay.spill import Spill
from replay.wire import messages as m
from replay.wire.config import format_fields

FORMAT = AudioFormat()
SECOND = FORMAT.bytes_per_second
QUICK = Policy(ack_timeout=2.0)


class Mean(Random):
    """Draws the middle of every range."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


class MemorySpill(Spill):
    """A spill without threads, which virtual time knows nothing of."""

    async def write(self, offset: int, data: bytes) -> None:
        self.writes = getattr(self, "writes", 0) + 1
        self._write(offset, data)

    async def read(self, offset: int, size: int) -> bytes:
        self.reads = getattr(self, "reads", 0) + 1
        return self._read(offset, size)


def of(recorder: ListRecorder, kind: type[Any]) -> list[Any]:
    return [entry for entry in recorder.entries if isinstance(entry, kind)]


def errors(recorder: ListRecorder) -> list[str]:
    return [e.detail for e in of(recorder, j.Observation) if e.severity == "error"]


async def perform(
    world: World,
    audio: bytes,
    during: Callable[[], Awaitable[None]] | None = None,
    **options: Any,
) -> tuple[LiveSession, ListRecorder]:
    """Play `audio`, with `during` going on beside it; the judge's rules hold for the recording."""
    recorder = ListRecorder()
    options.setdefault("policy", QUICK)
    async with trio.open_nursery() as nursery:
        if during is not None:
            nursery.start_soon(during)
        session = await play(world, audio, recorder=recorder, rng=Mean(), **options)
        nursery.cancel_scope.cancel()
    judge_recording(audio, world.recorded(session.id), recorder.entries, FORMAT.frame_bytes)
    return session, recorder


def outcome(session: LiveSession) -> str:
    assert session.ended is not None
    return session.ended.outcome


def text(session: LiveSession) -> str:
    assert session.result is not None
    return session.result.transcription.full_transcript


def all_words(count: int) -> str:
    return " ".join(f"word{n}" for n in range(count))


# ------------------------------------------------------------------ nothing goes wrong


async def test_an_undisturbed_session(autojump_clock: None) -> None:
    """One POST, one connection, the recording is the audio, every word is final, no finding."""
    async with open_world(words(8)) as world:
        audio = counting(FORMAT, 6)
        session, recorder = await perform(world, audio)
        assert world.recorded(session.id) == audio
    assert (outcome(session), text(session)) == ("complete", all_words(8))
    assert len(of(recorder, j.Connected)) == 1
    assert of(recorder, j.Observation) == []
    assert world.requests == ["POST", "GET"]


async def test_messages_come_in_order_without_acknowledgements(autojump_clock: None) -> None:
    """The caller sees every message but those of the audio's bookkeeping, in their order."""
    async with open_world(words(4)) as world, open_session(world) as session:
        for _ in range(40):
            await session.send(bytes(3200))
        session.stop()
        kinds = [type(message) async for message in session]
    assert m.AudioAck not in kinds
    assert kinds.count(m.Transcript) == 4
    assert kinds[-2:] == [m.PostTranscript, m.PostFinalTranscript]


async def test_a_joined_session_needs_no_post(autojump_clock: None) -> None:
    """Whoever has the ticket plays into the session without opening another."""
    async with open_world(words(4)) as world:
        answer = await world.init({}, None)
        recorder = ListRecorder()
        ticket = Ticket(answer.id, answer.url)
        async with open_session(world, ticket=ticket, recorder=recorder) as session:
            for _ in range(30):
                await session.send(bytes(3200))
            session.stop()
            async for _ in session:
                pass
    assert outcome(session) == "complete"
    assert world.requests.count("POST") == 1
    assert of(recorder, j.Observation) == []


async def test_sessions_side_by_side(autojump_clock: None) -> None:
    """Sessions of one service share nothing: each recording is its own audio."""
    audios = [Random(n).randbytes(SECOND * 3) for n in range(5)]
    ended: dict[int, LiveSession] = {}

    async def one(n: int) -> None:
        await trio.sleep(n * 0.13)
        ended[n] = await play(world, audios[n], policy=QUICK, rng=Random(n))

    async with open_world(words(4)) as world:
        async with trio.open_nursery() as nursery:
            for n in range(5):
                nursery.start_soon(one, n)
            await trio.sleep(1.5)
            await world.cut()
        for n, session in ended.items():
            recorded = world.recorded(session.id)
            assert outcome(session) == "complete"
            assert recorded == audios[n] or len(recorded) > len(audios[n])
            assert recorded.startswith(audios[n][:SECOND])
            assert recorded.endswith(audios[n][-SECOND:])


# ------------------------------------------------------------------ the stop and the end


async def test_a_stop_while_disconnected(autojump_clock: None) -> None:
    """A stop issued without a connection waits for one, behind the audio."""
    async with open_world(words(8)) as world:

        async def bar() -> None:
            await trio.sleep(3)
            world.reachable = False
            await world.cut()
            await trio.sleep(5)  # the audio ends meanwhile
            world.reachable = True

        session, recorder = await perform(world, counting(FORMAT, 6), bar)
    asked, sent = of(recorder, j.StopAsked), of(recorder, j.StopSent)
    assert len(asked) == len(sent) == 1
    assert asked[0].t < 8_000_000_000 < sent[0].t
    assert (outcome(session), text(session)) == ("complete", all_words(8))
    assert errors(recorder) == []


@pytest.mark.parametrize("after", [0.01, 0.06, 0.12])
async def test_a_lost_stop_is_sent_again(autojump_clock: None, after: float) -> None:
    """Cut before the stop arrived, before its answer left, or before that arrived: the session
    completes, and what a stopped service refuses is no error."""
    recorder = ListRecorder()
    async with open_world(words(8), manner=Manner(final=Spread(3.0))) as world:

        async def cut() -> None:
            while not of(recorder, j.StopSent):  # noqa: ASYNC110 - a list has no events
                await trio.sleep(0.001)
            await trio.sleep(after)
            await world.cut()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(cut)
            session = await play(world, counting(FORMAT, 6), recorder=recorder, rng=Mean())
    assert len(of(recorder, j.Connected)) == 2
    assert len(of(recorder, j.StopSent)) == (2 if after < 0.1 else 1)
    assert (outcome(session), text(session)) == ("complete", all_words(8))
    assert errors(recorder) == []


async def test_a_cut_during_post_processing_is_repaired_by_reconnecting(
    autojump_clock: None,
) -> None:
    """The rest of the messages comes over the next connection."""
    recorder = ListRecorder()
    async with open_world(words(8), manner=Manner(final=Spread(3.0))) as world:

        async def cut() -> None:
            await trio.sleep(7)
            await world.cut()

        session, recorder = await perform(world, counting(FORMAT, 6), cut)
    assert [e.code for e in of(recorder, j.Lost)] == [1006, 1000]
    assert (outcome(session), text(session)) == ("complete", all_words(8))
    assert len(of(recorder, j.StopSent)) == 1  # it had been acknowledged


async def test_a_session_that_ended_while_away_is_fetched(autojump_clock: None) -> None:
    """Closed with 4403 on coming back after the stop: the result comes from the job."""
    async with open_world(
        words(8), manner=Manner(final=Spread(2.0)), settings=Settings(session_timeout=3.0)
    ) as world:

        async def bar() -> None:
            await trio.sleep(6.5)
            world.reachable = False
            await world.cut()
            await trio.sleep(15)
            world.reachable = True

        session, recorder = await perform(world, counting(FORMAT, 6), bar)
    assert of(recorder, j.Lost)[-1].code == 4403
    assert (outcome(session), text(session)) == ("recovered", all_words(8))


async def test_a_session_that_timed_out_without_hearing_the_stop_is_not_recovered(
    autojump_clock: None,
) -> None:
    """What the service finished without the end of the audio is not passed off as the whole."""
    recorder = ListRecorder()
    async with open_world(words(8), settings=Settings(session_timeout=3.0)) as world:

        async def bar() -> None:
            await trio.sleep(3)
            world.reachable = False
            await world.cut()
            await trio.sleep(15)
            world.reachable = True

        async with trio.open_nursery() as nursery:
            nursery.start_soon(bar)
            session = await play(world, counting(FORMAT, 6), recorder=recorder, rng=Mean())
    assert of(recorder, j.Lost)[-1].code == 4403
    assert outcome(session) == "refused"
    assert text(session) != all_words(8)


async def test_giving_up_after_the_stop_still_fetches_the_result(autojump_clock: None) -> None:
    """The socket never comes back, HTTP does: the result is fetched."""
    policy = Policy(ack_timeout=2.0, give_up_after=10.0)
    async with open_world(words(8), manner=Manner(final=Spread(2.0))) as world:

        async def bar() -> None:
            await trio.sleep(6.5)
            world.reachable = False
            await world.cut()

        session, recorder = await perform(world, counting(FORMAT, 6), bar, policy=policy)
    assert (outcome(session), text(session)) == ("recovered", all_words(8))
    lost, ended = of(recorder, j.Lost)[-1], of(recorder, j.Http)[0]
    assert ended.t - lost.t <= 10_000_000_000


async def test_a_service_that_ends_by_itself(autojump_clock: None) -> None:
    """Closed with 1000 in the middle of the audio: over, with what there is, and said so."""
    async with open_world(words(20), settings=Settings(max_seconds=3.0)) as world:
        recorder = ListRecorder()
        session = await play(world, counting(FORMAT, 10), recorder=recorder, policy=QUICK)
        assert session.result is not None
        assert of(recorder, j.Lost)[-1].code == 1000
        assert trio.current_time() < 6


async def test_giving_up_ends_the_session(autojump_clock: None) -> None:
    """An outage that outlasts the limit ends the session, the iteration, and the waiting."""
    async with open_world(words(8)) as world:

        async def bar() -> None:
            await trio.sleep(2)
            world.reachable = False
            await world.cut()

        recorder = ListRecorder()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bar)
            policy = Policy(give_up_after=20.0)
            session = await play(
                world, counting(FORMAT, 60), recorder=recorder, policy=policy, rng=Mean()
            )
    assert outcome(session) == "gave_up"
    assert "connection refused" in (session.ended.detail if session.ended else "")
    assert of(recorder, j.Lost)[0].t <= of(recorder, j.Backoff)[0].t
    waits = [b.until - b.t for b in of(recorder, j.Backoff)]
    assert waits == [250_000_000, 500_000_000, 1_000_000_000, 2_000_000_000, 4_000_000_000] + [
        4_000_000_000
    ] * (len(waits) - 5)


async def test_waiting_for_a_session_that_never_opens_ends(autojump_clock: None) -> None:
    """`wait_opened` and `wait_unsent_at_most` return when the session is over, for every waiter."""
    done = []
    policy = Policy(give_up_after=3.0)
    async with open_world() as world, open_session(world, policy=policy) as session:
        world.reachable = False
        await session.send(bytes(SECOND))

        async def wait(n: int) -> None:
            await session.wait_opened()
            await session.wait_unsent_at_most(0)
            done.append(n)

        async with trio.open_nursery() as nursery:
            for n in range(3):
                nursery.start_soon(wait, n)
            async for _ in session:
                pass
    assert sorted(done) == [0, 1, 2]


async def test_two_may_wait_for_the_backlog(autojump_clock: None) -> None:
    """Every waiter is woken when the backlog has gone out."""
    done = []
    async with open_world() as world, open_session(world) as session:
        await session.wait_opened()
        for _ in range(80):
            await session.send(bytes(3200))

        async def wait(size: int) -> None:
            await session.wait_unsent_at_most(size)
            done.append((size, trio.current_time()))

        async with trio.open_nursery() as nursery:
            for size in (0, 4 * SECOND, 6 * SECOND):
                nursery.start_soon(wait, size)
    assert [size for size, _ in done] == [6 * SECOND, 4 * SECOND, 0]


# ------------------------------------------------------------------ dead paths


@pytest.mark.parametrize("directions", [("up",), ("down",), ("up", "down")])
async def test_a_dead_path_is_noticed_by_silence(
    autojump_clock: None, directions: tuple[str, ...]
) -> None:
    """Whichever direction dies: the connection is ended exactly `ack_timeout` after the oldest
    unanswered frame, or the last answer."""
    async with open_world(words(8)) as world:

        async def die() -> None:
            await trio.sleep(2.03)
            world.swallow(*directions)

        session, recorder = await perform(world, counting(FORMAT, 6), die)
    lost = of(recorder, j.Lost)[0]
    assert lost.cause == "silence"
    acks = [e for e in of(recorder, j.Ack) if e.t < lost.t]
    waiting = [e for e in of(recorder, j.Frame) if e.connection == 1 and e.offset >= acks[-1].upto]
    assert lost.t == max(waiting[0].t, acks[-1].t) + 2_000_000_000
    assert (outcome(session), text(session)) == ("complete", all_words(8))


async def test_partials_do_not_hide_missing_acknowledgements(autojump_clock: None) -> None:
    """Messages that keep coming prove one direction only: without acknowledgements the path is
    dead within the limit."""

    async def chatty(line: Line, number: int) -> None:
        if number > 1:
            await line.serve()
            return
        while True:
            await line.say(PARTIAL)
            await trio.sleep(0.1)

    async with open_fake(chatty) as service:
        recorder = ListRecorder()
        async with open_session(service, policy=QUICK, recorder=recorder, rng=Mean()) as session:
            await trio.sleep(1)
            await session.send(bytes(3200))
            session.stop()
            async for _ in session:
                pass
    lost = of(recorder, j.Lost)[0]
    assert (lost.cause, lost.t) == ("silence", 3_000_000_000)
    assert outcome(session) == "complete"


async def test_an_idle_dead_path_is_noticed_by_ping(autojump_clock: None) -> None:
    """With no audio on its way it is the ping that finds out: after 10 s and the limit."""
    async with open_world() as world:
        recorder = ListRecorder()
        async with open_session(world, policy=QUICK, recorder=recorder, rng=Mean()) as session:
            await session.wait_opened()
            opened = of(recorder, j.Connected)[0].t
            world.swallow("up", "down")
            await trio.sleep(30)
    lost = of(recorder, j.Lost)[0]
    assert (lost.cause, lost.t) == ("ping", opened + 12_000_000_000)


async def test_an_idle_session_is_kept_alive(autojump_clock: None) -> None:
    """A live source that says nothing for minutes keeps its one connection."""
    async with open_world(settings=Settings(idle_timeout=30.0)) as world:
        recorder = ListRecorder()
        async with open_session(world, policy=QUICK, recorder=recorder) as session:
            await session.send(bytes(3200))
            await trio.sleep(200)
            await session.send(bytes(3200))
            session.stop()
            async for _ in session:
                pass
        assert len(world.links) == 1
        assert world.recorded(session.id) == bytes(6400)
    assert outcome(session) == "complete"
    assert [e.size for e in of(recorder, j.Frame)] == [3200] + [0] * 9 + [3200]


async def test_an_unanswered_sign_of_life_is_no_dead_path(autojump_clock: None) -> None:
    """A service that does not acknowledge empty chunks keeps its connection."""

    async def stolid(line: Line, number: int) -> None:
        while (frame := await line.hear()) and "stop_recording" not in str(frame):
            if isinstance(frame, bytes):
                await line.ack(len(frame))
        await line.finish()

    async with open_fake(stolid) as service, open_session(service, policy=QUICK) as session:
        await trio.sleep(100)
        await session.send(bytes(3200))
        session.stop()
        async for _ in session:
            pass
    assert len(service.dialled) == 1
    assert outcome(session) == "complete"


# ------------------------------------------------------------------ backlogs


async def test_an_outage_is_caught_up_in_order_at_a_bounded_rate(autojump_clock: None) -> None:
    """Audio spoken during an outage is sent behind what was unacknowledged, at four times its
    pace and no faster, and the recording is whole."""
    async with open_world(words(40)) as world:

        async def bar() -> None:
            await trio.sleep(4)
            world.reachable = False
            await world.cut()
            await trio.sleep(11)
            world.reachable = True

        session, recorder = await perform(world, counting(FORMAT, 30), bar)
    frames = [e for e in of(recorder, j.Frame) if e.connection == 2]
    assert all(a.offset + a.size == b.offset for a, b in pairwise(frames))
    for first in frames:
        window = [e.size for e in frames if first.t <= e.t < first.t + 1_000_000_000]
        assert sum(window) <= 4 * SECOND + 12_800 + 3200
    assert len(of(recorder, j.CaughtUp)) == 1
    up, caught = of(recorder, j.Connected)[1].t, of(recorder, j.CaughtUp)[0].t
    behind = up / 1e9 - 4
    assert (caught - up) / 1e9 == pytest.approx(behind / 3, abs=0.3)
    assert (outcome(session), text(session)) == ("complete", all_words(40))


async def test_a_spilled_backlog_is_byte_exact(autojump_clock: None) -> None:
    """What went to disk during an outage comes back in its place, to the byte."""
    audio = Random(3).randbytes(SECOND * 20)
    policy = Policy(ack_timeout=2.0, memory_limit=40_000)
    async with open_world(words(8)) as world:
        recorder, spill = ListRecorder(), MemorySpill()
        async with open_session(
            world, policy=policy, recorder=recorder, rng=Mean(), spill=spill
        ) as session:
            source = PreparedSource(audio, FORMAT, 0.1)
            player = Player(source, session, recorder, Pace())
            most = 0
            async with trio.open_nursery() as nursery:
                nursery.start_soon(player.play)
                await trio.sleep(3)
                world.reachable = False
                await world.cut()
                for _ in range(80):
                    await trio.sleep(0.1)
                    most = max(most, session._session.buffer.in_memory)
                world.reachable = True
                async for _ in session:
                    pass
        judge_recording(audio, world.recorded(session.id), recorder.entries, 2)
    assert outcome(session) == "complete"
    assert most <= 40_000
    assert spill.writes > 30
    assert spill.reads > 10
    assert errors(recorder) == []


async def test_a_spill_that_cannot_be_written_is_one_error(autojump_clock: None) -> None:
    """A full disk under a long backlog comes out of `send` as one plain error."""

    class Full(MemorySpill):
        async def write(self, offset: int, data: bytes) -> None:
            raise MachineError("the disk is full")

    async with open_world() as world:
        world_policy = Policy(memory_limit=1000)
        with pytest.raises(MachineError, match="full"):  # noqa: PT012 - on leaving the block
            async with open_session(world, policy=world_policy, spill=Full()) as session:
                world.reachable = False
                await session.send(bytes(3200))
        await trio.testing.wait_all_tasks_blocked()
        assert client_tasks() == []


async def test_unpaced_audio_waits_for_the_network(autojump_clock: None) -> None:
    """As fast as the network takes it: no pause on a good one, and at most ten seconds of audio
    ahead of a bad one."""
    audio = counting(FORMAT, 120)
    async with open_world(words(4)) as world:

        async def bar() -> None:
            await trio.sleep(0.2)
            world.reachable = False
            await world.cut()
            await trio.sleep(20)
            world.reachable = True

        recorder = ListRecorder()
        async with open_session(
            world, speed=0, policy=QUICK, recorder=recorder, rng=Mean()
        ) as session:
            player = Player(Halting(audio, 60), session, recorder, Pace(speed=UNPACED))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(bar)
                nursery.start_soon(player.play)
                async for _ in session:
                    pass
        assert trio.current_time() < 40
        judge_recording(audio, world.recorded(session.id), recorder.entries, 2)
    ahead = 0
    most = 0
    for entry in recorder.entries:
        match entry:
            case j.Produced():
                ahead += entry.size
                most = max(most, ahead)
            case j.Frame():
                ahead -= entry.size
            case j.Connected():
                ahead = 0 if entry.connection == 1 else ahead
    assert outcome(session) == "complete"
    assert 9 * SECOND < most <= 11 * SECOND


class Halting(PreparedSource):
    """A source that pauses for half a second after so many seconds of audio."""

    def __init__(self, data: bytes, after: float) -> None:
        super().__init__(data, FORMAT, 0.1)
        self._left = round(after * 10)

    async def __anext__(self) -> Any:
        self._left -= 1
        if self._left == 0:
            await trio.sleep(0.5)
        return await super().__anext__()


# ------------------------------------------------------------------ a service that misbehaves

GARBAGE: list[Any] = [
    "{",
    "[]",
    "null",
    '"text"',
    '{"no":"type"}',
    '{"type":5}',
    '{"type":"transcript"}',
    '{"type":"transcript","data":{"is_final":"perhaps"}}',
    '{"type":"audio_chunk","acknowledged":true}',
    '{"type":"audio_chunk","acknowledged":true,"data":{"byte_range":[0],"time_range":[0,0]}}',
    '{"type":"speech_start","data":{"time":1e999}}',
    b"\x00\xff binary",
    b'{"type":"\xff"}',
    "[" * 100_000,
    '{"type":"audio_chunk","acknowledged":true,"data":{"byte_range":[-5,-1],"time_range":[0,0]}}',
    '{"type":"audio_chunk","acknowledged":false,"data":null,"error":{"message":"no"}}',
]
HARMLESS: list[Any] = [
    '{"type":"brand_new","data":{"x":1}}',
    '{"type":"error","message":["any","shape"]}',
    '{"type":"speech_start","data":{"time":0.1,"extra":true},"more":[]}',
    '{"type":"big","data":"' + "x" * (2 << 20) + '"}',
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda g: str(g)[:24])
async def test_garbage_is_a_finding(autojump_clock: None, garbage: str | bytes) -> None:
    """Whatever comes over the socket: a finding, a readable journal, and a session that goes on."""

    async def talk(line: Line, number: int) -> None:
        await line.say(garbage)
        await line.serve()

    assert errors(await talk_with(talk))


@pytest.mark.parametrize("message", HARMLESS, ids=lambda g: str(g)[:24])
async def test_what_is_new_is_no_finding(autojump_clock: None, message: str) -> None:
    """Unknown types, unknown fields, any error, and large messages are taken as they come."""

    async def talk(line: Line, number: int) -> None:
        await line.say(message)
        await line.serve()

    assert errors(await talk_with(talk)) == []


async def talk_with(behave: Callable[[Line, int], Awaitable[None]]) -> ListRecorder:
    """A short session with such a service; it must complete, and its journal must be readable."""
    async with open_fake(behave) as service:
        recorder = ListRecorder()
        async with open_session(service, policy=QUICK, recorder=recorder, rng=Mean()) as session:
            await session.send(bytes(3200))
            await trio.sleep(0.1)
            await session.send(bytes(3200))
            session.stop()
            async for _ in session:
                pass
    assert outcome(session) == "complete"
    assert len(service.dialled) == 1
    lines = [j.encode(entry) for entry in recorder.entries]
    assert len(list(j.decode_lines(lines))) == len(lines)
    return recorder


async def test_a_flood_of_findings_does_not_fill_the_journal(autojump_clock: None) -> None:
    """Of each kind of finding only the first hundred are put down."""

    async def talk(line: Line, number: int) -> None:
        for _ in range(500):
            await line.say("{")
        await line.serve()

    assert len(errors(await talk_with(talk))) == 100


async def test_accept_then_close_backs_off(autojump_clock: None) -> None:
    """A service that hangs up on every connection is not hammered."""

    async def hang_up(line: Line, number: int) -> None:
        await line.ws.aclose(1011)

    policy = Policy(give_up_after=60.0)
    async with (
        open_fake(hang_up) as service,
        open_session(service, policy=policy, rng=Mean()) as session,
    ):
        async for _ in session:
            pass
    gaps = [round(b - a, 6) for a, b in pairwise(service.dialled)]
    assert gaps[:6] == [0.25, 0.5, 1, 2, 4, 4]
    assert outcome(session) == "gave_up"


async def test_a_service_that_never_closes(autojump_clock: None) -> None:
    """After the final result the close is not waited for longer than the limit."""

    async def stay(line: Line, number: int) -> None:
        await line.hear()
        await line.say({"type": "stop_recording", "acknowledged": True}, FINAL)
        await trio.sleep_forever()

    async with open_fake(stay) as service, open_session(service, policy=QUICK) as session:
        session.stop()
        async for _ in session:
            pass
        assert trio.current_time() == 2.0
    assert outcome(session) == "complete"


async def test_a_service_that_says_nothing_after_the_stop(autojump_clock: None) -> None:
    """It heard the stop, and no more comes: timed out, unless the job is done."""

    async def mute(line: Line, number: int) -> None:
        await line.hear()
        await line.say({"type": "stop_recording", "acknowledged": True})
        await trio.sleep_forever()

    for status, expected in (("processing", "timeout"), ("done", "recovered")):
        async with open_fake(mute) as service:
            service.job_answers = [status]
            policy = Policy(end_timeout=30.0)
            async with open_session(service, policy=policy) as session:
                session.stop()
                async for _ in session:
                    pass
        assert outcome(session) == expected


async def test_the_result_of_a_session_that_has_ended_is_asked_for_with_patience(
    autojump_clock: None,
) -> None:
    """Told that it is over (4403) and not that it was heard: what is slow is the way to the job."""

    async def over(line: Line, number: int) -> None:
        await line.hear()
        await line.ws.aclose(4403, "the session has ended")

    async with open_fake(over) as service:
        service.job_answers = [*[503] * 40, "done"]  # for longer than ten seconds
        async with open_session(service) as session:
            session.stop()
            async for _ in session:
                pass
    assert outcome(session) == "recovered"


async def test_the_job_is_asked_for_until_it_is_done(autojump_clock: None) -> None:
    """`processing`, 503 and 429 are asked again; the session was complete all the same."""

    async with open_fake(lambda line, number: line.serve()) as service:
        service.job_answers = ["processing", 503, 429, "done"]
        recorder = ListRecorder()
        async with open_session(service, recorder=recorder) as session:
            session.stop()
            async for _ in session:
                pass
    assert [e.status for e in of(recorder, j.Http)] == [200, 503, 429, 200]
    assert len(of(recorder, j.Result)) == 1
    assert session.result is not None


async def test_audio_in_the_moment_of_a_sign_of_life(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Audio that comes when a pause is just over goes out whole, on the same connection."""
    async with open_fake(lambda line, number: line.serve()) as service:
        recorder = ListRecorder()
        async with open_session(service, recorder=recorder, policy=QUICK) as session:
            await session.wait_opened()
            await session.send(bytes(3200))
            await trio.sleep(1)
            # The sender is woken, and before it runs its pause ends as well.
            autojump_clock.jump(30)
            await session.send(b"\1" * 3200)
            await trio.sleep(1)
            session.stop()
            async for _ in session:
                pass
    assert outcome(session) == "complete"
    assert b"\1" * 3200 in service.heard
    assert len(of(recorder, j.Connected)) == 1


# ------------------------------------------------------------------ leaving


async def test_leaving_early_says_goodbye(autojump_clock: None) -> None:
    """Leaving the block closes with 1000, so that the service finishes alone; no task stays."""
    async with open_fake(lambda line, number: line.serve()) as service:
        recorder = ListRecorder()
        async with open_session(service, recorder=recorder) as session:
            await session.wait_opened()
            await session.send(bytes(3200))
            await trio.sleep(1)
        assert client_tasks() == []
        await trio.testing.wait_all_tasks_blocked()
        assert service.codes == [1000]
    assert outcome(session) == "interrupted"
    assert [e.outcome for e in of(recorder, j.Ended)] == ["interrupted"]


async def test_leaving_early_lets_the_service_finish(autojump_clock: None) -> None:
    """The sandbox makes the result of what it has when a client leaves."""
    async with open_world(words(4)) as world:
        async with open_session(world) as session:
            for _ in range(30):
                await session.send(bytes(3200))
            await session.wait_opened()
            await session.wait_unsent_at_most(0)
            await trio.sleep(1)
        await trio.sleep(1)
        _, job = await world.job(session.id)
    assert job.status == "done"


async def test_leaving_without_a_connection_takes_no_time(autojump_clock: None) -> None:
    """There is nobody to say goodbye to."""
    async with open_world() as world:
        world.reachable = False
        async with open_session(world) as session:
            await trio.sleep(1)
            left = trio.current_time()
        assert trio.current_time() == left
    assert outcome(session) == "interrupted"


async def test_an_error_in_the_block_comes_out_as_itself(autojump_clock: None) -> None:
    """What the caller raises is not wrapped, and nothing stays behind."""
    async with open_fake(lambda line, number: line.serve()) as service:
        with pytest.raises(KeyError):  # noqa: PT012 - on leaving the block
            async with open_session(service) as session:
                await session.wait_opened()
                raise KeyError("mine")
        assert client_tasks() == []
    assert outcome(session) == "interrupted"


async def test_a_refused_opening_comes_out_as_itself(autojump_clock: None) -> None:
    """No session, no block: the service's refusal is the caller's to see."""
    async with open_world() as world:
        with pytest.raises(Refused):
            async with open_session(world, region="the moon"):
                raise AssertionError("there is no session")


@given(st.floats(0, 9), st.booleans())
@settings(max_examples=60)
def test_cancelling_at_any_moment_leaves_nothing(moment: float, disturbed: bool) -> None:
    """Cancelled whenever: no task of the client stays, and the world goes on."""

    async def main() -> None:
        async with open_world(words(8)) as world:

            async def bar() -> None:
                await trio.sleep(2)
                world.reachable = False
                await world.cut()
                await trio.sleep(3)
                world.reachable = True

            async with trio.open_nursery() as nursery:
                if disturbed:
                    nursery.start_soon(bar)
                with trio.move_on_after(moment):
                    await play(world, counting(FORMAT, 6), policy=QUICK, rng=Mean())
                assert client_tasks() == []
                nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


# ------------------------------------------------------------------ hours

SMALL = AudioFormat(sample_rate=8000)


async def long_session(minutes: int, cuts: int) -> LiveSession:
    async with open_world(recognizer=SilentRecognizer()) as world:

        async def cut() -> None:
            for _ in range(cuts):
                await trio.sleep(minutes * 60 / (cuts + 1))
                await world.cut()

        source = PreparedSource(Random(1).randbytes(16_000 * 10), SMALL, 0.25, loops=minutes * 6)
        recorder = ListRecorder(keep=False)
        async with (
            trio.open_nursery() as nursery,
            open_session(
                world, format_fields(SMALL), recorder=recorder, rng=Mean(), policy=QUICK
            ) as session,
        ):
            nursery.start_soon(cut)
            nursery.start_soon(Player(source, session, recorder, Pace()).play)
            async for _ in session:
                pass
            nursery.cancel_scope.cancel()
        assert session._session.connections == cuts + 1
        stored = world.sandbox.find(session.id).live.store.seconds
        assert minutes * 60 <= stored <= minutes * 60 + cuts * 0.6
    return session


def test_an_hour_in_virtual_time() -> None:
    """An hour of audio with twenty cuts, whole."""
    session = trio.run(long_session, 60, 20, clock=trio.testing.MockClock(autojump_threshold=0))
    assert outcome(session) == "complete"


def test_memory_does_not_grow_with_time() -> None:
    """Three times the session takes no more memory."""

    def peak(minutes: int) -> int:
        gc.collect()
        tracemalloc.start()
        trio.run(long_session, minutes, 5, clock=trio.testing.MockClock(autojump_threshold=0))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # what is loaded on first use
    short, long = peak(3), peak(9)
    assert long < short * 1.1 + 100_000


# ------------------------------------------------------------------ time


@asynccontextmanager
async def opened(service: FakeService) -> AsyncIterator[LiveSession]:
    async with open_session(service) as session:
        await session.wait_opened()
        yield session


async def test_sending_lets_others_run(autojump_clock: None) -> None:
    """A caller who sends in a loop does not keep the event loop to itself."""
    async with open_fake(lambda line, number: line.serve()) as service, opened(service) as session:
        steps = 0

        async def count() -> None:
            nonlocal steps
            while True:
                await trio.lowlevel.checkpoint()
                steps += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            for _ in range(100):
                await session.send(bytes(320))
            nursery.cancel_scope.cancel()
        assert steps >= 50
