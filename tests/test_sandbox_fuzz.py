"""Ten thousand requests, frames and orders of events that no client would think of.

All in memory and in virtual time, beside a session that must come out exact to the byte. A case
follows from the seed and its number alone, and both are in the message of a failure.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from random import Random
from typing import Any

import pytest
import trio
import trio.testing
from hostile import BINARY, CLOSE, EVERY, PING, PONG, SPOKEN, TEXT, Door, door, frame, neighbour
from hostile import upgrade as handshake
from sandboxes import ALL, sandbox, scripted

from replay.sandbox.jobs import Entry
from replay.wire import messages as m

SEED = 20261124
CASES = 10_000
BATCH = 250
#: Seconds of virtual time between two cases: the neighbour speaks meanwhile.
PAUSE = 0.02
PATIENT = {"unclaimed_timeout": 5.0, "session_timeout": 5.0, "idle_timeout": 5.0}

BODIES: list[Any] = [
    {},
    ALL,
    {"encoding": "wav/pcm", "bit_depth": 16, "sample_rate": 16000, "channels": 2},
    {"custom_metadata": {"a": {"b": [1, None, "é"]}}, "endpointing": 0.3},
    {"language_config": {"languages": ["en", "fr"], "code_switching": True}},
    {"pre_processing": {"speech_threshold": 0.5}, "maximum_duration_without_endpointing": 9},
]
TOKENS = [b"null", b"-1", b"1e999", b"NaN", b"{}", b"[[[[", b'"', b"\\ud800", b"\xff\xfe", b"\0"]
TOKENS += [b"\r\n", b"\r\n\r\n", b"9" * 400, b"true", b"../", b"%00", b"; ", b"Content-Length: 5"]
TOKENS += [b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Upgrade: h2c", b"HTTP/2.0"]


def mutated(rng: Random, data: bytes) -> bytes:
    """`data`, spoilt in a few places."""
    spoilt = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 2, 4, 8))):
        at = rng.randrange(len(spoilt) + 1)
        end = min(len(spoilt), at + rng.choice((1, 2, 4, 40)))
        match rng.randrange(5):
            case 0:
                spoilt[at:end] = rng.randbytes(end - at)
            case 1:
                del spoilt[at:end]
            case 2:
                spoilt[at:at] = spoilt[at:end] * rng.choice((1, 2, 50))
            case 3:
                spoilt[at:at] = rng.choice(TOKENS)
            case 4:
                del spoilt[at:]
    return bytes(spoilt)


async def talk(stream: Any, data: bytes) -> bytes:
    """Send `data`; what comes back at once."""
    found = b""
    with suppress(trio.BrokenResourceError):
        await stream.send_all(data)
    with trio.move_on_after(0.001):
        while more := bytes(await stream.receive_some()):
            found += more
    return found


# --------------------------------------------------------------------------- the cases


async def http(front: Door, rng: Random) -> None:
    """A request, most of it right; never an answer of 500."""
    entries = list(front.box.newest_first())
    known = rng.choice(entries).live.id if entries else "x"
    path = rng.choice(["", "", f"/{known}", f"/{known}/file", "/none", "?limit=2&offset=1"])
    path = f"/v2/live{path}" + rng.choice(["", "", "?region=eu-west", "?custom_metadata[a]=1"])
    method = rng.choice(["POST", "POST", "GET", "PATCH", "DELETE", "OPTIONS", "HEAD", "PUT"])
    body = json.dumps(rng.choice(BODIES)).encode()
    if rng.random() < 0.7:
        body = mutated(rng, body)
    head = f"{method} {path} HTTP/1.1\r\nHost: sandbox\r\nContent-Length: {len(body)}\r\n\r\n"
    raw = head.encode()
    if rng.random() < 0.4:
        raw = mutated(rng, raw)
    stream = front.knock()
    answer = await talk(stream, raw + body)
    await stream.aclose()
    assert not answer or answer.startswith(b"HTTP/1.1 "), answer
    assert not answer.startswith(b"HTTP/1.1 500"), answer


def frames(rng: Random) -> bytes:
    """Frames that a client might send, and some that it must not."""
    audio = rng.randbytes(rng.choice((0, 1, 7, 320)))
    texts = [m.audio_frame(audio), m.STOP_RECORDING, "{}", '{"type":1}', "é" * 70, "[" * 3000]
    found = b""
    for _ in range(rng.choice((1, 2, 5))):
        opcode = rng.choice((TEXT, TEXT, BINARY, BINARY, PING, PONG, CLOSE, 0, rng.randrange(16)))
        payload = rng.choice((audio, rng.choice(texts).encode(), rng.randbytes(200), b"\xed\xa0"))
        if rng.random() < 0.3:
            payload = mutated(rng, payload)
        last, reserved = rng.random() < 0.8, rng.choice((0, 0, 0, 0, rng.randrange(8)))
        found += frame(opcode, payload, last=last, reserved=reserved)
    huge = bytes([0x82, 0xFF]) + rng.choice((1 << 40, 1 << 63, (1 << 64) - 1)).to_bytes(8)
    found = rng.choice((found, found, found, found + huge, found + b"\x82\x05naked"))
    return mutated(rng, found) if rng.random() < 0.5 else found


async def wire(front: Door, rng: Random) -> None:
    """Frames of all kinds: the session is unharmed, and its connection used or closed."""
    entry = front.box.init(rng.choice(({}, ALL)))
    stream = front.knock()
    opening = handshake(entry.token)
    await talk(stream, mutated(rng, opening) if rng.random() < 0.1 else opening)
    for _ in range(rng.choice((1, 1, 3))):
        await talk(stream, frames(rng))
    await stream.aclose()
    assert entry.status != "error"


async def order(front: Door, rng: Random) -> None:
    """Connections, audio, stops, requests and cuts in any order: what was acknowledged is on
    record, in order, and nothing else is."""
    entry = front.box.init({})
    streams: list[Any] = []
    sent, acked = bytearray(), 0
    for _ in range(rng.randrange(2, 12)):
        current = streams[-1] if streams else None
        match rng.randrange(7):
            case 0:
                streams.append(stream := front.knock())
                await talk(stream, handshake(entry.token))
            case 1 | 2 | 3 if current:
                data = rng.randbytes(rng.choice((0, 3, 640)))
                answer = await talk(current, frame(BINARY, data))
                if f'"byte_range":[{acked},{acked + len(data)}]'.encode() in answer:
                    sent += data
                    acked += len(data)
            case 4 if current:
                what = rng.choice((m.STOP_RECORDING, "{"))
                await talk(current, frame(TEXT, what.encode()))
            case 5 if current:
                await (streams.pop().aclose() if rng.random() < 0.5 else talk(current, CLOSING))
            case 6:
                request = rng.choice(("GET", "DELETE", "PATCH")), rng.choice(("", "/file"))
                line = f"{request[0]} /v2/live/{entry.live.id}{request[1]} HTTP/1.1"
                stream = front.knock()
                answer = await talk(stream, f"{line}\r\nHost: sandbox\r\n\r\n".encode())
                assert not answer.startswith(b"HTTP/1.1 500"), answer
                await stream.aclose()
        if rng.random() < 0.2:
            await trio.sleep(rng.choice((0.01, 0.5, 6)))
    assert entry.live.store.received == acked
    assert entry.status != "error"
    if len(sent) > 4 and not entry.live.store.hidden and _kept(front, entry):
        assert b"".join(entry.live.store.wav())[44:] == sent
    for stream in streams:
        await stream.aclose()


CLOSING = frame(CLOSE, (1000).to_bytes(2))


def _kept(front: Door, entry: Entry) -> bool:
    return any(each is entry for each in front.box.newest_first())


Case = Callable[[Door, Random], Awaitable[None]]
KINDS: list[Case] = [http, wire, order]


# --------------------------------------------------------------------------- the whole


class Errors(logging.Handler):
    """What was logged as an error: each is something that nobody foresaw."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(record.getMessage())


