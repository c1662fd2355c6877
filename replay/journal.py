"""The journal: what happened in one session, one JSON object a line, never rewritten.

Every figure and verdict is a fold over these entries. All times are whole nanoseconds of one
monotonic clock, counted from the journal's origin (`t` 0 is when the header was written); offsets
are bytes of session audio as the client counts them, unless an entry says otherwise. A reader
skips kinds it does not know, so that newer journals stay readable, and a line cut short by a
crash, which can only be the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from replay.lines import decode_lines as whole_lines

SCHEMA = 1


class Entry(Struct, kw_only=True, omit_defaults=True, tag_field="kind"):
    """Base of all entries. `t`: when, in ns from the journal's origin."""

    t: int


# ------------------------------------------------------------------ what was to be done


class SourceFacts(Struct, kw_only=True, omit_defaults=True):
    """`seconds`: of audio that will be played, None when unknown; `live`: its plan is arrival."""

    name: str
    seconds: float | None = None
    sha256: str | None = None
    live: bool = False
    codec: str = ""
    sample_rate: int = 0
    channels: int = 0


class FormatFacts(Struct, kw_only=True):
    """What the session's audio looks like. `encoding`: PCM, ALAW or ULAW."""

    encoding: str
    sample_rate: int
    bit_depth: int
    channels: int


class PlanFacts(Struct, kw_only=True):
    """`phase`: live, eager or arrival; `speed`: times real time, 0 for unpaced."""

    phase: Literal["live", "eager", "arrival"]
    chunk_ns: int
    speed: float


class TargetFacts(Struct, kw_only=True, omit_defaults=True):
    """`kind`: sandbox, gladia or url; `url` without secrets."""

    kind: str
    url: str
    region: str | None = None


class Header(Entry, tag="header"):
    """First line of every journal. `created_at`: wall clock at the origin, ISO 8601, UTC.

    `vantage`: who wrote it: the client, or a proxy between a client and its target. A proxy counts
    offsets as the audio came to it: what a client sends again counts again.
    """

    schema: int
    replay_version: str
    created_at: str
    name: str
    source: SourceFacts
    format: FormatFacts
    plan: PlanFacts
    target: TargetFacts
    config: dict[str, Any]
    clock: Literal["real", "virtual"] = "real"
    vantage: Literal["client", "proxy"] = "client"
    seed: int | None = None
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class ReferenceWord(Struct, array_like=True, gc=False):
    """`start` and `end`: seconds of session audio."""

    word: str
    start: float
    end: float
    channel: int = 0


class Reference(Entry, tag="reference"):
    """What is said in the source, from the files beside it. `words` is empty without times."""

    text: str
    words: list[ReferenceWord] = msgspec.field(default_factory=list)


class ControlFinal(Struct, array_like=True):
    """One utterance as it became final. `start` and `end`: seconds of session audio."""

    text: str
    start: float
    end: float
    channel: int = 0


class Control(Entry, tag="control"):
    """What an undisturbed run of the same source understood, to hold this run against."""

    name: str
    finals: list[ControlFinal]


# ------------------------------------------------------------------ the source and the pace


class Started(Entry, tag="started"):
    """The plan's zero: audio at offset x is spoken at `t` + x / (bytes per second × speed)."""


class Produced(Entry, tag="chunk", gc=False):
    """A chunk became available to the session at `t`; it was due at `due`."""

    due: int
    offset: int
    size: int


class SourceNote(Entry, tag="source"):
    """Something about the source: stalled, resumed, ended, broken, looped."""

    event: Literal["stalled", "resumed", "ended", "broken", "looped"]
    detail: str = ""
    offset: int = 0


# ------------------------------------------------------------------ the session


class Init(Entry, tag="init"):
    """One `POST /v2/live`, asked at `t`, answered at `done`. `status` 0: no answer.

    `retry_after`: seconds that a refusal asked to wait.
    """

    done: int
    attempt: int
    status: int = 0
    id: str = ""
    url: str = ""
    request_id: str = ""
    error: str = ""
    retry_after: float | None = None


class Connecting(Entry, tag="connecting"):
    """An attempt begins; attempts count from 1 since the last connection, connections from 1."""

    connection: int
    attempt: int


class ConnectRefused(Entry, tag="connect_failed"):
    connection: int
    attempt: int
    error: str
    status: int | None = None
    retry_after: float | None = None


class Backoff(Entry, tag="backoff"):
    """No attempt before `until`."""

    until: int
    attempt: int


class Connected(Entry, tag="connected"):
    """The websocket is open; audio goes on from `resume_at`. Steps: ns spent in each."""

    connection: int
    attempt: int
    resume_at: int
    tcp_ns: int = 0
    tls_ns: int = 0
    upgrade_ns: int = 0


class Frame(Entry, tag="frame", gc=False):
    """Audio handed to the socket at `t`; the call returned at `done`."""

    done: int
    connection: int
    offset: int
    size: int


class CaughtUp(Entry, tag="caught_up"):
    """After a reconnection: everything spoken so far has been sent again."""

    connection: int


class Lost(Entry, tag="lost"):
    """A connection is over. `code` is the close code, 1006 for none.

    `cause`: closed (the peer sent a close frame), wire (the socket failed), silence (no
    acknowledgement within the limit), ping (no pong), timeout (the end did not come), ended (we
    closed it ourselves).
    `unacked`: bytes sent and not acknowledged.
    """

    connection: int
    code: int
    cause: Literal["closed", "wire", "silence", "ping", "timeout", "ended"]
    reason: str = ""
    unacked: int = 0


class StopAsked(Entry, tag="stop_asked"):
    """The end of the audio: from here on `stop_recording` is owed until acknowledged."""


