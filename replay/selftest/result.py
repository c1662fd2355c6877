"""What a selftest came to: the whole of its JSON."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from replay.benchmark import Machine
from replay.catalogue import Unit
from replay.statistics import RULE, Distribution

SCHEMA = 1
#: Begins the names of times that count from the send.
FROM_SEND = "from_send."

Verdict = Literal["pass", "fail", "unknown"]


class Point(Struct, kw_only=True):
    """One statistic of a figure ("" for a figure that is one number).

    `error`: measured less truth, None where nothing was measured; `allowed`: how far from 0 it may
    be, either way.
    """

    statistic: str
    truth: float
    measured: float | None
    error: float | None
    allowed: float

    @property
    def right(self) -> bool:
        return self.error is not None and abs(self.error) <= self.allowed


class Row(Struct, kw_only=True):
    """One figure of a trial. `timed`: it can also be off because the machine was busy."""

    figure: str
    title: str
    unit: Unit
    timed: bool
    right: bool
    points: list[Point]


class Checked(Struct, kw_only=True):
    """One trial: its truths beside what was read back."""

    name: str
    title: str
    rounds: int
    seconds: float
    latency: str
    rows: list[Row]


class Resolution(Struct, kw_only=True):
    """Between two measurements on this machine, differences below these say nothing, in ms."""

    p50_ms: float
    p99_ms: float


class Selftest(Struct, kw_only=True):
    """Attributes:
    lateness: of our own chunks; machine: of a process that does nothing but sleep. In ms.
    busy: why this machine, at this time, is no place to measure.
    resolution: None where rounds cannot be compared.
    """

    schema: int = SCHEMA
    replay_version: str
    created_at: str
    verdict: Verdict
    reasons: list[str]
    took_s: float
    quantiles: str = RULE
    trials: list[Checked]
    lateness: Distribution
    machine: Distribution
    busy: list[str]
    resolution: Resolution | None
    where: Machine