@contextmanager
def no_errors() -> Iterator[Errors]:
    handler = Errors()
    logging.getLogger("replay").addHandler(handler)
    try:
        yield handler
    finally:
        logging.getLogger("replay").removeHandler(handler)


@asynccontextmanager
async def named(seed: int, number: list[int]) -> AsyncIterator[None]:
    """Whatever breaks inside is told with the case that broke it."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"seed {seed}, case {number[0]}: {error!r}") from error


async def fuzz(seed: int, first: int, last: int) -> None:
    """Cases `first` to `last`, exclusive, in one sandbox."""
    number = [first]
    async with (
        named(seed, number),
        sandbox(scripted(SPOKEN, repeat=EVERY), **PATIENT) as box,
        door(box) as front,
    ):
        await trio.testing.wait_all_tasks_blocked()  # what begins with a sandbox may end at once
        before = trio.lowlevel.current_statistics().tasks_living
        with no_errors() as errors:
            async with neighbour(front, 4.0):
                for number[0] in range(first, last):
                    rng = Random(f"{seed} {number[0]}")
                    await KINDS[number[0] % len(KINDS)](front, rng)
                    await trio.sleep(PAUSE)
                    assert errors.found == []
            await trio.sleep(60)  # whatever was left open is given up by then
            assert errors.found == []
        assert trio.lowlevel.current_statistics().tasks_living == before
        assert all(entry.status == "done" for entry in box.newest_first())


@pytest.mark.parametrize("first", range(0, CASES, BATCH))
async def test_fuzz(autojump_clock: trio.testing.MockClock, first: int) -> None:
    """No case makes an error that nobody foresaw, leaves something behind, or disturbs the
    session beside it."""
    await fuzz(SEED, first, first + BATCH)


async def test_fuzz_catches(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in what few cases reach is found, and the case is named."""

    def bug(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("replay.sandbox.live.LiveSession._take_stop", bug)
    with pytest.raises(AssertionError, match=rf"seed {SEED}, case \d+: "):
        await fuzz(SEED, 0, BATCH)
