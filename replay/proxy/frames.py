"""Websocket frames as they pass by (RFC 6455, section 5), read without taking part.

One `FrameReader` watches one direction of one connection: bytes in, whole frames out, each with the
very bytes it came as. Nothing is answered, checked or changed. What cannot be followed (a frame too
large to be held, bits of an extension) passes as it comes from there on.
"""

from __future__ import annotations

import struct

from msgspec import Struct

from replay.wire.plain import BINARY, TEXT, frame, unmask

CONTINUATION, CLOSE = 0x0, 0x8
#: Stands for the opcode of bytes that are not understood.
OPAQUE = -1
#: A frame that announces more is not held back until it is whole.
LARGEST = 16 << 20
_NO_CODE = 1005


class Frame(Struct, frozen=True):
    """One frame. `raw`: as it came, header included; `payload`: unmasked."""

    raw: bytes
    opcode: int
    final: bool
    payload: bytes

    @property
    def control(self) -> bool:
        return self.opcode >= CLOSE


class Message(Struct, frozen=True):
    """A data message: its fragments joined. `alone`: it came as one frame."""

    data: str | bytes
    alone: bool


class FrameReader:
    """Cuts one direction's bytes into frames, and its frames into messages.

    Attributes:
        opaque: it has lost its way, and passes on what comes.
    """

    def __init__(self) -> None:
        self.opaque = False
        self._buffer = bytearray()
        self._parts: list[Frame] = []

    def feed(self, data: bytes | bytearray) -> list[Frame]:
        """The frames that are complete with `data`."""
        self._buffer += data
        frames: list[Frame] = []
        while not self.opaque and (frame := self._next()) is not None:
            frames.append(frame)
        if self.opaque and self._buffer:
            frames.append(Frame(self.rest(), OPAQUE, True, b""))
        return frames

    def rest(self) -> bytes:
        """Takes out what is there of a frame that is not complete."""
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def message(self, frame: Frame) -> Message | None:
        """The message that ends with this frame, if one does."""
        if frame.opcode not in (CONTINUATION, TEXT, BINARY):
            return None
        self._parts.append(frame)
        if not frame.final:
            return None
        parts, self._parts = self._parts, []
        data = b"".join(part.payload for part in parts)
        alone = len(parts) == 1
        if parts[0].opcode == BINARY:
            return Message(data, alone)
        return Message(data.decode("utf-8", "replace"), alone)

    def _next(self) -> Frame | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        masked, length, at = buffer[1] & 0x80, buffer[1] & 0x7F, 2
        if length >= 126:
            at = 4 if length == 126 else 10
            if len(buffer) < at:
                return None
            length = int.from_bytes(buffer[2:at], "big")
        if length > LARGEST or buffer[0] & 0x70:
            self.opaque = True
            return None
        start = at + 4 if masked else at
        if len(buffer) < start + length:
            return None
        raw = bytes(buffer[: start + length])
        del buffer[: start + length]
        payload = unmask(raw[start:], raw[at:start]) if masked else raw[start:]
        return Frame(raw, raw[0] & 0x0F, bool(raw[0] & 0x80), payload)


def text_frame(payload: bytes) -> bytes:
    """A text message in one frame, as a server sends it."""
    return frame(TEXT, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """A server's close frame; also with codes that nobody may send. 1005: an empty one."""
    if code == _NO_CODE:
        return frame(CLOSE, b"")
    return frame(CLOSE, struct.pack(">H", code) + reason.encode())
