"""Many sessions at once: what one of them measures in virtual time, and how steps follow steps."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing
from fakes import PARTIAL, FakeService, Line
from test_capacity import asked, client, encoded, step

from replay.audio import NS, AudioFormat
from replay.capacity import records, result
from replay.capacity.records import Failure, Measured
from replay.crowd import ramp, talk
from replay.crowd.member import Member, Part
from replay.crowd.owner import Hold, open_crowd
from replay.crowd.tape import Tapes, Window
from replay.crowd.worker import AnyDesk, Share
from replay.endurance.histogram import merged
from replay.errors import ConnectFailed, MachineError, Refused, UsageError
from replay.target import Target
from replay.transport import Wire
from replay.wire.config import format_fields
from replay.wire.http import InitAnswer

FORMAT = AudioFormat()
CHUNK = FORMAT.bytes_in(0.1)
CHUNK_NS = 100_000_000

Clock = trio.testing.MockClock


class Services(FakeService):
    """A service with any number of sessions, each a `FakeService`; `refuse`: how many it lets in
    before it answers 429."""

    def __init__(
        self, nursery: trio.Nursery, behave: Callable[[Line, int], Awaitable[None]]
    ) -> None:
        super().__init__(nursery, behave)
        self.sessions: list[FakeService] = []
        self.refuse = 1000
        self.error: Exception | None = None

    async def init(self, body: Mapping[str, Any], region: str | None) -> InitAnswer:
        if self.error is not None:
            raise self.error
        if len(self.sessions) >= self.refuse:
            raise Refused("too many", status=429)
        self.sessions.append(FakeService(self._nursery, self._behave))
        return InitAnswer(id=str(len(self.sessions)), url=f"ws://fake/{len(self.sessions) - 1}")

    def dial(self, url: str, deadline: float) -> AbstractAsyncContextManager[Wire]:
        return self.sessions[int(url.rpartition("/")[2])].dial(url, deadline)


class Slow(Services):
    """One that takes its time for a session, and for each connection."""

    posting = dialling = 0.5

    async def init(self, body: Mapping[str, Any], region: str | None) -> InitAnswer:
        await trio.sleep(self.posting)
        return await super().init(body, region)

    @asynccontextmanager
    async def dial(self, url: str, deadline: float) -> AsyncIterator[Wire]:
        await trio.sleep(self.dialling)
        async with super().dial(url, deadline) as wire:
            yield wire


async def prompt(line: Line, _number: int) -> None:
    """Acknowledges each chunk after 30 ms, and says a partial after the tenth."""
    for k in range(10_000):
        frame = await line.hear()
        await trio.sleep(0.03)
        await line.ack(len(frame))
        if k == 9:
            await line.say(PARTIAL)


@asynccontextmanager
async def one(
    behave: Callable[[Line, int], Awaitable[None]], **changes: Any
) -> AsyncIterator[tuple[Member, Services, Tapes, list[Failure]]]:
    """A member that has begun; what it tells of failures."""
    shared, told = Tapes(), cast("list[Failure]", [])
    async with trio.open_nursery() as nursery:
        service = Services(nursery, behave)
        for name, value in changes.items():
            setattr(service, name, value)
        member = Member(7, part(service), shared, told.append)
        nursery.start_soon(member.play, trio.current_time() + 0.5)
        await member.settled.wait()
        await trio.sleep(0.25)  # two chunks at the most are played by then
        yield member, service, shared, told
        nursery.cancel_scope.cancel()


def part(service: FakeService) -> Part:
    config = {**format_fields(FORMAT), "messages_config": {"receive_partial_transcripts": True}}
    return Part(service, config, None, FORMAT, [bytes(CHUNK)], CHUNK_NS)


async def test_what_a_session_measures(autojump_clock: Clock) -> None:
    """From the plan to the acknowledgement, from the send to it, how far partials lag; of exactly
    the chunks that were due in the window, on the member's own phase."""
    async with one(prompt) as (member, _, shared, told):
        begin = round(trio.current_time() * NS)
        shared.window = window = Window(begin, begin + 20 * CHUNK_NS)
        await trio.sleep(3)
        values = window.values
        assert len(values["ack"]) == len(values["lateness"]) == 20
        assert list(values["ack"]) == pytest.approx([30] * 20, abs=1e-3)
        assert list(values["round_trip"]) == pytest.approx([30] * 20, abs=1e-3)
        assert list(values["lateness"]) == pytest.approx([0] * 20, abs=1e-3)
        # Said when the tenth chunk was acknowledged, at 1.03 s of audio; it ends at 0.5 s.
        assert list(values["partial_lag"]) == pytest.approx([530], abs=1e-3)
        assert member.playing
        assert told == []


