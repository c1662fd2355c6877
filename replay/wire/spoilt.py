"""Messages that break the protocol on purpose, made from ones that do not."""

from __future__ import annotations

import msgspec

from replay.wire.limits import FRAME_BYTES

_NO_TYPE = "replay_no_such_type"


def broken_json(message: bytes) -> bytes:
    """The message without its end."""
    return message[: len(message) // 2]


def no_utf8(message: bytes) -> bytes:
    """The message with bytes that occur in no UTF-8 text."""
    return message + b"\xff\xfe"


def unknown_type(message: bytes) -> bytes:
    """The message with a type that nobody knows; what is no JSON object comes out as one."""
    try:
        value = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = None
    fields = value if isinstance(value, dict) else {}
    return msgspec.json.encode({**fields, "type": _NO_TYPE})


def oversize() -> bytes:
    """A message twice as large as any frame of this protocol may be."""
    return msgspec.json.encode({"type": _NO_TYPE, "data": "x" * (2 * FRAME_BYTES)})
