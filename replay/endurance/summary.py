"""What `summary.json` of a soak holds: every report is made from it, and it from what was kept."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from replay.checks import Checked
from replay.continuity import Finding
from replay.endurance.histogram import Encoded
from replay.endurance.outcome import Verdict, Window
from replay.endurance.trend import Trend
from replay.judge import State
from replay.statistics import Distribution

SCHEMA = 1


class Sessions(Struct, kw_only=True):
    """How many. passed, failed, unknown: of those that finished; doubtful: unknown ones of which it
    is open whether they were kept whole. cut: ended from outside, cut_failed: that failed even so.
    again: begun more than once."""

    finished: int = 0
    passed: int = 0
    failed: int = 0
    unknown: int = 0
    doubtful: int = 0
    cut: int = 0
    cut_failed: int = 0
    again: int = 0


class SoakAudio(Struct, kw_only=True):
    """Bytes of all sessions, and seconds of audio; `compared`: sessions whose recording was held
    against what was sent, on which lost, repeated, reordered and garbage stand."""

    seconds: float = 0.0
    sent_bytes: int = 0
    acked_bytes: int = 0
    recorded_bytes: int = 0
    lost_bytes: int = 0
    repeated_bytes: int = 0
    reordered_bytes: int = 0
    garbage_bytes: int = 0
    compared: int = 0


class SoakWords(Struct, kw_only=True):
    """Against references; `compared`: sessions that had one."""

    lost: int = 0
    duplicated: int = 0
    changed: int = 0
    compared: int = 0


class SoakFaults(Struct, kw_only=True):
    """`by_kind`: how many fired; `asked`: whether any session was to have some; `missed`: of each
    rule that did not fire as often as asked, in how many sessions."""

    asked: int = 0
    fired: int = 0
    by_kind: dict[str, int] = msgspec.field(default_factory=dict)
    missed: dict[str, int] = msgspec.field(default_factory=dict)


class SoakLatency(Struct, kw_only=True):
    """Statistics in ms by figure, from the plan: of all, and of what no outage touched. `encoded`:
    the whole distributions by figure, those of the undisturbed as `clear_…`. `mistimed`: sessions
    whose latencies are left out, since our own lateness would have coloured them."""

    all: dict[str, Distribution] = msgspec.field(default_factory=dict)
    undisturbed: dict[str, Distribution] = msgspec.field(default_factory=dict)
    lateness: Distribution = msgspec.field(default_factory=Distribution)
    stalls: int = 0
    mistimed: int = 0
    encoded: dict[str, Encoded] = msgspec.field(default_factory=dict)


class SoakRecovery(Struct, kw_only=True):
    """All losses that one kind of fault brought, in ms. kind: "" for losses without a fault, "all"
    in the row over everything. unrecovered: losses after which the session never came back;
    `recover`: from the loss to caught up, or to the first acknowledgement where that is unknown."""

    kind: str
    outages: int
    unrecovered: int
    recover: Distribution
    detect: Distribution
    down: Distribution
    backoff: Distribution
    connect: Distribution
    flush: Distribution
    first_ack: Distribution
    first_transcript: Distribution
    caught_up: Distribution
    resent_bytes: int
    encoded: Encoded = msgspec.field(default_factory=Encoded)


class Row(Struct, kw_only=True, omit_defaults=True):
    """One stretch of time, for charts. at: minutes from the beginning, `SoakSummary.row_minutes`
    long. sessions: how many played in it, on average; ended, failed: that ended in it. ack,
    word_final: p50 and p95 in ms of what was spoken then, `clear_…` of what no outage touched;
    recover: p50 and maximum in ms of the losses then. None where nothing was measured."""

    at: int
    sessions: float = 0.0
    ended: int = 0
    failed: int = 0
    reconnects: int = 0
    faults: int = 0
    ack_p50: float | None = None
    ack_p95: float | None = None
    word_final_p50: float | None = None
    word_final_p95: float | None = None
    clear_ack_p50: float | None = None
    clear_ack_p95: float | None = None
    clear_word_final_p50: float | None = None
    clear_word_final_p95: float | None = None
    recover_p50: float | None = None
    recover_max: float | None = None


class Worst(Struct, kw_only=True, omit_defaults=True):
    """One of the worst sessions: the failing ones first, then the slowest to recover. `recover`:
    its slowest recovery, in ms. `repeat`: the command that plays it again."""

    session: str
    path: str
    verdict: Verdict
    cut: bool = False
    began: float
    ended: float
    reasons: list[str] = msgspec.field(default_factory=list)
    reconnects: int = 0
    lost_bytes: int | None = None
    recover: float | None = None
    repeat: str = ""


class Course(Struct, kw_only=True):
    """One process over time, thinned to some hundred points. Columns of one length; `tasks` is
    empty where nobody could look inside."""

    who: str
    generation: int = 0
    t: list[float] = msgspec.field(default_factory=list)
    rss: list[int] = msgspec.field(default_factory=list)
    fds: list[int] = msgspec.field(default_factory=list)
    threads: list[int] = msgspec.field(default_factory=list)
    tasks: list[int] = msgspec.field(default_factory=list)
    reconnects: list[int] = msgspec.field(default_factory=list)


class Found(Struct, kw_only=True):
    """All findings of one invariant and severity: how many, in how many sessions, and the first
    few, each with its session's path."""

    invariant: str
    severity: str
    count: int
    sessions: int
    examples: list[tuple[str, Finding]] = msgspec.field(default_factory=list)


class Storm(Struct, kw_only=True):
    """Attempts after cuts that at least three sessions, and half of all that play, suffered
    together: a histogram. width_ms: of each bar; counts: attempts by the time since their session's
    loss; first: the first attempts only. state: of R4 over them."""

    cuts: int = 0
    sessions: int = 0
    attempts: int = 0
    width_ms: float = 0.0
    counts: list[int] = msgspec.field(default_factory=list)
    first: list[int] = msgspec.field(default_factory=list)
    state: State = "not applicable"
    why: str = ""


class Death(Struct, kw_only=True, omit_defaults=True):
    """A worker that died. t: the soak's clock; sessions: that it took with it."""

    worker: int
    t: float
    why: str = ""
    sessions: list[str] = msgspec.field(default_factory=list)


class SoakSummary(Struct, kw_only=True):
    """A soak. `plan`: as it was asked for, without secrets. shards: the parts that it was put
    together from, 1 for one that ran whole. elapsed, asked: seconds of the soak's clock.

    latency, recoveries (the row "all" first), rows, windows (all that were open, put together and
    thinned where they are very many), worst, resources, findings, storm: see their types. trends:
    of what processes took, per reconnection; drifts: of latency and recovery, per hour.
    """

    schema: int = SCHEMA
    replay_version: str
    verdict: Verdict
    reasons: list[str]
    plan: dict[str, Any]
    seed: int | None = None
    shards: int = 1
    elapsed: float
    asked: float | None = None
    sessions: Sessions
    reconnects: int
    faults: SoakFaults
    audio: SoakAudio
    words: SoakWords
    latency: SoakLatency
    recoveries: list[SoakRecovery]
    trends: list[Trend]
    drifts: list[Trend]
    checks: list[Checked]
    deaths: list[Death]
    row_minutes: int
    rows: list[Row]
    windows: list[Window]
    worst: list[Worst]
    resources: list[Course]
    findings: list[Found]
    invariants: dict[str, dict[str, int]]
    storm: Storm
