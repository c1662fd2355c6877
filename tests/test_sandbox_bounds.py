"""What a hostile client can do: use up its own share, and nothing of a neighbour's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trio
import trio.testing
from hostile import (
    BINARY,
    EVERY,
    PING,
    SPOKEN,
    TEXT,
    Door,
    close_code,
    door,
    drained,
    frame,
    neighbour,
    upgrade,
)
from sandboxes import SECOND, sandbox, scripted

from replay.sandbox.hub import ApiError
from replay.sandbox.recognizers.base import Event, Heard
from replay.sandbox.recognizers.scripted import ScriptedRecognizer
from replay.sandbox.standing import Stage
from replay.wire import messages as m

REQUEST = b"GET /health HTTP/1.1\r\nHost: sandbox\r\n"
POST = b"POST /v2/live HTTP/1.1\r\nHost: sandbox\r\nContent-Type: application/json\r\n"


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[Door]:
    async with sandbox(scripted(SPOKEN, repeat=EVERY), **settings) as box, door(box) as made:
        yield made


async def send_for_ever(stream: trio.abc.Stream, data: bytes) -> None:
    """Send the same again and again, until nobody takes it."""
    with suppress(trio.BrokenResourceError):
        while True:
            await stream.send_all(data)


async def dribble(stream: trio.abc.Stream, data: bytes, pause: float) -> None:
    """Send a byte every `pause` seconds, until nobody takes it."""
    with suppress(trio.BrokenResourceError):
        for each in data:
            await stream.send_all(bytes([each]))
            await trio.sleep(pause)


# --------------------------------------------------------------------------- attacks


async def reads_nothing(door: Door) -> None:
    """Sends audio and takes no acknowledgement, until it is dropped; its session stays."""
    entry = door.box.init({})
    stream = await door.join(entry, takes_all=False)
    began = trio.current_time()
    await send_for_ever(stream, frame(BINARY, b""))
    assert trio.current_time() - began <= 12
    assert entry.status == "processing"
    again = await door.join(entry)
    await again.send_all(frame(BINARY, bytes(100)))
    assert b'"byte_range":[0,100]' in bytes(await again.receive_some())


async def pings_and_reads_nothing(door: Door) -> None:
    """Asks for pongs that it does not take, until it is dropped; its session stays."""
    entry = door.box.init({})
    stream = await door.join(entry, takes_all=False)
    await send_for_ever(stream, frame(PING, b"there?"))
    assert entry.status == "processing"


async def floods_with_pings(door: Door) -> None:
    """Thousands of small frames in one piece are worked off one by one."""
    stream = await door.join(door.box.init({}))
    await stream.send_all(frame(PING, b"") * 20_000)
    await stream.send_all(frame(BINARY, bytes(10)))
    answers = b""
    while b"byte_range" not in answers:
        answers = answers[-20:] + bytes(await stream.receive_some())


async def never_ends_a_message(door: Door) -> None:
    """A message of ever more pieces is refused at its limit."""
    stream = await door.join(door.box.init({}))
    await stream.send_all(frame(BINARY, bytes(1), last=False))
    await send_for_ever(stream, frame(0, bytes(20_000), last=False))
    assert close_code(await drained(stream)) == 1009


async def holds_much(door: Door) -> None:
    """Messages that are never whole may not add up to more than all connections together get."""
    streams = [await door.join(door.box.init({})) for _ in range(4)]
    for stream in streams:
        await stream.send_all(frame(TEXT, b"x" * 1_900_000, last=False))
        await trio.testing.wait_all_tasks_blocked()
    codes = []
    for stream in streams:
        with trio.move_on_after(1):
            codes.append(close_code(await drained(stream)))
    assert codes == [1013, 1013]
    for stream in streams:
        await stream.aclose()
    await trio.sleep(0.1)
    late = await door.join(door.box.init({}))  # what they held can be had again
    await late.send_all(frame(TEXT, m.audio_frame(bytes(990_000)).encode()))
    assert b'"byte_range":[0,990000]' in bytes(await late.receive_some())


async def speaks_nonsense(door: Door) -> None:
    """Frames of nonsense are refused one by one, and leave the session usable."""
    entry = door.box.init({})
    stream = await door.join(entry)
    for text in (b"{", b"[" * 100_000, b'{"type":' * 5_000, b'{"type":"x"}', b"null", b'"\\ud800"'):
        await stream.send_all(frame(TEXT, text))
        assert b'"acknowledged":false' in bytes(await stream.receive_some())
    await stream.send_all(frame(BINARY, bytes(10)))
    assert b'"byte_range":[0,10]' in bytes(await stream.receive_some())


async def comes_again_and_again(door: Door) -> None:
    """Hundreds of connections to one session: the newest has it, the others are closed."""
    entry = door.box.init({})
    streams = [await door.join(entry) for _ in range(300)]
    await streams[-1].send_all(frame(BINARY, bytes(10)))
    assert b'"byte_range":[0,10]' in bytes(await streams[-1].receive_some())
    for stream in streams[:-1]:
        assert close_code(await drained(stream)) == 4409


async def dribbles_a_handshake(door: Door) -> None:
    """A handshake that comes byte by byte is given up."""
    stream = door.knock()
    began = trio.current_time()
    await dribble(stream, upgrade(door.box.init({}).token), 1)
    assert await drained(stream) == b""
    assert trio.current_time() - began <= 12


async def dribbles_a_body(door: Door) -> None:
    """So is one whose body does, however short the pauses are."""
    stream = door.knock()
    await stream.send_all(POST + b"Content-Length: 1000000\r\n\r\n{")
    began = trio.current_time()
    await dribble(stream, b" " * 1000, 1)
    assert trio.current_time() - began <= 32


async def says_nothing(door: Door) -> None:
    """A connection without a request is closed in time."""
    stream = door.knock()
    began = trio.current_time()
    assert await drained(stream) == b""
    assert trio.current_time() - began == pytest.approx(10)


async def takes_no_answer(door: Door) -> None:
    """A recording that nobody takes is not sent for ever."""
    entry = door.box.init({})
    stream = await door.join(entry)
    await stream.send_all(frame(BINARY, bytes(SECOND)) + frame(TEXT, m.STOP_RECORDING.encode()))
    await drained(stream)
    asking = door.knock(takes_all=False)
    file = f"GET /v2/live/{entry.live.id}/file HTTP/1.1\r\nHost: sandbox\r\n\r\n"
    await asking.send_all(file.encode())
    await trio.sleep(31)
    assert len(await drained(asking)) < SECOND


async def sends_an_endless_head(door: Door) -> None:
    """A head beyond any measure is refused."""
    stream = door.knock()
    await stream.send_all(REQUEST + b"X-Long: " + b"x" * 100_000)
    assert b"HTTP/1.1 431" in await drained(stream)


async def sends_too_much(door: Door) -> None:
    """Bodies that are too long, or nested too deeply to be handled safely, are refused."""
    deep = [b"[" * n + b"]" * n for n in (100, 900, 100_000)]
    nested = [b'{"custom_metadata":{"":' + each + b"}}" for each in deep]
    for body, status in [(b" " * 1_100_000, b"413"), *[(each, b"400") for each in nested]]:
        stream = door.knock()
        await stream.send_all(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert bytes(await stream.receive_some()).startswith(b"HTTP/1.1 " + status)


async def knocks_a_lot(door: Door) -> None:
    """More connections than there is room for end the oldest of their own kind."""
    streams = []
    for _ in range(150):
        streams.append(door.knock())
        await trio.testing.wait_all_tasks_blocked()
    await streams[-1].send_all(REQUEST + b"\r\n")
    assert b"200" in bytes(await streams[-1].receive_some())
    began = trio.current_time()
    assert await drained(streams[0]) == b""
    assert trio.current_time() == began


Attack = Callable[[Door], Awaitable[None]]
ATTACKS: list[Attack] = [
    reads_nothing,
    pings_and_reads_nothing,
    floods_with_pings,
    never_ends_a_message,
    holds_much,
    speaks_nonsense,
    comes_again_and_again,
    dribbles_a_handshake,
    dribbles_a_body,
    says_nothing,
    takes_no_answer,
    sends_an_endless_head,
    sends_too_much,
    knocks_a_lot,
]


@pytest.mark.parametrize("attack", ATTACKS)
async def test_attack(autojump_clock: trio.testing.MockClock, attack: Attack) -> None:
    """Each comes to nothing, in the way that it says, and the session beside it is exact."""
    limits: dict[str, Any] = {"max_frame": 1_500_000, "pending_bytes": 2_000_000}
    if attack is reads_nothing:
        limits["outbox_bytes"] = 100_000
    if attack is knocks_a_lot:
        limits["max_visitors"] = 100
    async with opened(**limits) as front, neighbour(front):
        await attack(front)


# --------------------------------------------------------------------------- limits


class Slow(ScriptedRecognizer):
    """Takes as long as what it hears."""

    def stream(self, settings: Any) -> Any:
        stream = super().stream(settings)
        hear = stream.hear

        async def slowly(heard: Heard) -> list[Event]:
            await trio.sleep(heard.end - heard.start)
            return list(await hear(heard))

        stream.hear = slowly  # type: ignore[method-assign]
        return stream


async def test_backlog(autojump_clock: trio.testing.MockClock) -> None:
    """Audio that comes faster than it is recognised waits with its sender; none is dropped, nobody
    is taken for idle meanwhile."""
    async with sandbox(Slow(SPOKEN), max_behind=5.0) as box, door(box) as front:
        entry = box.init({})
        stream = await front.join(entry)
        for _ in range(60):
            await stream.send_all(frame(BINARY, bytes(SECOND)))
        await stream.send_all(frame(TEXT, m.STOP_RECORDING.encode()))
        for second in range(40):
            assert entry.live.store.seconds == pytest.approx(second + 6, abs=1.01)
            await trio.sleep(1)
        assert close_code(await drained(stream)) == 1000
        assert entry.live.store.size == 60 * SECOND


async def test_too_many_sessions(autojump_clock: trio.testing.MockClock) -> None:
    """Beyond their number sessions are refused with 503, until one ends."""
    async with sandbox(max_sessions=2, unclaimed_timeout=5) as box:
        box.init({})
        other = box.init({})
        with pytest.raises(ApiError) as refused:
            box.init({})
        assert refused.value.status == 503
        await trio.sleep(5.1)
        assert other.live.stage is Stage.OVER
        assert box.init({}).status == "queued"
