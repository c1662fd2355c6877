"""R4 over many sessions: clients that are cut off together must not come back in step.

One client's pauses may grow and differ and still be those of every other client. Of N sessions that
lost their connections together, the pauses before their first attempts (and their second, third …)
are N draws from whatever the client draws from, or N times the same number.

The test is Kolmogorov's and Smirnov's, against lockstep: every distribution that lies wholly within
`ALIKE`. The statistic is the distance of the sample's distribution function from the nearest of
them: of the pauses before a window of that width and those after it, the larger share, for the
best window. It is 0 for clients in step, and nearly a half for clients that are spread out. By the
bound of Dvoretzky, Kiefer, Wolfowitz and Massart the sample's function is within
sqrt(ln(2/0.05) / 2n) of the true one, in 95 of 100 samples, for every n and any distribution. Hence
three answers: in step, when even with that much added the distance stays below `SPREAD`, that of
clients that come evenly over five windows; spread, when with that much taken off something is left;
or too few sessions to tell. Below 12 there are always too few; from 12 on clients in step are found
each time. Clients that come evenly over half a second pass in 88 of 100 samples of 12, in 98 of 16,
in all but a few of 1000 of 20.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from replay.continuity import Finding
from replay.judge.case import NS, Case, Outcome, judged, not_applicable, unknown

#: Pauses so near to each other, in ns, are the same pause: that is what a busy machine adds.
ALIKE = 50_000_000
#: The distance from lockstep of clients that come evenly over five times that.
SPREAD = 0.4
#: Sessions that lost their connections within so many ns of the first lost them together.
_TOGETHER = NS
_MISTAKES = 0.05


@dataclass(frozen=True, slots=True)
class Return:
    """How a session came back from one loss.

    Attributes:
        lost: when, in ns of the time of day.
        attempts: ns from the loss to each attempt that followed it.
        at: when, in ns of a clock of the session's: its journal's, or its soak's.
    """

    lost: int
    attempts: tuple[int, ...]
    at: int = 0


def returns(case: Case) -> list[Return]:
    """Every loss of a session, and the attempts up to the next connection.

    An attempt that the service has put off with Retry-After says nothing of the client's own mind.
    """
    began = datetime.fromisoformat(case.timeline.header.created_at)
    origin = round(began.timestamp() * 1000) * 1_000_000
    found = []
    for lost in case.losses:
        attempts = []
        for each in case.attempts:
            if each.t < lost.t:
                continue
            attempts.append(each.t - lost.t)
            if each.opened_at is not None or each.retry_after:
                break
        found.append(Return(origin + lost.t, tuple(attempts), lost.t))
    return found


def r4(sessions: Sequence[Sequence[Return]]) -> Outcome:
    """The judgement over all storms of these sessions, each given by its returns."""
    return judge([*storm.values()] for storm in storms(sessions) if len(storm) > 1)


def judge(together: Iterable[Sequence[Return]]) -> Outcome:
    """The judgement over storms, each of the losses that came together."""
    together = list(together)
    if not together:
        return not_applicable("no two sessions lost their connections together")
    findings: list[Finding] = []
    doubts = []
    for storm in together:
        for turn in range(max(len(each.attempts) for each in storm)):
            pauses = [each.attempts[turn] for each in storm if len(each.attempts) > turn]
            if _in_step(pauses):
                findings.append(_lockstep(storm, turn, pauses))
            elif turn == 0 and not _spread(pauses):
                doubts.append(f"{len(pauses)} sessions are too few to tell whether they are spread")
    if doubts and not findings:
        return unknown(doubts[0])
    return judged(findings)


def storms(sessions: Sequence[Sequence[Return]]) -> list[dict[int, Return]]:
    """Losses that came together, at most one of each session, by the session's place."""
    losses = sorted(
        ((each.lost, number, each) for number, own in enumerate(sessions) for each in own),
        key=lambda row: row[:2],
    )
    found: list[dict[int, Return]] = []
    since = 0
    for lost, number, each in losses:
        if not found or lost - since > _TOGETHER:
            found.append({})
            since = lost
        found[-1].setdefault(number, each)
    return found


def _lockstep(storm: Sequence[Return], turn: int, pauses: Sequence[int]) -> Finding:
    usual = float(np.median(pauses)) / NS
    text = (
        f"{len(storm)} sessions were cut off together, and {len(pauses)} made attempt {turn + 1} "
        f"in step, {usual:.2f} s after it: nothing spreads them"
    )
    where = {"sessions": len(pauses), "attempt": turn + 1, "distance": round(distance(pauses), 3)}
    return Finding(invariant="R4", severity="error", detail=text, at=dict(where))


def distance(pauses: Sequence[int]) -> float:
    """Of a sample from the nearest distribution that lies within `ALIKE`: 0 to a half."""
    ordered = np.sort(np.asarray(pauses, dtype=np.int64))
    before = np.arange(len(ordered))
    after = len(ordered) - np.searchsorted(ordered, ordered + ALIKE, side="right")
    return float(np.maximum(before, after).min() / len(ordered))


def uncertainty(n: int) -> float:
    """How far the distribution function of `n` values may be from the true one, anywhere."""
    return math.sqrt(math.log(2 / _MISTAKES) / (2 * n))


def _in_step(pauses: Sequence[int]) -> bool:
    return distance(pauses) + uncertainty(len(pauses)) < SPREAD


def _spread(pauses: Sequence[int]) -> bool:
    return distance(pauses) > uncertainty(len(pauses))
