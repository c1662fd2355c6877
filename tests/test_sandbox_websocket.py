"""The sandbox's websocket against another's client, over streams in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from sandboxes import ALL, SECOND, sandbox, scripted
from trio_websocket import ConnectionClosed, wrap_client_stream

from replay.sandbox.hub import Sandbox
from replay.sandbox.live import Stage
from replay.sandbox.memory import serve_stream
from replay.wire import messages as m


@asynccontextmanager
async def dial(box: Sandbox, token: str, path: str = "/v2/live") -> AsyncIterator[Any]:
    """A websocket to `box`, and the stream below it."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_stream, box, theirs)
        websocket = await wrap_client_stream(
            nursery, ours, "sandbox", f"{path}?token={token}", message_queue_size=100
        )
        yield websocket, ours
        nursery.cancel_scope.cancel()


async def rest(websocket: Any) -> tuple[list[Any], int]:
    """Everything until the close, and its code."""
    found = []
    while True:
        try:
            found.append(m.decode(await websocket.get_message()))
        except ConnectionClosed as closed:
            return found, closed.reason.code


async def test_session_over_a_stream(autojump_clock: trio.testing.MockClock) -> None:
    """A whole session works through real frames, both kinds of audio, without a socket."""
    async with sandbox(scripted()) as box:
        entry = box.init(ALL)
        async with dial(box, entry.token) as (websocket, _):
            await websocket.send_message(bytes(SECOND))
            await websocket.send_message(m.audio_frame(bytes(SECOND)))
            await websocket.send_message(m.STOP_RECORDING)
            messages, code = await rest(websocket)
    assert code == 1000
    finals = [t for t in messages if isinstance(t, m.Transcript) and t.data.is_final]
    assert [t.data.utterance.text for t in finals] == [" Good day."]
    assert isinstance(messages[-1], m.EndSession)


async def test_unknown_token(autojump_clock: trio.testing.MockClock) -> None:
    """A token that nobody has is accepted and closed with 4404."""
    async with sandbox() as box, dial(box, "nobody") as (websocket, _):
        assert await rest(websocket) == ([], 4404)


async def test_wrong_path(autojump_clock: trio.testing.MockClock) -> None:
    """A websocket anywhere else is refused in the handshake."""
    async with sandbox() as box:
        with pytest.raises(ExceptionGroup) as caught:
            async with dial(box, "x", path="/v3/live"):
                pass
        assert "404" in repr(caught.value.exceptions)


@pytest.mark.parametrize(("code", "over"), [(1000, True), (1001, False), (4500, False)])
async def test_close_code_reaches_the_session(
    autojump_clock: trio.testing.MockClock, code: int, over: bool
) -> None:
    """The session learns the client's close code as it was sent."""
    async with sandbox() as box:
        entry = box.init({})
        async with dial(box, entry.token) as (websocket, _):
            await websocket.send_message(bytes(100))
            await websocket.aclose(code)
        await trio.sleep(1)
        assert (entry.live.stage is Stage.OVER) is over


async def test_cut_stream_is_resumable(autojump_clock: trio.testing.MockClock) -> None:
    """A stream that breaks without a close leaves the session where it was."""
    async with sandbox() as box:
        entry = box.init({})
        async with dial(box, entry.token) as (websocket, stream):
            await websocket.send_message(bytes(100))
            await websocket.get_message()
            await trio.aclose_forcefully(stream)
            await trio.testing.wait_all_tasks_blocked()
        async with dial(box, entry.token) as (websocket, _):
            await websocket.send_message(bytes(50))
            ack = m.decode(await websocket.get_message())
    assert isinstance(ack, m.AudioAck)
    assert ack.data is not None
    assert ack.data.byte_range == (100, 150)


async def test_pings_are_answered(autojump_clock: trio.testing.MockClock) -> None:
    """Pings are answered between frames."""
    async with sandbox() as box, dial(box, box.init({}).token) as (websocket, _):
        with trio.fail_after(1):
            await websocket.ping(b"there?")


async def test_frame_of_twenty_megabytes(autojump_clock: trio.testing.MockClock) -> None:
    """A client's whole buffer may come back as one text frame."""
    async with sandbox() as box, dial(box, box.init({}).token) as (websocket, _):
        await websocket.send_message(m.audio_frame(bytes(20 << 20)))
        ack = m.decode(await websocket.get_message())
    assert isinstance(ack, m.AudioAck)
    assert ack.data is not None
    assert ack.data.byte_range == (0, 20 << 20)


async def test_endless_frame(autojump_clock: trio.testing.MockClock) -> None:
    """A message that grows beyond any limit is refused while it still comes in."""
    async with sandbox(max_frame=10_000) as box:
        entry = box.init({})
        async with dial(box, entry.token) as (websocket, _):
            await websocket.send_message(bytes(100_000))
            assert (await rest(websocket))[1] == 1009
        assert entry.live.store.size == 0


@pytest.mark.parametrize("garbage", [b"\x00" * 200, b"GET / HTTP/1.1\r\n\r\n", b"\xff\xfe"])
async def test_garbage_instead_of_a_request(
    autojump_clock: trio.testing.MockClock, garbage: bytes
) -> None:
    """Bytes that are no websocket request end that connection and nothing else."""
    async with sandbox() as box, trio.open_nursery() as nursery:
        ours, theirs = trio.testing.memory_stream_pair()
        nursery.start_soon(serve_stream, box, theirs)
        await ours.send_all(garbage)
        with trio.fail_after(20):
            while await ours.receive_some():
                pass


async def test_garbage_inside_a_session(autojump_clock: trio.testing.MockClock) -> None:
    """A connection that breaks the websocket protocol is lost; its session is not."""
    async with sandbox() as box:
        entry = box.init({})
        async with dial(box, entry.token) as (websocket, stream):
            await websocket.send_message(bytes(100))
            await stream.send_all(b"\xff" * 50)
            await trio.sleep(1)
        assert entry.status == "processing"
        assert entry.live.store.size == 100
