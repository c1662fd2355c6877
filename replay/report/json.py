"""The summary as the bytes of `summary.json`."""

from __future__ import annotations

import msgspec

from replay.summary import Summary


def render(summary: Summary) -> bytes:
    """Indented JSON with a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n"
