"""How many real-time sessions one core of the sandbox carries, and how late its acks become.

The sandbox runs as a process of its own, pinned to one core, with the scripted recogniser; this
process, on the other cores, plays all sessions in chunks of 100 ms, their phases spread evenly.
Latency counts from the moment at which a chunk was due by its plan to its acknowledgement, so this
process's own lateness is part of it; that is shown beside it. All sessions are connected before
the first begins, and end together. Frames are made in advance and
answers are only looked through, or this process would be the limit. Every session asks for
partials, finals, speech events and acknowledgements.

    python tests/bench/sandbox.py [--sessions 50,100,150] [--seconds 8] [--durable]
"""

from __future__ import annotations

import argparse
import os
import struct
import subprocess
import sys
import tempfile
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

import httpx
import msgspec
import psutil
import trio

from replay.sandbox.program import Ready
from replay.sandbox.recognizers.scripted import Script, ScriptWord

CHUNK_SECONDS = 0.1
CHUNK_BYTES = 3200
#: A binary frame of one chunk; with a mask of zeros the payload is the audio as it is.
FRAME = struct.pack(">BBHI", 0x82, 0x80 | 126, CHUNK_BYTES, 0) + bytes(CHUNK_BYTES)
STOP = b'{"type":"stop_recording"}'
STOP_FRAME = struct.pack(">BBI", 0x81, 0x80 | len(STOP), 0) + STOP
ACK = b'"type":"audio_chunk"'
BODY = {"messages_config": {"receive_partial_transcripts": True}, "endpointing": 0.3}
#: Speech at the usual rate: two and a half words a second, a pause after six.
SCRIPT = Script([ScriptWord(f"word{n}", n * 0.4, n * 0.4 + 0.35) for n in range(6)])


@dataclass
class Result:
    """Seconds, one entry a chunk: from due to ack, from due to send."""

    acks: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    others: int = 0


class Session:
    """One client, as cheap as can be."""

    def __init__(self, url: str, result: Result) -> None:
        self._parts = urlsplit(url)
        self._result = result
        self._due: deque[float] = deque()
        self._buffer = bytearray()

    async def connect(self) -> None:
        assert self._parts.hostname
        assert self._parts.port
        self._stream = await trio.open_tcp_stream(self._parts.hostname, self._parts.port)
        await self._stream.send_all(self._handshake())
        await self._stream.receive_some(1 << 16)

    async def play(self, start: float, chunks: int) -> None:
        stream = self._stream
        async with stream, trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, stream)
            for k in range(chunks):
                due = start + (k + 1) * CHUNK_SECONDS
                await trio.sleep_until(due)
                self._due.append(due)
                self._result.lateness.append(trio.current_time() - due)
                await stream.send_all(FRAME)
            await stream.send_all(STOP_FRAME)

    def _handshake(self) -> bytes:
        target, host = f"{self._parts.path}?{self._parts.query}", self._parts.netloc
        return (
            f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n"
        ).encode()

    async def _listen(self, stream: trio.SocketStream) -> None:
        while data := await stream.receive_some(1 << 16):
            now = trio.current_time()
            self._buffer += data
            while self._buffer and (payload := self._take()) is not None:
                if ACK in payload:
                    self._result.acks.append(now - self._due.popleft())
                else:
                    self._result.others += 1

    def _take(self) -> bytes | None:
        """The next frame's payload, when it is there whole."""
        if len(self._buffer) < 10 and len(self._buffer) < 2 + self._buffer[1] % 127:
            return None
        size, at = self._buffer[1], 2
        if size == 126:
            size, at = struct.unpack_from(">H", self._buffer, 2)[0], 4
        elif size == 127:
            size, at = struct.unpack_from(">Q", self._buffer, 2)[0], 10
        if len(self._buffer) < at + size:
            return None
        payload = bytes(self._buffer[at : at + size])
        del self._buffer[: at + size]
        return payload


async def load(url: str, count: int, seconds: float) -> Result:
    result = Result()
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        answers = [await client.post("/v2/live", json=BODY) for _ in range(count)]
    sessions = [Session(answer.json()["url"], result) for answer in answers]
    for session in sessions:
        await session.connect()
    start = trio.current_time() + 0.5
    async with trio.open_nursery() as nursery:
        for n, session in enumerate(sessions):
            phase = start + CHUNK_SECONDS * n / count
            nursery.start_soon(session.play, phase, round(seconds / CHUNK_SECONDS))
    return result


def measure(count: int, seconds: float, *, durable: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory) / "words.json"
        script.write_bytes(msgspec.json.encode(SCRIPT))
        options = ["--data", f"{directory}/data"] if durable else []
        command = [sys.executable, "-m", "replay", "sandbox", "--port", "0", "--repeat", "3"]
        process = subprocess.Popen(
            [*command, "--script", str(script), *options], stdout=subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            ready = msgspec.json.decode(process.stdout.readline(), type=Ready)
            sandbox = psutil.Process(process.pid)
            sandbox.cpu_affinity([0])
            memory, used = sandbox.memory_info().rss, sum(sandbox.cpu_times()[:2])
            result = trio.run(load, ready.url, count, seconds)
            used = sum(sandbox.cpu_times()[:2]) - used
            memory = sandbox.memory_info().rss - memory
        finally:
            process.terminate()
            process.wait()
    show(count, seconds, result, used, memory)


def show(count: int, seconds: float, result: Result, used: float, memory: int) -> None:
    cuts = quantiles(result.acks, n=100, method="inclusive")
    late = quantiles(result.lateness, n=100, method="inclusive")
    milliseconds = [1000 * x for x in (cuts[49], cuts[98], max(result.acks), late[98])]
    missing = round(seconds / CHUNK_SECONDS) * count - len(result.acks)
    print(
        f"{count:8}"
        + "".join(f"{x:9.2f}" for x in milliseconds)
        + f"{used / seconds * 100:8.0f}{used / (len(result.acks) or 1) * 1e6:12.0f}"
        + f"{memory / count / 1024:11.0f}{missing:9}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sessions", default="50,100,150", help="how many at once, in turn")
    parser.add_argument("--seconds", type=float, default=8.0, help="of audio in each session")
    parser.add_argument("--durable", action="store_true", help="with a directory that is kept")
    options = parser.parse_args()
    cores = psutil.Process().cpu_affinity()
    if len(cores) > 1:
        psutil.Process().cpu_affinity(cores[1:])
    print(f"{options.seconds:g} s of {CHUNK_SECONDS * 1000:g} ms chunks; latencies in ms")
    print(f"the sandbox on one core of {len(cores)}; load {os.getloadavg()[0]:.1f} at the start")
    print(
        f"{'sessions':>8}{'ack p50':>9}{'p99':>9}{'max':>9}{'own p99':>9}{'CPU %':>8}"
        f"{'µs a chunk':>12}{'KiB each':>11}{'missing':>9}"
    )
    for count in map(int, options.sessions.split(",")):
        measure(count, options.seconds, durable=options.durable)


if __name__ == "__main__":
    main()
