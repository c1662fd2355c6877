"""The parts of a simulation: its clock, its connections, its run loop, its websockets."""

from __future__ import annotations

import math

import former
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from test_proxy_frames import frames, pieces
from world import Alarms
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Event, TextMessage

from replay import journal as j
from replay.faults import chaos, parse_plan
from replay.simulation import Simulation, simulate
from replay.simulation.clock import VirtualClock
from replay.simulation.kernel import run
from replay.simulation.network import Link
from replay.simulation.pipes import PipeStream, stream_pair
from replay.wire.plain import BINARY, TEXT, Other, Splitter, frame, unmask

# ------------------------------------------------------------------ clock and loop


def test_the_clock_leaps_to_what_comes_next_and_stands_still_else() -> None:
    """Deadlines and alarms come in their order, each at its very moment."""
    clock = VirtualClock()
    seen: list[tuple[str, float]] = []

    async def main() -> None:
        clock.at(2.0, lambda: seen.append(("alarm", trio.current_time())))
        clock.at(0.5, lambda: seen.append(("first", trio.current_time())))
        await trio.sleep(1.0)
        seen.append(("slept", trio.current_time()))
        await trio.lowlevel.checkpoint()
        assert trio.current_time() == 1.0
        with trio.move_on_after(3600.0):
            await trio.sleep_forever()
        seen.append(("hour", trio.current_time()))

    run(main, clock=clock, seed=1)
    assert seen == [("first", 0.5), ("slept", 1.0), ("alarm", 2.0), ("hour", 3601.0)]


def test_tasks_take_their_turns_as_the_seed_says() -> None:
    """The same seed, the same order; another one, another order."""

    def order(seed: int) -> list[int]:
        took: list[int] = []

        async def turn(number: int) -> None:
            for _ in range(3):
                took.append(number)
                await trio.lowlevel.checkpoint()

        async def main() -> None:
            async with trio.open_nursery() as nursery:
                for number in range(8):
                    nursery.start_soon(turn, number)

        run(main, clock=VirtualClock(), seed=seed)
        return took

    assert order(1) == order(1)
    assert order(1) != order(2)


async def sleepers(
    naps: list[tuple[int, int | None]], woken: list[tuple[float, int, bool]]
) -> None:
    """Each sleeps until a moment, if nobody calls it off before, and says when that ended."""

    async def sleep(number: int, until: int, off: int | None) -> None:
        with trio.move_on_at(off if off is not None else math.inf) as scope:
            await trio.sleep_until(until)
        woken.append((trio.current_time(), number, scope.cancelled_caught))

    async with trio.open_nursery() as nursery:
        for number, (until, off) in enumerate(naps):
            # The two ends of a nap are never one moment: who would be first, trio does not say.
            nursery.start_soon(sleep, number, 2 * until, None if off is None else 2 * off + 1)


@given(st.lists(st.tuples(st.integers(-1, 9), st.none() | st.integers(-1, 9)), max_size=8))
def test_who_sleeps_wakes_as_with_trio(naps: list[tuple[int, int | None]]) -> None:
    """At the same moments, woken or called off; trio's own clock that jumps is the judge."""
    here: list[tuple[float, int, bool]] = []
    there: list[tuple[float, int, bool]] = []
    run(sleepers, naps, here, clock=VirtualClock(), seed=1)
    trio.run(sleepers, naps, there, clock=trio.testing.MockClock(autojump_threshold=0))
    assert sorted(here) == sorted(there)


def test_nobody_leaps_to_a_sleep_that_was_called_off() -> None:
    """Time stands still where nothing happens: such a moment would only look like one."""
    clock = VirtualClock()
    seen: list[float] = []

    async def main() -> None:
        with trio.move_on_after(1.0):
            await trio.sleep_until(5.0)
        clock.at(9.0, lambda: seen.append(clock.current_time()))
        clock.deadline_to_sleep_time(7.0)
        seen.append(clock.current_time())
        clock.deadline_to_sleep_time(math.inf)

    run(main, clock=clock, seed=1)
    assert seen == [7.0, 9.0]


def test_an_error_comes_out_as_from_trio() -> None:
    """What the program raises, its caller gets; and trio can be run again afterwards."""

    async def main() -> None:
        await trio.sleep(1)
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        run(main, clock=VirtualClock(), seed=1)
    trio.run(trio.lowlevel.checkpoint)


# ------------------------------------------------------------------ connections


