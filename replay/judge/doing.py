"""What our own faults did to acknowledgements, one by one.

A fault excuses what it did itself and nothing besides: the copy that it made, the gap that it tore.
A service that is broken in the same session stays found.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from replay import journal
from replay.continuity import Finding
from replay.judge.acks import unacknowledged
from replay.judge.case import Case, parsed, took_ack
from replay.timeline import Ints

_NS_PER_MS = 1e6

#: What passes an acknowledgement twice passes it once where it was to be thrown away.
_COPIES = ("dupack", "regressack")
#: Where a rule found its moment: the rule, the moment, the connection and the frame.
_Moment = tuple[int, str, object, object]


class Doings:
    """Tells which findings about acknowledgements are the doing of a fault."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._mine: set[int] = set()
        self._copies: set[int] = set()
        # Of a gap that no fault explains alone: how many acknowledgements several threw away there.
        self._together: Counter[int] = Counter()
        # A proxy's journal has acknowledgements as the target gave them, before any fault.
        moments: set[_Moment] = set()
        for fired in [] if case.foreign else case.fired:
            match fired.fault:
                case "dupack":
                    self._copied(fired, older=False)
                case "regressack":
                    self._copied(fired, older=True)
            moment = _thrown_away(fired)
            # What else its rule does follows from the same moment, which came once.
            by_moment = 0 if moment is None or moment in moments else 1
            moments |= {moment} if moment else set()
            if lost := by_moment + _lost_by(fired):
                self._torn(fired, lost)

    def __contains__(self, finding: Finding) -> bool:
        """Is it about an acknowledgement that one of the faults made out of line?"""
        t_ms, acks = finding.at.get("t_ms"), self._case.timeline.acks
        if not isinstance(t_ms, int | float):
            return False
        about = acks.t <= round(t_ms * _NS_PER_MS) + 1000  # the figure is rounded
        for name, column in (("start", acks.start), ("end", acks.end)):
            if name in finding.at:
                about &= column == finding.at[name]
        found = np.flatnonzero(about)
        return len(found) > 0 and int(found[-1]) in self._mine

    def _after(self, fired: journal.FaultFired, since: int | None = None) -> Ints:
        """The acknowledgements that came over its connection since, those explained left out."""
        acks, t = self._case.timeline.acks, fired.t if since is None else since
        found = np.flatnonzero((acks.connection == fired.connection) & (acks.t >= t))
        return np.array([i for i in found.tolist() if i not in self._mine], dtype=np.int64)

    def _copied(self, fired: journal.FaultFired, *, older: bool) -> None:
        """The first acknowledgement that says what the one before it, or an older one, has said."""
        acks = self._case.timeline.acks
        for i in self._after(fired).tolist():
            before = np.flatnonzero(acks.connection[:i] == fired.connection)
            # Of one acknowledgement may come an older one first, and then its copy.
            told = before if older else self._latest(before)
            if ((acks.start[told] == acks.start[i]) & (acks.end[told] == acks.end[i])).any():
                self._mine.add(i)
                self._copies.add(i)
                if older:
                    self._onward(i)
                return

    def _latest(self, before: Ints) -> Ints:
        """The last of these that is no copy, if there is one."""
        end = len(before)
        while end and int(before[end - 1]) in self._copies:
            end -= 1
        return before[max(end - 1, 0) : end]

    def _onward(self, copy: int) -> None:
        """What follows the copy of an older one goes on where things really stood."""
        acks, after = self._case.timeline.acks, copy + 1
        if after < len(acks.t):
            top, number = int(acks.end[:copy].max()), int(acks.connection[after])
            same = number == int(acks.connection[copy])
            possible = 0 if same else unacknowledged(self._case, number)
            if top <= int(acks.start[after]) <= top + possible:
                self._mine.add(after)

    def _moment(self, fired: journal.FaultFired) -> int:
        """When its moment came, which may have thrown an acknowledgement away well before it: a
        fault may follow later, or wait for something that it can be done to."""
        into = _ms(fired, "connection_ms") - _ms(fired, "after_ms")
        opened = [
            each.t
            for each in self._case.timeline.all(journal.Connected)
            if each.connection == fired.connection and each.connection == fired.at.get("connection")
        ]
        return min([fired.t, *(t + round(into * _NS_PER_MS) for t in opened)])

    def _torn(self, fired: journal.FaultFired, lost: int) -> None:
        """The first acknowledgement behind a gap no larger than what so many can have told, and so
        many as other faults threw away before it."""
        acks, frames = self._case.timeline.acks, self._case.timeline.frames
        sizes = frames.size[frames.connection == fired.connection]
        if not len(sizes):
            return
        for i in self._after(fired, self._moment(fired)).tolist():
            first = not (acks.connection[:i] == fired.connection).any()
            gap = int(acks.start[i]) - int(acks.end[:i].max(initial=0))
            if gap <= 0:
                continue
            recorded = unacknowledged(self._case, fired.connection) if first else 0
            if gap <= recorded:
                # What earlier connections brought explains it, whether one is missing or not.
                self._mine.add(i)
                continue
            self._together[i] += lost
            if gap > _largest(sizes, self._together[i]) + recorded:
                return
            self._mine.add(i)
            lost = self._together[i] - _fewest(sizes, gap - recorded)
            if lost <= 0 or not self._passed_a_copy(fired, int(acks.t[i])):
                return

    def _passed_a_copy(self, fired: journal.FaultFired, until: int) -> bool:
        """Whether a fault that doubles acknowledgements let one pass of those thrown away."""
        return any(
            each.fault in _COPIES
            and each.connection == fired.connection
            and self._moment(fired) <= each.t <= until
            for each in self._case.fired
        )


def _fewest(sizes: Ints, gap: int) -> int:
    """So many of the largest frames make up a gap."""
    return next(n for n in range(1, len(sizes) + 1) if _largest(sizes, n) >= gap)


def _largest(sizes: Ints, count: int) -> int:
    """The most that so many frames in a row have of audio."""
    return int(np.convolve(sizes, np.ones(min(count, len(sizes)), dtype=np.int64)).max())


def _thrown_away(fired: journal.FaultFired) -> _Moment | None:
    """The moment of a fault, if it is one that throws an acknowledgement away."""
    if not took_ack(fired):
        return None
    at = fired.at
    return fired.rule, str(at["trigger"]), at.get("connection"), at.get("frame")


def _lost_by(fired: journal.FaultFired) -> int:
    """How many acknowledgements a fault itself threw away, at most."""
    if fired.fault == "corrupt":
        return 1
    if fired.fault != "loseacks":
        return 0
    fault = parsed(fired)
    return 0 if fault is None else fault.number()


def _ms(fired: journal.FaultFired, name: str) -> float:
    value = fired.at.get(name, 0)
    return value if isinstance(value, int | float) else 0