async def test_what_is_told_counts_by_when_it_was_spoken(autojump_clock: Clock) -> None:
    """However late it comes; and what was spoken before is no news of the window."""
    async with one(prompt) as (_, _, shared, _):
        # The partial ends at 0.5 s of audio, and comes after 1.03 s.
        begin = round(trio.current_time() * NS)
        shared.window = window = Window(begin, begin + 5 * CHUNK_NS)
        await trio.sleep(2)
        assert list(window.values["partial_lag"]) == pytest.approx([530], abs=1e-3)
        assert window.told
    async with one(prompt) as (_, _, shared, _):
        begin = round(trio.current_time() * NS) + 5 * CHUNK_NS
        shared.window = window = Window(begin, begin + 20 * CHUNK_NS)
        await trio.sleep(2)
        assert not window.told


async def test_what_is_not_acknowledged_counts(autojump_clock: Clock) -> None:
    """As a lower bound, so that an overloaded target does not look good for want of answers."""

    async def deaf(line: Line, _number: int) -> None:
        for _ in range(12):
            await line.ack(len(await line.hear()))
        await trio.sleep_forever()

    async with one(deaf) as (member, _, shared, told):
        begin = round(trio.current_time() * NS)
        shared.window = window = Window(begin, begin + 20 * CHUNK_NS)
        await trio.sleep(3)
        waited = member.tape.waited(begin + 30 * CHUNK_NS)
        found = merged([window.counts(waited)["ack"]]).distribution()
        assert (found.n, found.censored) == (20, 10)
        assert max(waited["ack"]) > 1500
        assert member.tape.waited(0) == {"ack": [], "round_trip": []}
        assert told == []  # five seconds have not passed
        await trio.sleep(5)
        assert [(each.cause, each.session) for each in told] == [("silent", 7)]
        await member.gone.wait()


async def test_a_session_leaves_so_that_the_service_finishes_it(autojump_clock: Clock) -> None:
    """With close code 1000, and without a failure."""
    async with one(prompt) as (member, service, _, told):
        await trio.sleep(1)
        member.leave()
        await member.gone.wait()
        assert service.sessions[0].codes == [1000]
        assert told == []
        assert not member.playing


@pytest.mark.parametrize("asked_for", [0.2, 0.7])
async def test_one_that_is_half_open_is_left_too(asked_for: float, autojump_clock: Clock) -> None:
    """The service keeps no place for it: it is opened, closed with 1000, and plays nothing."""
    told: list[Failure] = []
    async with trio.open_nursery() as nursery:
        service = Slow(nursery, prompt)
        member = Member(7, part(service), Tapes(), told.append)
        nursery.start_soon(member.play, trio.current_time())
        await trio.sleep(asked_for)
        member.leave()
        await member.gone.wait()
        assert trio.current_time() < 5
        assert [each.codes for each in service.sessions] == [[1000]]
        assert [each.heard for each in service.sessions] == [[]]
        assert (told, member.playing) == ([], False)
        nursery.cancel_scope.cancel()


async def test_one_that_does_not_get_open_is_not_waited_for(autojump_clock: Clock) -> None:
    """Not for longer than a target takes that is there; and one that has not begun, not at all."""

    class Mute(Services):
        async def init(self, body: Mapping[str, Any], region: str | None) -> InitAnswer:
            await trio.sleep_forever()
            raise AssertionError

    async with trio.open_nursery() as nursery:
        service, began = Mute(nursery, prompt), trio.current_time()
        for at, left, gone in ((0.0, 1.0, 6.0), (60.0, 7.0, 7.0)):
            member = Member(7, part(service), Tapes(), lambda _: None)
            nursery.start_soon(member.play, began + at)
            await trio.sleep_until(began + left)
            member.leave()
            await member.gone.wait()
            assert trio.current_time() - began == pytest.approx(gone)
        nursery.cancel_scope.cancel()


async def closing(line: Line, _number: int) -> None:
    await line.ack(len(await line.hear()))
    await line.ws.aclose(1011, "no more room")


async def ending(line: Line, _number: int) -> None:
    await line.ack(len(await line.hear()))
    await line.ws.aclose(1000)


async def losing(line: Line, _number: int) -> None:
    frame = await line.hear()
    line.service.count += len(frame)
    await line.ack(len(await line.hear()))
    await trio.sleep_forever()