async def test_a_stream_in_memory_is_a_stream(autojump_clock: trio.testing.MockClock) -> None:
    """It does what trio's own conformance check asks of one that can be closed by halves."""
    async with trio.open_nursery() as nursery:

        async def make() -> tuple[PipeStream, PipeStream]:
            return stream_pair(Alarms(nursery))

        await trio.testing.check_half_closeable_stream(make, None)


async def test_bytes_arrive_later_and_together(autojump_clock: trio.testing.MockClock) -> None:
    """Each after its time; what is there by then is read at once, and the end comes last."""
    async with trio.open_nursery() as nursery:
        near, far = stream_pair(Alarms(nursery), 0.25, deaf=True)
        began = trio.current_time()
        near.send_nowait(b"a")
        near.send_nowait(b"b")
        await trio.sleep(0.1)
        near.send_nowait(b"c")
        await near.send_eof()
        got = []
        while data := await far.receive_some():
            got.append((round(trio.current_time() - began, 6), data))
        assert got == [(0.25, b"ab"), (0.35, b"c")]


async def test_pieces_stay_what_they_were(autojump_clock: trio.testing.MockClock) -> None:
    """Who asks for them gets what was sent piece by piece; in one turn, and nothing at the end."""
    async with trio.open_nursery() as nursery:
        near, far = stream_pair(Alarms(nursery), 0.25)
        near.send_nowait(b"abcde", 2)
        near.send_nowait(b"fg")
        assert await far.receive_pieces() == [b"ab", b"cd", b"e", b"fg"]
        near.send_nowait(b"hij", 1)
        await near.send_eof()
        assert await far.receive_some(1) == b"h"
        assert await far.receive_pieces() == [b"ij"]
        assert await far.receive_pieces() == []


