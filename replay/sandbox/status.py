"""A sandbox as somebody sees it who looks on: values, for `page` to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from replay import __version__
from replay.audio import AudioFormat, Encoding
from replay.sandbox.hub import Sandbox
from replay.sandbox.jobs import Entry
from replay.sandbox.standing import Stage
from replay.sandbox.tail import Line, clipped
from replay.sandbox.troubles import Trouble, without_secrets

#: Sessions that are shown at most, live ones before those that have ended.
SHOWN = 50
_LONGEST = 160
_STATES = {
    Stage.WAITING: "waiting for its client",
    Stage.OPEN: "taking in audio",
    Stage.STOPPED: "stopped, hearing the rest",
    Stage.CONCLUDED: "done, handing over the result",
    Stage.OVER: "ended",
}
_LAWS = {Encoding.ALAW: "A-law", Encoding.ULAW: "µ-law"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatus:
    """One session; times in seconds.

    Attributes:
        state: in words.
        failure: why it broke down; "" when it did not.
        audio: the form of its audio, in words.
        seconds: audio recorded.
        behind: audio that was recorded and not heard yet.
        age: since it was opened.
        metadata: the client's own, as JSON, shortened; "" for none.
        finals, partials: the last of what was understood.
    """

    id: str
    state: str
    failure: str
    connected: bool
    audio: str
    seconds: float
    behind: float
    age: float
    metadata: str
    finals: Sequence[Line]
    partials: Sequence[Line]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """How many sessions are live, have a client at this moment, have ended, broke down; how many
    seconds of audio all of them recorded, and wait for recognition where most do."""

    live: int
    connected: int
    ended: int
    failed: int
    seconds: float
    behind: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Attributes:
    began: when the sandbox was opened; `up`, seconds since.
    live, ended: sessions, the newest first, not necessarily all of them.
    troubles: the last warnings and errors of the log, the newest first, of `troubles_count`.
    guarded: a key is asked for and was not given: nothing is told but counts.
    """

    version: str
    recognizer: str
    defects: Sequence[str]
    began: datetime
    up: float
    totals: Totals
    live: Sequence[SessionStatus]
    ended: Sequence[SessionStatus]
    troubles: Sequence[Trouble]
    troubles_count: int
    guarded: bool


def status(sandbox: Sandbox, *, guarded: bool) -> Status:
    """`sandbox` at this moment; `guarded`: leave out everything that tells of one session."""
    live: list[Entry] = []
    ended: list[Entry] = []
    for entry in sandbox.newest_first():
        (ended if entry.live.stage is Stage.OVER else live).append(entry)
    now, secret = sandbox.now(), sandbox.settings.api_key

    def told(entries: list[Entry], count: int) -> list[SessionStatus]:
        return [] if guarded else [_session(entry, now, secret) for entry in entries[:count]]

    return Status(
        version=__version__,
        recognizer=sandbox.recognizer.name,
        defects=[planted.text for planted in sandbox.settings.defects],
        began=sandbox.began,
        up=(now - sandbox.began).total_seconds(),
        totals=_totals(live, ended),
        live=told(live, SHOWN),
        ended=told(ended, max(0, SHOWN - len(live))),
        troubles=[] if guarded else sandbox.troubles.last(),
        troubles_count=sandbox.troubles.count,
        guarded=guarded,
    )


def _totals(live: list[Entry], ended: list[Entry]) -> Totals:
    sessions = [entry.live for entry in (*live, *ended)]
    return Totals(
        live=len(live),
        connected=sum(entry.live.connected for entry in live),
        ended=len(ended),
        failed=sum(session.failure is not None for session in sessions),
        seconds=sum(session.store.seconds for session in sessions),
        behind=max((entry.live.behind for entry in live), default=0.0),
    )


def _session(entry: Entry, now: datetime, secret: str | None) -> SessionStatus:
    session = entry.live
    tail = session.tail
    return SessionStatus(
        id=session.id,
        state=_state(entry),
        failure=_failure(entry, secret),
        connected=session.connected,
        audio=_form(session.config.format),
        seconds=session.store.seconds,
        behind=session.behind,
        age=(now - entry.created).total_seconds(),
        metadata=_metadata(entry),
        finals=tuple(tail.finals) if tail else (),
        partials=tuple(tail.partials.values()) if tail else (),
    )


def _state(entry: Entry) -> str:
    session = entry.live
    if session.failure:
        return "broke down"
    if session.stage is Stage.OPEN and not session.connected:
        return "its client is gone and may come back"
    return _STATES[session.stage]


def _failure(entry: Entry, secret: str | None) -> str:
    if entry.live.failure is None:
        return ""
    return clipped(without_secrets(str(entry.live.failure), secret), _LONGEST)


def _metadata(entry: Entry) -> str:
    if entry.metadata is None:
        return ""
    return clipped(msgspec.json.encode(entry.metadata).decode(), _LONGEST)


def _form(fmt: AudioFormat) -> str:
    sample = f"{fmt.bit_depth} bit" if fmt.encoding is Encoding.PCM else _LAWS[fmt.encoding]
    channels = "mono" if fmt.channels == 1 else f"{fmt.channels} channels"
    return f"{fmt.sample_rate / 1000:g} kHz, {sample}, {channels}"
