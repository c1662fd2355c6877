"""A pipe as a file object that can be let go of while nothing comes."""

from __future__ import annotations

import os
import select
import sys
import threading

from replay.errors import SourceError
from replay.source.bridge import Stopped
from replay.source.location import STDIN, Place


class Pipe:
    """What PyAV reads from; `read` returns what is there, at least one byte before the end.

    Raises:
        SourceError: standard input is a terminal, or the pipe cannot be opened.
    """

    def __init__(self, place: Place, timeout: float) -> None:
        self.name = place.name
        self._timeout = timeout
        self._own = place.target != STDIN
        self._fd = self._open(place)
        self._woken, self._wake = os.pipe()
        self._lock = threading.Lock()
        self._released = False

    def _open(self, place: Place) -> int:
        if self._own:
            try:  # not blocking, or opening a FIFO would wait for its writer beyond any control
                return os.open(place.target, os.O_RDONLY | os.O_NONBLOCK)
            except OSError as error:
                raise SourceError(f"{place.target}: {(error.strerror or '').lower()}") from None
        if sys.__stdin__ is None or sys.__stdin__.closed:
            raise SourceError("standard input is closed; pipe a recording into it")
        if sys.__stdin__.isatty():
            raise SourceError("standard input is a terminal; pipe a recording into it")
        return sys.__stdin__.fileno()

    def read(self, size: int) -> bytes:
        """Raises Stopped when let go of, TimeoutError when nothing came in time."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        ready = dict(poll.poll(self._timeout * 1000))
        if self._woken in ready:
            raise Stopped
        if not ready:
            raise TimeoutError
        return os.read(self._fd, size)

    def stop(self) -> None:
        """From another thread: the read that waits, and every later one, raises Stopped."""
        with self._lock:
            if not self._released:
                os.write(self._wake, b".")

    def release(self) -> None:
        """Not called `close`, which PyAV would call on its own account."""
        with self._lock:
            self._released = True
            for fd in (self._woken, self._wake, *((self._fd,) if self._own else ())):
                os.close(fd)
