"""Documents as the bytes of their files: `summary.json` of a run, a comparison."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from replay.summary import Summary


def render(summary: Summary) -> bytes:
    """The summary of one run."""
    return document(summary)


def document(value: Struct) -> bytes:
    """Indented JSON with a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
