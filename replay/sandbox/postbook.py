"""What is to be posted and what was, on record, so that it outlives the sandbox.

A file of JSON lines: a post that was put in, or the number up to which all are done. A post is on
record before it is sent, and done only once it was answered, so that after the death of the
sandbox it is posted at least once, and maybe twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from replay.errors import MachineError
from replay.sandbox.files import Appender, Boundless, Space

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """One post. `number`: counts from 0 in its session; `passing`: is it soon outdated?"""

    number: int
    body: bytes
    passing: bool = False


class _Line(Struct, omit_defaults=True):
    """A post, or how many from the first on are done."""

    body: Raw = Raw(b"null")
    key: str = ""
    passing: bool = False
    done: int = 0


class Postbook:
    """Attributes:
    owed: posts from before that are not done.
    known: the keys of all that was ever put in.
    """

    def __init__(self, path: Path | None = None, space: Space | None = None) -> None:
        """`path`: None keeps nothing; `space`: what its file may take, None for all there is.

        Raises:
            MachineError: the file cannot be used, or was damaged.
        """
        self.owed: Sequence[Written] = ()
        self.known: set[str] = set()
        self._count = 0
        self._complained = False
        self._file: Appender | None = None
        if path is not None:
            self._file = Appender(path, space or Boundless())
            self._file.drop_torn_line()
            self._recall(path)

    def _recall(self, path: Path) -> None:
        assert self._file is not None
        done = 0
        posts: list[Written] = []
        try:
            for text in self._file.read(0, self._file.size).splitlines():
                line = msgspec.json.decode(text, type=_Line)
                if line.done:
                    done = line.done
                    continue
                posts.append(Written(len(posts), bytes(line.body), line.passing))
                self.known.add(line.key)
        except msgspec.DecodeError as error:
            self._file.close()
            raise MachineError(f"{path} is damaged: {error}") from None
        self._count = len(posts)
        self.owed = posts[done:]

    def add(self, key: str, body: bytes, *, passing: bool) -> Written:
        """A post with its number, on record."""
        post = Written(self._count, body, passing)
        self._count += 1
        self.known.add(key)
        self._write(_Line(body=Raw(body), key=key, passing=passing))
        return post

    def done(self, number: int) -> None:
        """All posts up to this one, which counts from 0, were delivered or given up."""
        self._write(_Line(done=number + 1))

    def done_all(self) -> None:
        self._write(_Line(done=self._count))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, line: _Line) -> None:
        if self._file is None:
            return
        try:
            self._file.append(msgspec.json.encode(line) + b"\n")
        except MachineError as error:
            # It is posted all the same: this record is for a sandbox that dies.
            if not self._complained:
                _log.warning("a post may be lost or doubled if the sandbox dies: %s", error)
            self._complained = True
