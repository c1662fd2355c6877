"""A grid as the bytes of `grid.json`."""

from __future__ import annotations

import msgspec

from replay.grid.results import Grid


def render(grid: Grid) -> bytes:
    """Indented JSON with a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(grid), indent=2) + b"\n"