@pytest.mark.parametrize(("way", "masked"), [("up", True), ("down", False)])
def test_what_is_sliced_is_parsed_in_slices(
    way: str, masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault that a simulation only seemed to do would find nothing."""
    sizes: list[int] = []
    feed = Splitter.feed

    def counting(self: Splitter, data: bytes) -> list[str | bytes | Other]:
        if self._masked is masked:
            sizes.append(len(data))
        return feed(self, data)

    monkeypatch.setattr(Splitter, "feed", counting)
    done = simulate(Simulation(seconds=2.0, plan=parse_plan([f"slice({way}, 7) @ 500ms"])))
    assert done.summarise().invariants["A1"] == "pass"
    assert sizes.count(7) > 100
    assert max(sizes[sizes.index(7) :]) <= 7


def test_the_largest_message_in_the_smallest_slices_takes_no_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two million pieces: none of them has a state machine looked at on its own."""
    fed = 0
    feed = Connection.receive_data

    def counting(self: Connection, data: bytes | None) -> None:
        nonlocal fed
        fed += 1
        feed(self, data)

    monkeypatch.setattr(Connection, "receive_data", counting)
    plan = parse_plan(["slice(down, 1) @ 900ms", "oversize @ 1s"])
    done = simulate(Simulation(seconds=2.0, plan=plan))
    assert [each.fault for each in done.entries if isinstance(each, j.FaultFired)] == [
        "slice",
        "oversize",
    ]
    assert done.summarise().invariants["A1"] == "pass"
    assert fed < 100


async def test_who_sends_over_a_network_learns_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A network swallows what nobody hears any more; a direct connection says that it is broken."""
    async with trio.open_nursery() as nursery:
        near, far = stream_pair(Alarms(nursery), 0.1, deaf=True)
        await far.aclose()
        near.send_nowait(b"x")
        near, far = stream_pair(Alarms(nursery))
        await far.aclose()
        with pytest.raises(trio.BrokenResourceError):
            near.send_nowait(b"x")


async def test_what_is_swallowed_is_gone_with_what_was_on_its_way(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Neither bytes nor the end come out any more."""
    async with trio.open_nursery() as nursery:
        link = Link(0.1, Alarms(nursery))
        link.client.send_nowait(b"on its way")
        link.swallow("up")
        link.client.send_nowait(b"later")
        await link.client.send_eof()
        with trio.move_on_after(10) as scope:
            await link.server.receive_some()
        assert scope.cancelled_caught
        nursery.cancel_scope.cancel()


# ------------------------------------------------------------------ plain messages


def heard(events: list[Event]) -> list[object]:
    """Messages put together, and how it ended."""
    found: list[object] = []
    text, data = "", b""
    for event in events:
        match event:
            case TextMessage():
                text += event.data
                if event.message_finished:
                    found.append(text)
                    text = ""
            case BytesMessage():
                data += bytes(event.data)
                if event.message_finished:
                    found.append(data)
                    data = b""
            case CloseConnection():
                return [*found, int(event.code)]
    return found


def by_wsproto(parts: list[bytes], side: ConnectionType) -> list[object]:
    machine = Connection(side)
    events: list[Event] = []
    for part in parts:
        machine.receive_data(part)
        events += machine.events()
    return heard(events)


def by_splitter(parts: list[bytes], side: ConnectionType) -> list[object]:
    machine, splitter = Connection(side), Splitter(masked=side is ConnectionType.SERVER)
    events: list[Event] = []
    for part in parts:
        for piece in splitter.feed(part):
            if isinstance(piece, Other):
                machine.receive_data(piece.data)
                events += machine.events()
            elif isinstance(piece, str):
                events.append(TextMessage(data=piece))
            else:
                events.append(BytesMessage(data=piece))
    return heard(events)


@settings(max_examples=300)
@given(st.data())
def test_plain_messages_are_what_wsproto_makes_of_them(data: st.DataObject) -> None:
    """Frames of all kinds, broken ones too, cut into any pieces, from both sides: the same messages
    and the same end."""
    masked = data.draw(st.booleans())
    side = ConnectionType.SERVER if masked else ConnectionType.CLIENT
    some = data.draw(st.lists(frames(masked=masked), max_size=6))
    parts = pieces(b"".join(some), data.draw(st.lists(st.integers(0, 200), max_size=12)))
    assert by_splitter(parts, side) == by_wsproto(parts, side)


@given(st.text(max_size=300) | st.binary(max_size=300), st.booleans())
def test_a_frame_is_read_back(message: str | bytes, masked: bool) -> None:
    """What is written as a plain message is found as one."""
    opcode, body = (TEXT, message.encode()) if isinstance(message, str) else (BINARY, message)
    assert Splitter(masked=masked).feed(frame(opcode, body, masked=masked)) == [message]


@given(st.binary(max_size=50), st.binary(min_size=4, max_size=4))
def test_a_mask_taken_twice_is_none(data: bytes, key: bytes) -> None:
    """Masking is its own inverse, with the key of zeros too."""
    assert unmask(unmask(data, key), key) == data
    assert unmask(data, bytes(4)) == data


# ------------------------------------------------------------------ held against the libraries


def spec(seed: int) -> Simulation:
    return Simulation(seconds=12.0, plan=chaos("cruel", seed, 12.0), seed=seed)


@pytest.mark.parametrize("seed", range(4))
def test_the_loop_does_what_trios_does(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same journal, byte for byte, as from `trio.run` on the same clock."""
    quick = simulate(spec(seed)).journal
    with former.trio_itself(monkeypatch):
        assert simulate(spec(seed)).journal == quick


@pytest.mark.parametrize("seed", range(10))
def test_the_websockets_do_what_the_libraries_do(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over trio-websocket and wsproto, under all kinds of faults: the same connections, losses,
    faults and acknowledgements, at the same times. Only within one instant may the turns of tasks
    differ, and so in the one in which the last connection ends."""
    ours = simulate(spec(seed))
    with former.libraries(monkeypatch):
        theirs = simulate(spec(seed))
    assert skeleton(ours.entries) == skeleton(theirs.entries)
    assert ours.summarise().invariants == theirs.summarise().invariants


def skeleton(entries: list[j.AnyEntry]) -> list[tuple[object, ...]]:
    """What a session came through before its last connection ended."""
    end = max(each.t for each in entries if isinstance(each, j.Lost))
    found: list[tuple[object, ...]] = []
    for each in entries:
        match each:
            case j.Connected():
                found.append((each.t, "connected", each.connection, each.resume_at))
            case j.Lost():
                found.append((each.t, each.cause, each.code, each.reason))
            case j.FaultFired():
                found.append((each.t, each.text, each.connection))
            case j.Ack():
                found.append((each.t, "ack", each.connection, each.upto))
    return sorted((each for each in found if each[0] < end), key=str)


def test_a_difference_would_be_seen() -> None:
    """Planted: a network of another length."""
    one = simulate(spec(1))
    other = simulate(Simulation(seconds=12.0, plan=spec(1).plan, seed=1, latency=0.026))
    assert skeleton(one.entries) != skeleton(other.entries)
