"""Directories that go away with their sandbox, or with the next one where it was killed.

Each holds a file that its owner keeps locked. The lock goes with the process, however that ends,
so a directory whose lock can be taken belongs to nobody.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from replay.errors import MachineError

_PREFIX = "replay-sandbox-"
_LOCK = "owner.lock"


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A directory for as long as the block; those that killed processes left are removed first.

    Raises:
        MachineError: there is no place for it.
    """
    sweep()
    try:
        made = tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
    except OSError as error:
        raise MachineError(
            f"cannot make a temporary directory: {error.strerror or error}; name another in TMPDIR"
        ) from None
    with made as name, _locked(Path(name)):
        yield Path(name)


@contextmanager
def open_directory(data: Path | None) -> Iterator[Path]:
    """`data`, made where it is not there; one that goes away for None.

    Raises:
        MachineError: it cannot be used.
    """
    if data is None:
        with scratch_directory() as made:
            yield made
        return
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(f"cannot use {data}: {error.strerror or error}") from None
    yield data


def sweep() -> None:
    """Remove this user's directories whose owner is gone."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Whatever cannot be looked at or locked is somebody else's, or gone already.
        with suppress(OSError):
            if _is_mine(directory):
                _remove_if_left(directory)


def _is_mine(directory: Path) -> bool:
    status = directory.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _remove_if_left(directory: Path) -> None:
    lock = os.open(directory / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory, ignore_errors=True)
    finally:
        os.close(lock)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the lock on `directory`. Under its name the file is never seen unlocked."""
    lock, name = tempfile.mkstemp(dir=directory)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.rename(name, directory / _LOCK)
        yield
    finally:
        os.close(lock)