class StopSent(Entry, tag="stop"):
    done: int
    connection: int


class Ack(Entry, tag="ack", gc=False):
    """A positive acknowledgement of audio, `start` and `end` as the service counts.

    `upto`: the same end as the client counts, after the session's own bookkeeping.
    """

    connection: int
    start: int
    end: int
    upto: int
    created_at: str = ""


class Received(Entry, tag="message"):
    """Every other message, as it came; `text` holds what is not JSON."""

    connection: int
    body: Raw | UnsetType = UNSET
    text: str = ""


class CallbackReceived(Entry, tag="callback"):
    """A callback was posted to the run's receiver; `text` holds what is not JSON."""

    body: Raw | UnsetType = UNSET
    text: str = ""


class Ended(Entry, tag="ended"):
    """The session is over for the client.

    `outcome`: complete (the service finished it), recovered (finished after the connection was
    gone; the result was fetched), gave_up, refused, interrupted, timeout.
    """

    outcome: Literal["complete", "recovered", "gave_up", "refused", "interrupted", "timeout"]
    code: int = 0
    detail: str = ""


class Http(Entry, tag="http"):
    """Any other request. `path` without host; `status` 0: no answer."""

    done: int
    method: str
    path: str
    status: int = 0
    error: str = ""


class Result(Entry, tag="result"):
    """The job as `GET /v2/live/{id}` told it last."""

    body: Raw


class Sessions(Entry, tag="sessions"):
    """All sessions that a target of our own has, as its list tells them after the run."""

    ids: list[str]


class Recorded(Entry, tag="recorded"):
    """The service's recording was fetched: `size` bytes of audio behind the WAV header."""

    size: int
    sha256: str


# ------------------------------------------------------------------ the faults


class FaultPlanned(Entry, tag="fault_planned"):
    """A fault was asked for. `rule` counts from 0; `text` is its canonical text."""

    rule: int
    text: str


class FaultFired(Entry, tag="fault_fired"):
    """A fault was really done, at `t`; `until`: when it was over, for one that lasts.

    `step`: of the rule, from 0; `text`: the fault alone, `fault` the name of its kind.
    `direction`: up, down or both; "" where it has none. `at`: `faults.Coordinates` as a mapping.
    """

    rule: int
    text: str
    fault: str
    step: int = 0
    connection: int = 0
    direction: str = ""
    at: dict[str, int | float | str] = msgspec.field(default_factory=dict)
    until: int | None = None


# ------------------------------------------------------------------ the instrument itself


class Observation(Entry, tag="finding"):
    """Something that broke an expectation while it happened.

    `at`: where: offset (bytes), message (number), connection …
    """

    invariant: str
    severity: Literal["error", "warning", "info"]
    detail: str
    at: dict[str, int | float | str] = msgspec.field(default_factory=dict)


class Stall(Entry, tag="stall"):
    """One task held the event loop for `lasted` ns, until `t`."""

    lasted: int


class Resources(Entry, tag="resources"):
    """The player's own process. `cpu_ns`: user and system time since it started."""

    rss_bytes: int
    fds: int
    threads: int
    tasks: int
    cpu_ns: int


class Interrupted(Entry, tag="interrupted"):
    """The user asked to stop. `how`: gracefully or at once."""

    how: Literal["graceful", "immediate"]


class Closed(Entry, tag="end"):
    """Last line of a journal that was finished; without it the run was cut short."""

    error: str = ""


AnyEntry = (
    Header
    | Reference
    | Control
    | Started
    | Produced
    | SourceNote
    | Init
    | Connecting
    | ConnectRefused
    | Backoff
    | Connected
    | Frame
    | CaughtUp
    | Lost
    | StopAsked
    | StopSent
    | Ack
    | Received
    | CallbackReceived
    | Ended
    | Http
    | Result
    | Sessions
    | Recorded
    | FaultPlanned
    | FaultFired
    | Observation
    | Stall
    | Resources
    | Interrupted
    | Closed
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyEntry] = msgspec.json.Decoder(AnyEntry)
_KINDS = frozenset(str(kind.__struct_config__.tag) for kind in AnyEntry.__args__)


def encode(entry: Entry) -> bytes:
    """One line, with its newline."""
    return _encoder.encode(entry) + b"\n"


def encode_all(entries: Iterable[AnyEntry]) -> bytes:
    """All of them, a line each: a journal as its file has it."""
    return _encoder.encode_lines(entries)


def raw(text: str | bytes) -> Raw | None:
    """`text` as it can stand inside a line, or None when it is not JSON."""
    data = text.encode() if isinstance(text, str) else text
    try:
        data.decode()  # what is not UTF-8 is no JSON, and would pass as `Raw`
        if b"\n" in data or b"\r" in data:
            return Raw(msgspec.json.format(data, indent=-1))
        msgspec.json.decode(data, type=Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Raw(data)


def decode(line: bytes) -> AnyEntry | None:
    """One line as an entry, or None for a kind this version does not know.

    Raises:
        ValueError: the line is not an entry.
    """
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError as error:
        try:
            kind = msgspec.json.decode(line).get("kind")
        except (msgspec.DecodeError, AttributeError):
            raise ValueError(str(error)) from None
        if kind in _KINDS or not isinstance(kind, str):
            raise ValueError(str(error)) from None
        return None


def decode_lines(lines: Iterable[bytes]) -> Iterator[AnyEntry]:
    """The entries of a journal; a last line without its newline is a crash's, and is left out.

    Raises:
        ValueError: a line is broken; the message names its number.
    """
    for entry in whole_lines(lines, decode):
        if entry is not None:
            yield entry
