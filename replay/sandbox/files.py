"""Files of a session's records, and how much room they may take."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from replay.errors import DiskFull, MachineError, means_full

_BLOCK = 1 << 18
#: What is being removed has it behind its name, so that no half of it is taken for a session.
GONE = ".gone"


class Space(Protocol):
    """What the records of one session take of the room for all."""

    def take(self, size: int) -> None:
        """Have so many bytes more.

        Raises:
            DiskFull: there is no room for them.
        """
        ...

    def count(self, size: int) -> None:
        """So many are taken already, or are given back where negative."""
        ...

    def release(self) -> None:
        """Give everything back."""
        ...


class Boundless:
    """As much as the disk has."""

    def take(self, size: int) -> None: ...

    def count(self, size: int) -> None: ...

    def release(self) -> None: ...


class Appender:
    """A file that only grows, written at once and readable anywhere."""

    def __init__(self, path: Path, space: Space) -> None:
        self._path = path
        self._space = space
        self._fd = _open(path, os.O_APPEND)
        self.size = os.fstat(self._fd).st_size
        space.count(self.size)

    def append(self, data: bytes) -> None:
        """All of `data`, or nothing.

        Raises:
            DiskFull: there is no room for it.
            MachineError: it could not be written for another reason.
        """
        self._space.take(len(data))
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            self._space.count(-len(data))
            self.truncate(self.size)
            raise trouble(self._path, error) from None
        self.size += len(data)

    def truncate(self, size: int) -> None:
        """Forget everything from `size` on; making a file shorter needs no room."""
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            raise trouble(self._path, error) from None
        self._space.count(size - self.size)
        self.size = size

    def drop_torn_line(self) -> None:
        """Forget a last line that was cut short together with its writer."""
        at = self.size
        while at:
            start = max(0, at - _BLOCK)
            newline = self.read(start, at - start).rfind(b"\n")
            if newline >= 0:
                at = start + newline + 1
                break
            at = start
        self.truncate(at)

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self._fd, size, offset)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Counter:
    """A number in a file, always written whole. Its room is taken at once, so that counting on
    needs none."""

    _WIDTH = 8

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = _open(path, 0)
        stored = os.pread(self._fd, self._WIDTH, 0)
        self.value = int.from_bytes(stored, "little")
        if len(stored) < self._WIDTH:
            try:
                self._write()
            except MachineError:
                self.close()
                raise

    def add(self) -> None:
        self.value += 1
        self._write()

    def _write(self) -> None:
        try:
            os.pwrite(self._fd, self.value.to_bytes(self._WIDTH, "little"), 0)
        except OSError as error:
            raise trouble(self._path, error) from None

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | flags, 0o600)
    except OSError as error:
        raise trouble(path, error) from None


def remove(directory: Path) -> None:
    """Remove a session's records, all of them or as far as possible; that needs no room."""
    gone = directory.with_name(directory.name + GONE)
    with suppress(OSError):
        directory.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def trouble(path: Path, error: OSError) -> MachineError:
    """What to say when `path` cannot be written."""
    text = f"cannot write {path}: {error.strerror or error}"
    if means_full(error):
        return DiskFull(f"{text}: make room, or use another --data DIR")
    return MachineError(text)
