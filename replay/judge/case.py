"""What an invariant is asked about, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import msgspec
from msgspec import Struct

from replay import journal
from replay.continuity import Comparison, Finding, Severity
from replay.errors import FaultSyntaxError
from replay.faults import DOWN, KINDS, Fault, Scope, parse_fault
from replay.faults.moments import BETWEEN
from replay.outages import losses
from replay.timeline import Timeline
from replay.wire.closing import Close, on_close
from replay.wire.config import MessagesConfig
from replay.wire.http import LIVE_PATH, Job
from replay.wire.messages import EndSession, PostFinalTranscript

_NS_PER_MS = 1e6
NS = 1_000_000_000

#: What a close code says of a session that has ended.
_OVER = (Close.DONE, Close.ENDED)
#: So many ns after one of our faults, what it made late may still be coming.
CATCHES_UP = 2 * NS
#: Faults that fill a proxy's hands, or have it not read at all.
_UNREAD = ("zero_window", "hold", "throttle", "delay")

State = Literal["pass", "fail", "unknown", "not applicable"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What is still good enough. Seconds, unless it says otherwise.

    Attributes:
        repeats: audio recorded twice is allowed inside the window that was in flight (`window`),
            or not at all (`strict`).
        dead_path: a path on which nothing is acknowledged must be given up within so much, unless
            the client has said how long it waits, and `slack` for what a clock and a chunk take.
        outage: a client must go on trying for at least so much.
        attempts_a_minute: connection attempts in any one minute.
        end: from the stop to the end of the session.
        blocked: how much later than elsewhere the producer may be while a connection is down.
    """

    repeats: Literal["window", "strict"] = "window"
    dead_path: float = 5.0
    slack: float = 1.5
    outage: float = 30.0
    attempts_a_minute: int = 60
    end: float = 120.0
    blocked: float = 0.25


class Outcome(Struct, kw_only=True):
    """What came of one invariant. `why`: the reason of a state that no finding explains."""

    state: State
    findings: list[Finding] = msgspec.field(default_factory=list)
    why: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to connect. `failed_at`: when it, or the connection it made, was over."""

    t: int
    connection: int
    failed_at: int | None
    opened_at: int | None = None
    status: int | None = None
    retry_after: float | None = None
    error: str = ""


@dataclass(frozen=True)
class Case:
    """One journal under judgement.

    Attributes:
        comparison: of what the client meant to say with the recording, if there is one.
    """

    timeline: Timeline
    comparison: Comparison | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def foreign(self) -> bool:
        """The journal is a proxy's, of a client that nobody here can look into."""
        return self.timeline.header.vantage == "proxy"

    @cached_property
    def dead_path(self) -> float:
        """Seconds without an acknowledgement after which this client must give up a path: what
        the journal says it was told to wait, or else the limit."""
        told = self.timeline.header.options.get("policy")
        waits = told.get("ack_timeout") if isinstance(told, dict) else None
        return float(waits) if isinstance(waits, int | float) else self.limits.dead_path

    @cached_property
    def fired(self) -> list[journal.FaultFired]:
        return self.timeline.all(journal.FaultFired)

    @cached_property
    def losses(self) -> list[journal.Lost]:
        """The losses that interrupted the session."""
        return losses(self.timeline)

    @cached_property
    def finished(self) -> bool:
        """The service has told the client that everything is done."""
        told = (EndSession, PostFinalTranscript)
        return any(isinstance(heard.message, told) for heard in self.timeline.heard)

    @property
    def complete(self) -> bool:
        """The session came to its proper end, for the client as well."""
        ended = self.timeline.final(journal.Ended)
        if ended is not None:
            return ended.outcome in ("complete", "recovered")
        return self.foreign and (self.finished or self._ended_meanwhile)

    @property
    def _ended_meanwhile(self) -> bool:
        """The service had finished a session that was stopped when its client came back."""
        lost, stopped = self.timeline.final(journal.Lost), self.timeline.all(journal.StopSent)
        done = self.job is not None and self.job.ended
        return bool(stopped) and done and lost is not None and on_close(lost.code) in _OVER

    @property
    def interrupted(self) -> bool:
        """The user, or a crash, put an end to the run."""
        ended = self.timeline.final(journal.Ended)
        by_user = bool(self.timeline.all(journal.Interrupted))
        return (
            by_user or not self.timeline.finished or bool(ended and ended.outcome == "interrupted")
        )

    @cached_property
    def opened_here(self) -> bool:
        """The session was opened in sight of this journal, so that its audio begins at 0."""
        asked = any(init.id for init in self.timeline.all(journal.Init))
        return asked or any(
            each.method == "POST" and each.path == LIVE_PATH and each.status == 201
            for each in self.timeline.all(journal.Http)
        )

    @cached_property
    def wants(self) -> MessagesConfig:
        """Which messages were asked for."""
        asked = self.timeline.header.config.get("messages_config", {})
        try:
            return msgspec.convert(asked, MessagesConfig)
        except msgspec.ValidationError:
            return MessagesConfig()

    @cached_property
    def job(self) -> Job | None:
        """The job as it was fetched last."""
        result = self.timeline.final(journal.Result)
        if result is None:
            return None
        try:
            return msgspec.json.decode(result.body, type=Job)
        except msgspec.DecodeError:
            return None

    @cached_property
    def attempts(self) -> list[Attempt]:
        """Every attempt to connect, in order."""
        return _attempts(self.timeline)

    def faults(self, *kinds: str, upto: int | None = None, connection: int | None = None) -> bool:
        """Has a fault of one of these kinds fired: not after `upto`, on this connection?"""
        return any(
            each.fault in kinds
            and (upto is None or each.t <= upto)
            and (connection is None or self.befalls(each, connection))
            for each in self.fired
        )

    def befalls(self, fired: journal.FaultFired, connection: int) -> bool:
        """Is it done to this connection? What is done to the way outlives the one it fired on."""
        if fired.connection in (0, connection):
            return True
        kind = KINDS.get(fired.fault)
        if kind is None or kind.scope is not Scope.PATH or fired.connection > connection:
            return False
        opened = [e.t for e in self.timeline.all(journal.Connected) if e.connection == connection]
        return fired.until is None or any(t < fired.until for t in opened)

    def until(self, fired: journal.FaultFired) -> int:
        """When it was over: with the journal, if it had no end of its own."""
        return self.timeline.last if fired.until is None else fired.until

    def unread(self, connection: int) -> list[journal.FaultFired]:
        """Faults for which a proxy reads later what a client sends, and sees later that it left."""
        return [
            each
            for each in self.fired
            if each.fault in _UNREAD and each.direction != DOWN and self.befalls(each, connection)
        ]

    def unseen(self, connection: int, t: int) -> bool:
        """May a client have left a connection by `t` without its proxy having seen it by then?"""
        return any(
            each.t <= t <= self.until(each) + delay(each) + CATCHES_UP
            for each in self.unread(connection)
        )

    def finding(
        self,
        invariant: str,
        severity: Severity,
        detail: str,
        t: int | None = None,
        **at: float | str,
    ) -> Finding:
        """A finding. `t`: when, in journal time; `at`: where else."""
        where: dict[str, int | float | str] = (
            {} if t is None else {"t_ms": round(t / _NS_PER_MS, 3)}
        )
        return Finding(invariant=invariant, severity=severity, detail=detail, at={**where, **at})


