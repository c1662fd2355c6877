"""The first request on a connection: read, told apart, and sent on."""

from __future__ import annotations

import base64
import hashlib
import http
import math
from dataclasses import dataclass
from urllib.parse import urlsplit

import trio

from replay.proxy.pump import GONE

_LARGEST_HEAD = 1 << 16
#: RFC 6455, section 1.3.
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(frozen=True, slots=True)
class Head:
    """A request's head. `raw`: as it came, up to its empty line; `rest`: what came after that."""

    raw: bytes
    rest: bytes

    @property
    def target(self) -> str:
        """What is asked for: path and query."""
        parts = self.raw.split(b"\r\n", 1)[0].split(b" ")
        return parts[1].decode("latin-1") if len(parts) == 3 else ""

    @property
    def asks_for_websocket(self) -> bool:
        return self.get(b"upgrade").lower() == b"websocket"

    def get(self, wanted: bytes) -> bytes:
        """The value of a header, empty when it is not there; the name in small letters."""
        for line in self.raw.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.strip().lower() == wanted:
                return value.strip()
        return b""

    def for_target(self, url: str) -> bytes:
        """The request as it goes to the target at `url`.

        `Sec-WebSocket-Extensions` is left out: with compression agreed upon, nobody in between
        could read what passes.
        """
        first, *lines = self.raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
        kept = [first]
        for line in lines:
            name = line.partition(b":")[0].strip().lower()
            if name == b"host":
                kept.append(b"Host: " + urlsplit(url).netloc.rpartition("@")[2].encode())
            elif name != b"sec-websocket-extensions":
                kept.append(line)
        return b"\r\n".join(kept) + b"\r\n\r\n"


async def read_head(stream: trio.abc.Stream) -> Head | None:
    """The first request's head; None when the connection ends before, or never comes to one."""
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            if len(data) > _LARGEST_HEAD:
                return None
            more = bytes(await stream.receive_some(1 << 16))
            if not more:
                return None
            data += more
    except GONE:
        return None
    raw, _, rest = data.partition(b"\r\n\r\n")
    return Head(raw + b"\r\n\r\n", rest)


def accept(head: Head) -> bytes:
    """The answer that agrees to a websocket."""
    digest = hashlib.sha1(head.get(b"sec-websocket-key") + _MAGIC, usedforsecurity=False).digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


def error_answer(status: int, retry_after: float | None = None, said: str = "") -> bytes:
    """An HTTP error in place of a websocket, and the end of the connection. `said`: why."""
    body = f"{said}\n".encode() if said else b""
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {status} {phrase}", f"Content-Length: {len(body)}", "Connection: close"]
    if body:
        lines.append("Content-Type: text/plain; charset=utf-8")
    if retry_after is not None:
        lines.append(f"Retry-After: {math.ceil(retry_after)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
