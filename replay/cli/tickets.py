"""The file in which an opened session travels from one machine to another."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from replay.client import Ticket
from replay.errors import UsageError
from replay.recorder import cannot_write


class TicketFile(msgspec.Struct, kw_only=True):
    """`url` holds the session's token: whoever has the file can use the session."""

    id: str
    url: str
    config: dict[str, Any] = msgspec.field(default_factory=dict)


def write_ticket(path: Path, ticket: TicketFile) -> None:
    """Write `ticket` readable by its owner alone.

    Raises:
        MachineError: it cannot be written.
    """
    try:
        with open_private(path) as file:
            file.write(msgspec.json.encode(ticket) + b"\n")
    except OSError as error:
        raise cannot_write(path, error) from None


def open_private(path: Path) -> BinaryIO:
    """`path`, empty, for writing by its owner and for reading by nobody else; also if it existed.

    Raises:
        MachineError: it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.fchmod(descriptor, 0o600)
    except OSError as error:
        raise cannot_write(path, error) from None
    return os.fdopen(descriptor, "wb")


def read_ticket(path: Path) -> tuple[Ticket, dict[str, Any]]:
    """The session in `path`, and the configuration it was opened with.

    Raises:
        UsageError: there is none.
    """
    try:
        file = msgspec.json.decode(path.read_bytes(), type=TicketFile)
    except OSError as error:
        raise UsageError(f"session {path}: {(error.strerror or str(error)).lower()}") from None
    except msgspec.DecodeError:
        raise UsageError(f"session {path}: not what `replay init --out` writes") from None
    return Ticket(file.id, file.url), file.config
