"""Writing small files so that a crash, or a full disk, leaves either all of a change or none.

What goes wrong comes out as the system says it, an OSError: who writes knows what to call it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO


def append(path: Path, lines: bytes, *, sync: bool = True) -> None:
    """Add lines to the end of a file, with `sync` on disk when this returns. A line that a crash
    has cut short there makes room, since nobody could read it or the next one.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("ab+") as file:
        _drop_cut_line(file)
        file.write(lines)
        if sync:
            file.flush()
            os.fsync(file.fileno())


def _drop_cut_line(file: BinaryIO) -> None:
    size = file.seek(0, os.SEEK_END)
    if not size:
        return
    file.seek(size - 1)
    if file.read(1) != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def replace(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Put a file in place of what is there, with `sync` on disk when this returns.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    partial = path.with_name(path.name + ".tmp")
    with partial.open("wb") as file:
        file.write(data)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    partial.replace(path)
