"""Connections that mean no good, in memory, and a session beside them that must not notice."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import trio
import trio.testing
from sandboxes import SECOND, words
from trio_websocket import ConnectionClosed, wrap_client_stream

from replay.audio import HEADER_BYTES
from replay.sandbox.hub import Sandbox
from replay.sandbox.jobs import Entry
from replay.sandbox.recognizers.scripted import Script
from replay.sandbox.server import Front
from replay.wire import messages as m

#: To be said again and again, every two seconds.
SPOKEN = Script(words(("Good", 0.4, 0.7), ("day.", 0.7, 1.1)))
EVERY = 2.0
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MASK = b"\x1b\x02\xf3\x84"


class FarEnd:
    """A stream in memory that passes for a socket's."""

    family = socket.AF_INET

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self.socket = self
        self._stream = stream

    def getpeername(self) -> tuple[str, int]:
        return "127.0.0.1", 1

    getsockname = getpeername

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return bytes(await self._stream.receive_some(max_bytes))

    async def send_all(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


class Door:
    """The front of a sandbox, to be knocked at without a socket."""

    def __init__(self, box: Sandbox, nursery: trio.Nursery) -> None:
        self.box = box
        self._front = Front(box)
        self._nursery = nursery

    def knock(self, *, takes_all: bool = True) -> trio.abc.HalfCloseableStream:
        """A new connection; what `takes_all` is false for is taken only while its client reads."""
        make = trio.testing.memory_stream_pair if takes_all else trio.testing.lockstep_stream_pair
        ours, theirs = make()
        far: Any = FarEnd(theirs)
        self._nursery.start_soon(self._front.handle, far)
        return ours

    async def join(self, entry: Entry, **options: bool) -> trio.abc.HalfCloseableStream:
        """A new websocket of a session, behind its handshake."""
        stream = self.knock(**options)
        await stream.send_all(upgrade(entry.token))
        answer = bytes(await stream.receive_some(1 << 16))
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        return stream


@asynccontextmanager
async def door(box: Sandbox) -> AsyncIterator[Door]:
    async with trio.open_nursery() as nursery:
        yield Door(box, nursery)
        nursery.cancel_scope.cancel()


def upgrade(token: str) -> bytes:
    query = urlencode({"token": token})
    return (
        f"GET /v2/live?{query} HTTP/1.1\r\nHost: sandbox\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def frame(opcode: int, payload: bytes, *, last: bool = True, reserved: int = 0) -> bytes:
    """A masked frame."""
    first = (0x80 if last else 0) | reserved << 4 | opcode
    if len(payload) < 126:
        size = bytes([0x80 | len(payload)])
    elif len(payload) < 1 << 16:
        size = struct.pack(">BH", 0x80 | 126, len(payload))
    else:
        size = struct.pack(">BQ", 0x80 | 127, len(payload))
    pattern = MASK * (len(payload) // 4 + 1)
    masked = int.from_bytes(payload) ^ int.from_bytes(pattern[: len(payload)])
    return bytes([first]) + size + MASK + masked.to_bytes(len(payload))


async def drained(stream: trio.abc.ReceiveStream) -> bytes:
    """All that comes until the end."""
    found = bytearray()
    try:
        while data := await stream.receive_some(1 << 16):
            found += data
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    return bytes(found)


def close_code(data: bytes) -> int:
    """The code of the close frame at the end of what a server sent."""
    at = data.rindex(bytes([0x80 | CLOSE]))
    return int.from_bytes(data[at + 2 : at + 4])


@asynccontextmanager
async def neighbour(door: Door, seconds: float = 4.0) -> AsyncIterator[None]:
    """A session that goes on beside whatever the block does, and is exact to the byte after it.

    Its sandbox has a recogniser that says `SPOKEN` every `EVERY` seconds without delay. In virtual
    time each acknowledgement must come at the very moment at which its chunk was sent.
    """
    entry = door.box.init({"endpointing": 0.3})
    stream = door.knock()
    async with trio.open_nursery() as around:
        websocket = await wrap_client_stream(
            around, stream, "sandbox", f"/v2/live?token={entry.token}", message_queue_size=1000
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_live, entry, websocket, seconds)
            yield
        around.cancel_scope.cancel()


async def _live(entry: Entry, websocket: Any, seconds: float) -> None:
    size, sent, acked = SECOND // 10, bytearray(), 0
    finals: list[str] = []
    start = trio.current_time()
    for k in range(round(seconds * 10)):
        await trio.sleep_until(start + (k + 1) * 0.1)
        now = trio.current_time()
        chunk = (k + 1).to_bytes(4, "little") * (size // 4)
        sent += chunk
        await websocket.send_message(chunk)
        while acked < len(sent):
            message = m.decode(await websocket.get_message())
            if isinstance(message, m.AudioAck):
                assert message.data is not None
                assert message.data.byte_range == (acked, len(sent))
                acked = len(sent)
            _note(message, finals)
        assert trio.current_time() == now
    await websocket.send_message(m.STOP_RECORDING)
    code = 0
    while not code:
        try:
            _note(m.decode(await websocket.get_message()), finals)
        except ConnectionClosed as closed:
            code = closed.reason.code
    assert code == 1000
    assert finals == [" Good day."] * int(seconds / EVERY)
    assert b"".join(entry.live.store.wav())[HEADER_BYTES:] == sent


def _note(message: Any, finals: list[str]) -> None:
    assert not isinstance(message, m.Unknown | m.Malformed)
    if isinstance(message, m.Transcript) and message.data.is_final:
        finals.append(message.data.utterance.text)