@pytest.mark.parametrize(
    ("behave", "cause", "detail"),
    [
        (closing, "closed", "the connection was closed with 1011: no more room"),
        (ending, "closed", "the connection was closed with 1000"),
        (losing, "audio", "acknowledgements: the service"),
    ],
)
async def test_what_goes_wrong_is_told_once_and_ends_the_session(
    autojump_clock: Clock, behave: Callable[[Line, int], Awaitable[None]], cause: str, detail: str
) -> None:
    """A client that came back would hide what the target did."""
    async with one(behave) as (member, service, _, told):
        await member.gone.wait()
        assert [(each.cause, each.detail[: len(detail)]) for each in told] == [(cause, detail)]
        assert len(service.sessions[0].dialled) == 1
        assert len(service.sessions) == 1


@pytest.mark.parametrize(
    ("error", "cause", "status"),
    [
        (Refused("no", status=429), "refused", 429),
        (Refused("no", status=401), "refused", 401),
        (ConnectFailed("cannot connect"), "unreachable", 0),
        (ConnectFailed("cannot connect: too many open files"), "machine", 0),
    ],
)
async def test_a_session_that_is_not_let_in(
    autojump_clock: Clock, error: Exception, cause: str, status: int
) -> None:
    """It is not asked for again; a machine without descriptors is not the target's doing."""
    async with one(prompt, error=error) as (member, service, _, told):
        await member.gone.wait()
        assert [(each.cause, each.status) for each in told] == [(cause, status)]
        assert service.sessions == []
        assert not member.playing


# ------------------------------------------------------------------ a worker's share


class FakeDesk:
    """Keeps what is said."""

    def __init__(self) -> None:
        self._put, self.said = trio.open_memory_channel[talk.Say](100)

    async def say(self, what: talk.Say) -> None:
        await self._put.send(what)


@asynccontextmanager
async def sharing(
    kind: type[Services] = Services, **changes: Any
) -> AsyncIterator[tuple[Share, FakeDesk, Services]]:
    """A worker's share of a crowd, the desk at which it speaks, and its service."""
    async with trio.open_nursery() as nursery:
        service, desk = kind(nursery, prompt), FakeDesk()
        for name, value in changes.items():
            setattr(service, name, value)
        share = Share(cast("AnyDesk", desk), part(service), nursery)
        nursery.start_soon(share.speak)
        yield share, desk, service
        nursery.cancel_scope.cancel()


async def test_a_worker_opens_counts_and_clears(autojump_clock: Clock) -> None:
    """Every session in its turn; each chunk that was due counts; nobody is left."""
    async with sharing() as (share, desk, service):
        await share.answer(talk.Open(numbers=[0, 2, 4], at=time.monotonic() + 0.1, gap=1.0))
        opened = await desk.said.receive()
        assert isinstance(opened, talk.Opened)
        assert opened.client.sessions == 3
        begin = time.monotonic() + 0.5
        await share.answer(talk.Count(begin=begin, end=begin + 2, tell=begin + 3))
        counted = await desk.said.receive()
        assert isinstance(counted, talk.Counted)
        assert counted.client.missing == 0
        assert merged([counted.client.lateness]).n == 60
        acks = merged([counted.figures["ack"]]).distribution()
        assert (acks.n, acks.censored) == (60, 0)
        assert acks.p50 == pytest.approx(30, abs=0.1)
        await share.answer(talk.Clear(gap=0.1))
        assert isinstance(await desk.said.receive(), talk.Cleared)
        assert [each.codes for each in service.sessions] == [[1000]] * 3


async def test_a_worker_says_who_was_refused_before_that_all_is_open(autojump_clock: Clock) -> None:
    """So that its owner knows of it by then; and those that have yet to begin can be halted."""
    async with sharing(refuse=2) as (share, desk, _):
        await share.answer(talk.Open(numbers=list(range(9)), at=time.monotonic() + 0.1, gap=1.0))
        failed = await desk.said.receive()
        assert isinstance(failed, talk.Failed)
        assert (failed.failure.session, failed.failure.status) == (2, 429)
        await share.answer(talk.Halt())
        opened = await desk.said.receive()
        assert isinstance(opened, talk.Opened)
        assert opened.client.sessions == 2


async def test_those_that_were_on_their_way_in_are_let_in(autojump_clock: Clock) -> None:
    """When another one is refused they leave at once; how many the target lets in, they are of.
    Else a search would take the answer for smaller by as many as are half open at a time."""
    async with sharing(Slow, refuse=6, posting=0.0, dialling=0.45) as (share, desk, _):
        await share.answer(talk.Open(numbers=list(range(9)), at=time.monotonic() + 0.1, gap=0.1))
        assert isinstance(await desk.said.receive(), talk.Failed)
        await share.answer(talk.Halt())
        opened = await desk.said.receive()
        assert isinstance(opened, talk.Opened)
        assert (opened.let_in, opened.client.sessions) == (6, 2)


