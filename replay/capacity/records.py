"""What a search for a capacity writes down: one line of `capacity.jsonl` each, never rewritten."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec
from msgspec import Struct

from replay.benchmark import Machine
from replay.endurance.histogram import Encoded
from replay.lines import decode_lines as whole_lines

SCHEMA = 1

#: What ended a session that was not asked to end. `refused`: the target answered with an HTTP
#: status; `machine`: this machine had no more of something; the others speak for themselves.
Cause = Literal["refused", "unreachable", "closed", "silent", "audio", "machine"]


class Cores(Struct, kw_only=True, omit_defaults=True):
    """Which cores of this machine the client's processes may use, and which the target; `target`
    is empty for one that is elsewhere. `shared`: the two could not be told apart."""

    client: list[int]
    target: list[int] = []
    shared: bool = False


class Asked(Struct, kw_only=True, tag_field="kind", tag="asked"):
    """The first line. `slo`: conditions on the figures of a step. `step`: how finely the answer is
    wanted: sessions, or below 1 a share of them. `most`: never more sessions than this.
    `processes`: of the client. `target`: without secrets; `sandbox`: its options."""

    schema: int = SCHEMA
    replay_version: str
    created_at: str
    target: str
    sandbox: list[str] = []
    source: str
    slo: list[str]
    chunk_ms: float
    hold_s: float
    start: int
    step: float
    most: int | None = None
    at_least: int | None = None
    processes: int
    cores: Cores
    machine: Machine


class Failure(Struct, kw_only=True, omit_defaults=True):
    """A session that ended without being asked to. `status`: of HTTP, or the close code."""

    session: int
    cause: Cause
    status: int = 0
    detail: str = ""


class Client(Struct, kw_only=True):
    """One of the client's own processes while a step counted, or while its sessions were opened
    where not all could be.

    Attributes:
        seconds: that counted; `cpu_s`: seconds of a core that it took of them.
        stalls: steps of a task that held the loop for 20 ms or longer; `stalled_ms`: in all.
        lateness: from a chunk's due time to its being handed over.
        missing: chunks that were due and never handed over.
        rss_bytes: of memory.
    """

    sessions: int
    seconds: float
    cpu_s: float
    stalls: int
    stalled_ms: float
    lateness: Encoded
    missing: int
    rss_bytes: int


class Measured(Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="step"):
    """One step: so many sessions, held for a while.

    Attributes:
        at_s: since the search began, when it counted from.
        opened: how many sessions the target had opened.
        figures: by the names of the catalogue.
        failures: at most twenty; `failed`: how many there were.
        target_cpu_s: seconds of a core that a sandbox of our own took.
    """

    sessions: int
    at_s: float
    opened: int
    figures: dict[str, Encoded]
    clients: list[Client]
    failures: list[Failure] = []
    failed: int = 0
    target_cpu_s: float | None = None


class Interrupted(Struct, kw_only=True, tag_field="kind", tag="interrupted"):
    """The user ended the search; what is known by then is told."""

    at_s: float


Record = Asked | Measured | Interrupted

_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """One line, with its newline."""
    return msgspec.json.encode(record) + b"\n"


def decode_lines(lines: Iterable[bytes]) -> Iterator[Record]:
    """The records of a file; a last line without its newline is a crash's, and is left out.

    Raises:
        ValueError: a line is broken; the message names its number.
    """
    yield from whole_lines(lines, _decoder.decode)
