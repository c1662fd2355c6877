"""The cheapest service that speaks the protocol: it acknowledges, and says a sentence now and then.

It only counts what it is sent, so that a client beside it is the limit and not it. Every audio
frame is stamped as it comes in, on the machine's monotonic clock; `GET /arrivals/{id}` gives a
session's stamps, and how much had come by then. One process, plain asyncio. Prints its URL, then
serves until its input ends.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import struct
import sys
import threading
import time
from array import array

PARTIAL_EVERY = 5  # chunks
BYTES_PER_SECOND = 32000
TIME = "2026-11-22T09:00:00.000Z"
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
UTTERANCE = {
    "start": 0.0,
    "end": 2.4,
    "confidence": 0.93,
    "channel": 0,
    "words": [
        {"word": f" word{n}", "start": n * 0.4, "end": n * 0.4 + 0.35, "confidence": 0.95}
        for n in range(6)
    ],
    "text": " word0 word1 word2 word3 word4 word5",
    "language": "en",
}
RESULT = {
    "metadata": {
        "audio_duration": 1.0,
        "number_of_distinct_channels": 1,
        "billing_time": 1.0,
        "transcription_time": 1.0,
    },
    "transcription": {"full_transcript": "", "languages": [], "utterances": []},
}


def frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    return struct.pack(">BBH", 0x80 | opcode, 126, size) + payload


class Session:
    """What is kept of one: how much came, and when."""

    def __init__(self, number: int) -> None:
        self.id = f"00000000-0000-4000-8000-{number:012d}"
        self.count = 0
        #: Of the chunks so far, counted from anywhere: not all sessions hear a sentence at once.
        self.chunks = number
        self.arrivals, self.counts = array("q"), array("q")

    def message(self, kind: str, **fields: object) -> bytes:
        known = {"session_id": self.id, "created_at": TIME, "type": kind}
        return frame(TEXT, json.dumps({**known, **fields}, separators=(",", ":")).encode())

    def partial(self) -> bytes:
        data = {"id": "00_00000000", "is_final": False, "utterance": UTTERANCE}
        return self.message("transcript", data=data)

    def ack(self, size: int) -> bytes:
        start, self.count = self.count, self.count + size
        seconds = f"[{start / BYTES_PER_SECOND},{self.count / BYTES_PER_SECOND}]"
        text = (
            f'{{"session_id":"{self.id}","created_at":"{TIME}","type":"audio_chunk",'
            '"acknowledged":true,"error":null,'
            f'"data":{{"byte_range":[{start},{self.count}],"time_range":{seconds}}}}}'
        )
        return frame(TEXT, text.encode())

    def farewell(self) -> bytes:
        """Everything from the stop's acknowledgement to the close frame."""
        left = {"recording_duration": self.count / BYTES_PER_SECOND, "recording_left_to_process": 0}
        return b"".join(
            (
                self.message("stop_recording", acknowledged=True, error=None, data=left),
                self.message("post_final_transcript", data=RESULT),
                frame(CLOSE, struct.pack(">H", 1000)),
            )
        )


class Peer(asyncio.Protocol):
    """One connection: requests, and after an upgrade frames."""

    sessions: dict[str, Session] = {}  # noqa: RUF012 - one server a process
    port = 0

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._session: Session | None = None
        self._partial = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        self._buffer += data
        if self._session is None:
            self._requests()
        else:
            self._frames(now, self._session)

    def _requests(self) -> None:
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            lines = self._buffer[:end].decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:])
            size = end + 4 + int(headers.get("content-length", 0))
            if len(self._buffer) < size:
                return
            method, path, _ = lines[0].split(" ")
            del self._buffer[:size]
            if "upgrade" in headers:
                key = next(line for line in lines if line.lower().startswith("sec-websocket-key"))
                self._upgrade(path, key.split(": ", 1)[1])
                return
            self._answer(method, path)

    def _answer(self, method: str, path: str) -> None:
        status, body = 200, {}
        if method == "POST":
            session = Session(len(self.sessions))
            self.sessions[session.id] = session
            url = f"ws://127.0.0.1:{self.port}/v2/live?token={session.id}"
            status, body = 201, {"id": session.id, "created_at": TIME, "url": url}
        elif path.startswith("/arrivals/"):
            session = self.sessions[path.rpartition("/")[2]]
            body = {"arrivals": list(session.arrivals), "counts": list(session.counts)}
        else:
            known = {"id": path.rpartition("/")[2], "request_id": "G-00000000", "version": 2}
            body = {**known, "status": "done", "created_at": TIME, "result": RESULT}
        text = json.dumps(body)
        self._transport.write(
            f"HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\n"
            f"content-length: {len(text)}\r\n\r\n{text}".encode()
        )

    def _upgrade(self, path: str, key: str) -> None:
        self._session = self.sessions[path.rpartition("=")[2]]
        self._partial = self._session.partial()
        digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )

    def _frames(self, now: int, session: Session) -> None:
        buffer, at, out = self._buffer, 0, []
        while len(buffer) - at >= 6:
            size, head = buffer[at + 1] & 0x7F, 6
            if size == 126:
                size, head = int.from_bytes(buffer[at + 2 : at + 4], "big"), 8
            elif size == 127:
                size, head = int.from_bytes(buffer[at + 2 : at + 10], "big"), 14
            if len(buffer) - at < head + size:
                break
            opcode = buffer[at] & 0x0F
            if opcode == BINARY:
                session.chunks += 1
                out.append(session.ack(size))
                session.arrivals.append(now)
                session.counts.append(session.count)
                if session.chunks % PARTIAL_EVERY == 0:
                    out.append(self._partial)
            elif opcode == TEXT:
                out.append(session.farewell())
            elif opcode == PING:
                key, data = buffer[at + head - 4 : at + head], buffer[at + head : at + head + size]
                out.append(frame(PONG, bytes(b ^ key[n % 4] for n, b in enumerate(data))))
            elif opcode == CLOSE:
                self._transport.close()
            at += head + size
        del buffer[:at]
        if out:
            self._transport.write(b"".join(out))


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Peer, "127.0.0.1", 0, backlog=1000)
    Peer.port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{Peer.port}", flush=True)
    ended = asyncio.Event()

    def watch() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=watch, daemon=True).start()
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())