def judged(findings: Iterable[Finding]) -> Outcome:
    """Failed if one of the findings is an error."""
    found = list(findings)
    failed = any(each.severity == "error" for each in found)
    return Outcome(state="fail" if failed else "pass", findings=found)


def unknown(why: str) -> Outcome:
    return Outcome(state="unknown", why=why)


def not_applicable(why: str) -> Outcome:
    return Outcome(state="not applicable", why=why)


Check = Callable[[Case], Outcome]


def seconds(ns: float) -> str:
    return f"{ns / NS:.2f} s"


def _attempts(timeline: Timeline) -> list[Attempt]:
    """From the attempts as they began; a proxy sees only how they went on."""
    refused = {(e.connection, e.attempt): e for e in timeline.all(journal.ConnectRefused)}
    opened = {(e.connection, e.attempt): e for e in timeline.all(journal.Connected)}
    lost = {e.connection: e.t for e in timeline.all(journal.Lost)}
    begun: list[tuple[int, int, int]] = [
        (e.t, e.connection, e.attempt) for e in timeline.all(journal.Connecting)
    ]
    if not begun:
        begun = sorted((e.t, *key) for key, e in [*refused.items(), *opened.items()])
    found = []
    for t, connection, number in begun:
        no, yes = refused.get((connection, number)), opened.get((connection, number))
        if yes is not None:
            found.append(Attempt(t, connection, lost.get(connection), opened_at=yes.t))
        elif no is not None:
            found.append(Attempt(t, connection, no.t, None, no.status, no.retry_after, no.error))
        else:
            found.append(Attempt(t, connection, None))
    return found


def parsed(fired: journal.FaultFired) -> Fault | None:
    """The fault with its values; None where this version cannot read it."""
    try:
        return parse_fault(fired.text)
    except FaultSyntaxError:
        return None


def delay(fired: journal.FaultFired) -> int:
    """How late, in ns, a delay makes what passes, at most; 0 for any other fault."""
    fault = parsed(fired)
    if fault is None or fault.kind != "delay":
        return 0
    return round((fault.seconds("mean") + fault.seconds("jitter")) * NS)


def took_ack(fired: journal.FaultFired) -> bool:
    """It struck as an acknowledgement came down, and threw that away: the target had recorded the
    audio, and the client was not told."""
    kind = KINDS.get(fired.fault)
    trigger = str(fired.at.get("trigger", ""))
    return trigger.startswith(BETWEEN) and (kind is None or kind.takes_ack)
