"""`replay` on a machine that may be busy.

How late such a machine makes our own client is measured, and rightly changes a verdict and an exit
code. Tests that are about something else run this instead: the same command, which bears it all.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from replay.cli import main

#: How it is run as a process.
REPLAY = [sys.executable, str(Path(__file__))]


def bear_all(patch: pytest.MonkeyPatch) -> None:
    """No lateness of our own is too much."""
    patch.setattr("replay.validity._FLOOR_MS", 1e9)
    patch.setattr("replay.validity._STALLED_SHARE", 1e9)
    patch.setattr("replay.capacity.judge._strained", lambda *_: [])


if __name__ == "__main__":
    bear_all(pytest.MonkeyPatch())
    main()
