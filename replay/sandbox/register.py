"""What is known of each session beside its audio and its words, kept in a small database.

SQLite in WAL mode: a committed row survives the death of the process. The database is locked for
as long as it is open, because two sandboxes on one directory would write into the same sessions.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from replay.errors import DiskFull, MachineError
from replay.wire.config import SessionConfig
from replay.wire.messages import ResultMetadata

_FILE = "sessions.sqlite"
_TABLE = "CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, row BLOB NOT NULL)"


class Row(Struct, kw_only=True):
    """One session.

    Attributes:
        created: ISO 8601, as the protocol writes it.
        stage: the name of a `Stage`.
        first_seen: POSIX time of the first connection, or None.
        deserted: the client said that it will not come back.
        failure: why the session broke down, or None.
        ended_at: when it concluded or broke down, as the protocol writes it.
        result: what it came to, without its text.
        post_metadata: what was added by request.
    """

    id: str
    token: str
    created: str
    config: SessionConfig
    stage: str = "WAITING"
    first_seen: float | None = None
    deserted: bool = False
    failure: str | None = None
    ended_at: str | None = None
    result: ResultMetadata | None = None
    post_metadata: dict[str, Any] = msgspec.field(default_factory=dict)


class Register(Protocol):
    """Where rows are kept."""

    durable: bool

    def save(self, row: Row) -> None:
        """Write `row`, over the one of the same id if there is one.

        Raises:
            MachineError: it could not be written.
        """
        ...

    def rows(self) -> Iterator[Row]:
        """All of them, the oldest first."""
        ...

    def delete(self, session_id: str) -> None: ...

    def close(self) -> None: ...


class NoRegister:
    """For sessions that end with the sandbox."""

    durable = False

    def save(self, row: Row) -> None: ...

    def rows(self) -> Iterator[Row]:
        return iter(())

    def delete(self, session_id: str) -> None: ...

    def close(self) -> None: ...


class SqliteRegister:
    """Rows in a database file in `directory`.

    Raises:
        MachineError: it cannot be opened, or another sandbox has it open.
    """

    durable = True

    def __init__(self, directory: Path) -> None:
        self._path = directory / _FILE
        self._decoder = msgspec.json.Decoder(Row)
        try:
            self._database = sqlite3.connect(self._path, isolation_level=None, timeout=0)
        except sqlite3.Error as error:
            raise self._trouble(error) from None
        try:
            # Exclusive before WAL, or SQLite would put shared memory beside the database.
            self._database.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute("BEGIN EXCLUSIVE")
            self._database.execute(_TABLE)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            self._database.close()
            raise self._trouble(error) from None

    def save(self, row: Row) -> None:
        self._execute(
            "INSERT INTO sessions VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET row = excluded.row",
            row.id,
            msgspec.json.encode(row),
        )

    def rows(self) -> Iterator[Row]:
        try:
            found = self._database.execute("SELECT row FROM sessions ORDER BY rowid")
            return iter([self._decoder.decode(data) for (data,) in found])
        except sqlite3.Error as error:
            raise self._trouble(error) from None
        except msgspec.DecodeError as error:
            raise MachineError(f"{self._path} was not written by this version: {error}") from None

    def delete(self, session_id: str) -> None:
        self._execute("DELETE FROM sessions WHERE id = ?", session_id)

    def close(self) -> None:
        self._database.close()

    def _execute(self, statement: str, *values: object) -> None:
        try:
            self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise self._trouble(error) from None

    def _trouble(self, error: sqlite3.Error) -> MachineError:
        if "locked" in str(error):
            return MachineError(
                f"{self._path.parent} is in use by another sandbox: name another --data DIR"
            )
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return DiskFull(f"cannot use {self._path}: {error}: make room")
        return MachineError(f"cannot use {self._path}: {error}")


@contextmanager
def open_register(directory: Path, *, durable: bool) -> Iterator[Register]:
    """A register for as long as the block; one that keeps nothing unless it is `durable`.

    Raises:
        MachineError: it cannot be used.
    """
    register = SqliteRegister(directory) if durable else NoRegister()
    try:
        yield register
    finally:
        register.close()
