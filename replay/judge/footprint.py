"""M1, M2 and P1: what the network does costs the client neither memory nor its source's time."""

from __future__ import annotations

from statistics import median

import numpy as np

from replay import journal, resources
from replay.audio import NS
from replay.judge.case import Case, Outcome, judged, not_applicable, unknown

#: Growth per reconnection that no leak explains, and reconnections needed to tell.
_RSS_BYTES, _RECONNECTIONS = 256 << 10, 10
#: How many of each may be open besides: a request that happens to be under way.
_SPARE = {"fds": 3, "threads": 3, "tasks": 6}
#: A client has settled so long after it came back, in ns.
_SETTLED = 3 * NS
_NOT_OURS = "the client's own process is not in this journal"


def m1(case: Case) -> Outcome:
    if case.foreign:
        return not_applicable(_NOT_OURS)
    opened = case.timeline.all(journal.Connected)
    if len(opened) <= _RECONNECTIONS:
        return not_applicable("too few reconnections for a slope")
    grown = resources.measure(case.timeline).slopes.rss_bytes
    if grown is None:
        return unknown("memory was not sampled")
    if grown <= _RSS_BYTES:
        return judged([])
    text = f"memory grew by {grown / 1024:,.0f} KiB with each reconnection"
    return judged([case.finding("M1", "error", text, case.timeline.last)])


def m2(case: Case) -> Outcome:
    if case.foreign:
        return not_applicable(_NOT_OURS)
    if not case.losses:
        return not_applicable("no connection was lost")
    samples = case.timeline.all(journal.Resources)
    first = case.losses[0].t
    back = [each.t for each in case.timeline.all(journal.Connected) if each.t > case.losses[-1].t]
    ended = case.timeline.final(journal.Ended)
    until = ended.t if ended else case.timeline.last
    begun = next((each.t for each in case.timeline.all(journal.Connected)), 0)
    before = [each for each in samples if begun < each.t < first]
    after = [each for each in samples if back and back[-1] + _SETTLED < each.t < until]
    if not before or not after:
        return unknown("no sample before the first loss and after the last recovery")
    findings = []
    for name, spare in _SPARE.items():
        usual = median(getattr(each, name) for each in before)
        now = median(getattr(each, name) for each in after)
        if now > usual + spare:
            text = f"{now:g} {name} after the last recovery, {usual:g} before the first loss"
            findings.append(case.finding("M2", "error", text, after[-1].t))
    return judged(findings)


def p1(case: Case) -> Outcome:
    chunks = case.timeline.chunks
    if case.foreign:
        return not_applicable("the client's source is not in this journal")
    if not len(chunks.t) or not case.timeline.speed:
        return not_applicable("the audio was not paced")
    if not case.losses:
        return not_applicable("no connection was lost")
    late = chunks.t - chunks.due
    down = np.zeros(len(late), dtype=bool)
    for lost in case.losses:
        opened = [each.t for each in case.timeline.all(journal.Connected) if each.t >= lost.t]
        down |= (chunks.t >= lost.t) & (chunks.t <= min(opened, default=case.timeline.last))
    for stall in case.timeline.all(journal.Stall):
        down &= ~((chunks.t >= stall.t - stall.lasted) & (chunks.due <= stall.t))
    if not down.any():
        return not_applicable("nothing was produced while a connection was down")
    usual = float(np.median(late[~down])) if (~down).any() else 0.0
    worst = int(np.where(down, late, np.iinfo(np.int64).min).argmax())
    more = (late[worst] - usual) / NS
    if more <= case.limits.blocked:
        return judged([])
    text = f"the source was held up for {more:.2f} s while the connection was down"
    where = {"offset": int(chunks.offset[worst])}
    return judged([case.finding("P1", "error", text, int(chunks.t[worst]), **where)])
