"""What passes the injector: frames are read as they are, and reach the other end as they came."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.faults import Plan, parse_plan
from replay.faults import events as e
from replay.proxy.frames import CLOSE, OPAQUE, FrameReader, close_frame, text_frame
from replay.proxy.injector import Injector
from replay.proxy.server import FaultsOnly
from replay.proxy.traffic import Traffic
from replay.recorder import ListRecorder
from replay.simulation.injected import MemoryDoor
from replay.wire import messages as m

HELLO = (
    b"GET /v2/live?token=t HTTP/1.1\r\nHost: proxy\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
AGREED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


@st.composite
def frames(draw: st.DrawFn, *, masked: bool) -> bytes:
    """One frame of any kind, also of kinds that do not exist; fragments and control frames too."""
    opcode = draw(st.sampled_from([0, 1, 2, 2, 2, 8, 9, 10, 3, 11]))
    payload = draw(st.binary(max_size=40) | st.integers(100, 70_000).map(lambda n: b"x" * n))
    size = len(payload)
    head = bytes([draw(st.sampled_from([0x80, 0x00])) | opcode])
    bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 1 << 16:
        head += bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + size.to_bytes(8, "big")
    key = draw(st.binary(min_size=4, max_size=4)) if masked else b""
    return head + key + payload  # of masked bytes any are as good as any others


def pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    """`data`, cut at will."""
    cut, at = [], 0
    for size in sizes:
        cut.append(data[at : at + size])
        at += size
    return [piece for piece in (*cut, data[at:]) if piece]


@given(st.lists(frames(masked=True), max_size=6), st.lists(st.integers(1, 5000), max_size=20))
def test_frames_come_out_as_they_went_in(sent: list[bytes], sizes: list[int]) -> None:
    """However the stream is cut, each frame comes out whole, with its own bytes."""
    reader = FrameReader()
    seen = [frame.raw for piece in pieces(b"".join(sent), sizes) for frame in reader.feed(piece)]
    assert seen == sent
    assert reader.rest() == b""


def test_masks_lengths_and_fragments_are_understood() -> None:
    """A masked message in two fragments, with a ping between, is one message unmasked."""
    key = b"\x01\x02\x03\x04"
    text = b"grand piano"
    hidden = bytes(a ^ b for a, b in zip(text, key * 3, strict=False))
    stream = b"\x01\x85" + key + hidden[:5] + b"\x89\x80" + key + b"\x80\x86"
    rest = bytes(a ^ b for a, b in zip(text[5:], key * 2, strict=False))
    reader = FrameReader()
    found = reader.feed(stream + key + rest)
    messages = [reader.message(frame) for frame in found]
    assert [frame.control for frame in found] == [False, True, False]
    assert messages[:2] == [None, None]
    assert messages[2] is not None
    assert (messages[2].data, messages[2].alone) == ("grand piano", False)


@pytest.mark.parametrize("head", [b"\xc1\x01x", b"\x82\x7f" + (1 << 40).to_bytes(8, "big")])
def test_what_is_not_understood_passes_as_it_comes(head: bytes) -> None:
    """A compressed frame, and one too large to hold, open the way for all that follows."""
    reader = FrameReader()
    first = reader.feed(text_frame(b"{}") + head)
    assert [frame.opcode for frame in first] == [1, OPAQUE]
    assert reader.feed(b"more")[0].raw == b"more"


def test_close_frames_of_every_kind() -> None:
    """Codes that nobody may send can be sent, 1005 is the empty frame, a reason is kept."""
    assert close_frame(1005) == b"\x88\x00"
    assert close_frame(999) == b"\x88\x02\x03\xe7"
    (frame,) = FrameReader().feed(close_frame(4001, "bye"))
    assert (frame.opcode, frame.payload) == (CLOSE, b"\x0f\xa1bye")


# ------------------------------------------------------------------ from end to end


class Upstream:
    """A target that is the test itself."""

    base_url = "http://target:8080"

    def __init__(self) -> None:
        self.far: trio.StapledStream | None = None

    async def dial(self, url: str) -> trio.abc.Stream:
        assert url == "ws://target:8080/v2/live?token=t"
        await trio.lowlevel.checkpoint()
        near, self.far = trio.testing.memory_stream_pair()
        return near

    def request(self, request: object) -> None:
        raise NotImplementedError


@asynccontextmanager
async def connected(plan: Plan | None = None) -> AsyncIterator[tuple]:
    """Client and target with an injector between, their websocket open."""
    async with trio.open_nursery() as nursery:
        upstream = Upstream()
        archive = FaultsOnly(ListRecorder(), 32_000)
        injector = Injector(upstream, plan or Plan(), archive, Random(1), nursery)
        injector.door, injector.url = MemoryDoor(nursery), "http://proxy"
        injector.start()
        client, near = trio.testing.memory_stream_pair()
        nursery.start_soon(injector.handle, near)
        await client.send_all(HELLO)
        await trio.testing.wait_all_tasks_blocked()
        target = upstream.far
        assert target is not None
        asked = await target.receive_some()
        assert b"permessage-deflate" not in asked
        assert b"Host: target:8080\r\n" in asked
        await target.send_all(AGREED)
        assert await client.receive_some() == AGREED
        yield client, target
        nursery.cancel_scope.cancel()


async def read(stream: trio.abc.Stream) -> bytes:
    """Everything up to the end."""
    data = b""
    while more := await stream.receive_some():
        data += more
    return data


@settings(max_examples=50)
@given(
    st.lists(frames(masked=True), max_size=6),
    st.lists(frames(masked=False), max_size=6),
    st.lists(st.integers(1, 3000), max_size=12),
    st.integers(0, 5),
)
def test_idle_it_is_transparent(
    up: list[bytes], down: list[bytes], sizes: list[int], torn: int
) -> None:
    """Whatever passes, in whatever pieces, also when it ends in the middle of a frame: the other
    end gets the same bytes, and then the same end."""
    said, heard = b"".join(up), b"".join(down)
    said, heard = said[: len(said) - torn], heard[: len(heard) - torn]

    async def pass_through() -> None:
        async with connected() as (client, target), trio.open_nursery() as nursery:

            async def say(stream: trio.StapledStream, data: bytes) -> None:
                for piece in pieces(data, sizes):
                    await stream.send_all(piece)
                    await trio.testing.wait_all_tasks_blocked()
                await stream.send_eof()

            nursery.start_soon(say, client, said)
            nursery.start_soon(say, target, heard)
            assert await read(target) == said
            assert await read(client) == heard

    trio.run(pass_through, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_an_armed_fault_is_seen_by_that_comparison(autojump_clock: object) -> None:
    """Planted: with an acknowledgement thrown away the bytes are not the same."""
    ack = text_frame(
        m.encode(
            m.AudioAck(
                acknowledged=True, data=m.AudioAckData(byte_range=(0, 2), time_range=(0, 0.1))
            )
        ).encode()
    )
    async with connected(parse_plan(["loseacks @ ack#1"])) as (client, target):
        await target.send_all(ack + ack)
        await target.send_eof()
        assert await read(client) == ack


async def test_a_peer_that_breaks_is_passed_on(autojump_clock: object) -> None:
    """When the target is gone, what it said before still arrives, and then the end."""
    async with connected() as (client, target):
        await target.send_all(text_frame(b'{"type":"x"}'))
        await trio.aclose_forcefully(target)
        assert await read(client) == text_frame(b'{"type":"x"}')


# ------------------------------------------------------------------ positions


def heard_ack(traffic: Traffic, connection: int, start: int, end: int) -> None:
    ack = m.AudioAck(
        acknowledged=True, data=m.AudioAckData(byte_range=(start, end), time_range=(0, 0))
    )
    traffic.ack_at_hand(connection, ack)
    traffic.ack_passes(ack)
    traffic.ack_heard(connection, ack)


def test_audio_sent_again_has_its_place() -> None:
    """After a cut the client goes on where the acknowledgements end, and has caught up when all
    that was sent before is there again."""
    traffic, audio = Traffic(), Random(1).randbytes(400)
    traffic.opened()
    for at in (0, 100, 200):
        traffic.up(1, m.AudioFrame(audio[at : at + 100]))
    heard_ack(traffic, 1, 0, 100)
    traffic.lost(1)
    traffic.opened()
    assert traffic.up(2, m.AudioFrame(audio[100:200])) == [e.Resend(), e.AudioUp(2, 100, 100)]
    assert traffic.up(2, m.AudioFrame(audio[200:300])) == [e.AudioUp(2, 200, 100), e.CaughtUp()]
    assert traffic.up(2, m.AudioFrame(audio[300:])) == [e.AudioUp(2, 300, 100)]
    assert (traffic.furthest, traffic.received) == (400, 600)


def test_a_place_that_acknowledgements_do_not_tell_is_found_by_its_sound() -> None:
    """An acknowledgement that never reached the client leaves it further back than it looks; one
    that goes on further ahead is found as well."""
    traffic, audio = Traffic(), Random(2).randbytes(400)
    traffic.opened()
    for at in (0, 100, 200):
        traffic.up(1, m.AudioFrame(audio[at : at + 100]))
    heard_ack(traffic, 1, 0, 200)
    traffic.lost(1)
    traffic.opened()
    assert traffic.up(2, m.AudioFrame(audio[100:200]))[1] == e.AudioUp(2, 100, 100)
    traffic.lost(2)
    traffic.opened()
    assert traffic.up(3, m.AudioFrame(audio[300:]))[0] == e.AudioUp(3, 300, 100)


def test_silence_goes_where_acknowledgements_say() -> None:
    """Audio that is alike everywhere is not taken for something sent before."""
    traffic = Traffic()
    traffic.opened()
    traffic.up(1, m.AudioFrame(bytes(100)))
    heard_ack(traffic, 1, 0, 100)
    traffic.lost(1)
    traffic.opened()
    assert traffic.up(2, m.AudioFrame(bytes(100)))[0] == e.AudioUp(2, 100, 100)


def test_traffic_forgets_audio_that_its_client_knows_to_be_recorded() -> None:
    """An hour with every acknowledgement heard takes no more memory than a minute, and what is
    sent again is still recognised."""
    traffic, rng = Traffic(), Random(3)
    traffic.opened()
    most = 0
    for k in range(3000):
        chunk = rng.randbytes(3200)
        traffic.up(1, m.AudioFrame(chunk))
        ranges = m.AudioAckData(byte_range=(k * 3200, k * 3200 + 3200), time_range=(0, 0))
        ack = m.AudioAck(acknowledged=True, data=ranges)
        traffic.ack_at_hand(1, ack)
        if k < 2995:
            traffic.ack_heard(1, ack)
        most = max(most, sys.getsizeof(traffic._history))
    assert most < 2_000_000
    traffic.lost(1)
    traffic.opened()
    again = Random(3)
    spoken = [again.randbytes(3200) for _ in range(3000)]
    first, placed, *_ = traffic.up(2, m.AudioFrame(spoken[2995]))
    assert isinstance(first, e.Resend)
    assert placed == e.AudioUp(2, 2995 * 3200, 3200)