# ------------------------------------------------------------------ from step to step


class Simulated:
    """A target of a known capacity, and a client of one, instead of a crowd."""

    def __init__(self, capacity: int, own: int = 10_000) -> None:
        self.asked: list[tuple[int, float]] = []
        self._capacity = capacity
        self._own = own
        self._bad = False

    async def measure(self, sessions: int, hold: Hold, *, anew: bool) -> Measured:
        assert anew == self._bad  # after what was too much
        self._bad = sessions > min(self._capacity, self._own)
        self.asked.append((sessions, hold.seconds))
        await trio.sleep(hold.seconds)
        late = 1.0 if sessions <= self._own else 40.0
        ack = encoded(20.0 if sessions <= self._capacity else 150.0)
        return step(sessions, ack, client(late, cpu=0.1))


@pytest.mark.parametrize(
    ("capacity", "own", "limit", "sessions"), [(77, 10_000, "missed", 77), (77, 60, "client", 60)]
)
async def test_a_simulated_target_is_found(
    autojump_clock: Clock, tmp_path: Path, capacity: int, own: int, limit: str, sessions: int
) -> None:
    """Its capacity, within a step; or that of the client, which is then named. The file says the
    same as was told meanwhile."""
    store, heard = ramp.Store(tmp_path), cast("list[Any]", [])
    store.add(asked(start=2, hold_s=0.55))
    stage = Simulated(capacity, own)
    await ramp.climb(stage, store, heard.append)
    found = ramp.load(tmp_path)
    assert (found.sessions, found.limit, found.above) == (sessions, limit, sessions + 1)
    assert heard[1::2] == found.steps == result.steps_of(store.records)
    assert heard[::2] == [each.sessions for each in found.steps]
    # Whole chunks; and with two sessions longer than was asked for, for the p99.
    assert stage.asked[0] == (2, pytest.approx(18.4))
    assert stage.asked[-1] == (sessions, pytest.approx(0.6 if sessions >= 62 else 0.7))


async def test_a_store_that_is_none(autojump_clock: Clock, tmp_path: Path) -> None:
    """One line each."""
    with pytest.raises(UsageError, match="no search for a capacity"):
        ramp.load(tmp_path)
    (tmp_path / ramp.JOURNAL).write_bytes(records.encode(step()))
    with pytest.raises(UsageError, match="does not say what was asked for"):
        ramp.load(tmp_path)


def test_cores_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox of our own has one for itself, as far as there are two; others have none."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3, 5, 6}, raising=False)
    cores, processes = ramp.share_cores(Target(), processes=None)
    assert (cores.client, cores.target, cores.shared, processes) == ([5, 6], [3], False, 2)
    cores, processes = ramp.share_cores(Target("url", "http://far"), processes=None)
    assert (cores.client, cores.target, cores.shared, processes) == ([3, 5, 6], [], False, 3)
    cores, processes = ramp.share_cores(Target("url", "http://127.0.0.1:1"), processes=8)
    assert (cores.client, cores.target, cores.shared, processes) == ([3, 5, 6], [], True, 8)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {4}, raising=False)
    cores, processes = ramp.share_cores(Target(), processes=None)
    assert (cores.client, cores.target, cores.shared, processes) == ([4], [4], True, 1)


# ------------------------------------------------------------------ real processes


def prepare() -> talk.Prepare:
    """For a target that is not there."""
    return talk.Prepare(
        url="http://127.0.0.1:9",
        key=None,
        region=None,
        config=format_fields(FORMAT),
        chunk_ns=CHUNK_NS,
        audio="",
        cores=[],
    )


async def test_a_worker_that_dies_ends_it(tmp_path: Path) -> None:
    """What it had would be missing from every figure: one line says where to look."""

    async def lose() -> None:
        async with open_crowd([prepare()] * 2, tmp_path / "log") as crowd:
            os.kill(crowd.pids[1], signal.SIGKILL)
            await trio.sleep_forever()

    with pytest.raises(MachineError, match=r"a worker process is gone; .*log may say why"):
        await lose()


async def test_a_target_that_was_never_there(tmp_path: Path) -> None:
    """No step is judged by it."""
    async with open_crowd([prepare()], tmp_path / "log") as crowd:
        with pytest.raises(ConnectFailed, match="cannot connect"):
            await crowd.measure(3, Hold(1.0))
    assert (tmp_path / "log").read_text() == ""
