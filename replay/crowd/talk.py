"""What the owner of a crowd and its workers say to each other.

Instants are `time.monotonic()`, which all processes of a machine share.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from replay.capacity.records import Client, Failure
from replay.endurance.histogram import Encoded

# ------------------------------------------------------------------ to a worker


class Prepare(Struct, kw_only=True, tag=True):
    """The first thing that is asked. `key` is of the API; `audio`: a file of session audio to play
    again and again, or "" for silence; `cores`: that it may use, empty for all."""

    url: str
    key: str | None
    region: str | None
    config: dict[str, Any]
    chunk_ns: int
    audio: str
    cores: list[int]


class Open(Struct, kw_only=True, tag=True):
    """Begin these sessions, the first at `at` and each further one `gap` seconds later, whether or
    not the ones before it are open."""

    numbers: list[int]
    at: float
    gap: float


class Halt(Struct, kw_only=True, tag=True):
    """Begin no more of them."""


class Count(Struct, kw_only=True, tag=True):
    """Count what is due from `begin` to `end`, and tell when all of that is acknowledged, at the
    latest at `tell`."""

    begin: float
    end: float
    tell: float


class Clear(Struct, kw_only=True, tag=True):
    """End all sessions, one every `gap` seconds."""

    gap: float


Ask = Prepare | Open | Halt | Count | Clear

# ------------------------------------------------------------------ from a worker


class Opened(Struct, kw_only=True, tag=True):
    """All sessions of an `Open` are open, or will never be. `client`: what that took, and how many
    there are now; `let_in`: those too that the target had let in when another one was refused, and
    that left for it."""

    client: Client
    let_in: int


class Failed(Struct, kw_only=True, tag=True):
    """A session ended that should not have, or never began."""

    failure: Failure


class Counted(Struct, kw_only=True, tag=True):
    """What a `Count` came to."""

    client: Client
    figures: dict[str, Encoded]


class Cleared(Struct, kw_only=True, tag=True):
    """No session is left."""


Say = Opened | Failed | Counted | Cleared
