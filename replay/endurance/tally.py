"""Any number of sessions as one. Parts add up: a tally of tallies is the tally of all."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from replay.continuity import Finding
from replay.endurance.histogram import Encoded, Histogram
from replay.endurance.outcome import Back, Outcome, Place, Recovered, Window
from replay.endurance.rows import Rows

#: The steps of a recovery that are kept by the kind of fault.
STEPS = (
    "recover", "detect", "down", "backoff", "connect", "flush", "first_ack", "first_transcript",
    "caught_up",
)  # fmt: skip
WORST = 20
_EXAMPLES = 5

Key = tuple[int, int, int, str]


@dataclass
class Recoveries:
    """All losses that one kind of fault brought.

    Attributes:
        unrecovered: of them, after which the session never came back, for all that could be seen:
            sessions that were cut off do not count.
        steps: by name, as `Recovered` has them, in ms.
        at, took: when each was lost that was recovered from, and how long that took, in ms.
    """

    outages: int = 0
    unrecovered: int = 0
    resent: int = 0
    steps: dict[str, Histogram] = field(
        default_factory=lambda: {name: Histogram() for name in STEPS}
    )
    at: array[float] = field(default_factory=lambda: array("d"))
    took: array[float] = field(default_factory=lambda: array("d"))

    def add(self, several: Sequence[Recovered], *, cut: bool) -> None:
        """Those of one session."""
        self.outages += len(several)
        for name in STEPS:
            took = [getattr(each, name) for each in several]
            self.steps[name].add([each for each in took if each is not None])
        lasting = [each.lasting for each in several if each.lasting is not None]
        self.steps["recover"].add([], lasting)
        for each in several:
            self.unrecovered += each.down is None and not cut
            self.resent += each.resent
            if each.recover is not None:
                self.at.append(each.at)
                self.took.append(each.recover)

    def merge(self, other: Recoveries) -> None:
        self.outages += other.outages
        self.unrecovered += other.unrecovered
        self.resent += other.resent
        for name in STEPS:
            self.steps[name].merge(other.steps[name])
        self.at += other.at
        self.took += other.took


@dataclass
class Findings:
    """All findings of one invariant and severity: the first few, by where they belong."""

    count: int = 0
    sessions: int = 0
    examples: list[tuple[Key, str, Finding]] = field(default_factory=list)

    def merge(self, other: Findings) -> None:
        self.count += other.count
        self.sessions += other.sessions
        both = self.examples + other.examples
        # Each session's own come in their order; sorting by place alone keeps that.
        self.examples = sorted(both, key=lambda each: each[0])[:_EXAMPLES]


class Spells:
    """When the sessions of one part of a soak played, on its clock."""

    def __init__(self) -> None:
        self._began = array("d")
        self._ended = array("d")

    def add(self, began: float, ended: float) -> None:
        self._began.append(began)
        self._ended.append(ended)

    def merge(self, other: Spells) -> None:
        self._began += other._began
        self._ended += other._ended

    def playing(self, at: float) -> int:
        """How many did at a moment."""
        began, ended = np.array(self._began), np.array(self._ended)
        return int(((began <= at) & (at <= ended)).sum())


class Tally:
    """Add outcomes as they come, in any order; nothing of one is kept but what is needed.

    Attributes:
        verdicts: sessions by verdict and whether they were cut off.
        again: sessions that were begun more than once; spells: of each part, by its name.
        totals: audio and words in sum, by name; `compared`, `referenced`: how many sessions had a
            recording and a reference to compare with.
        faults: fired, by kind; missed: rules that did not fire as asked, in how many sessions.
        doubtful: finished sessions without an answer; doubt: the first of them, and why.
        latency, undisturbed: by figure.
        recoveries: by kind of fault, "" for none.
        invariants: by id, how often each state.
        backs: of each session that lost a connection, how it came back.
    """

    def __init__(self) -> None:
        self.verdicts: Counter[tuple[str, bool]] = Counter()
        self.again = 0
        self.spells: defaultdict[str, Spells] = defaultdict(Spells)
        self.totals: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.doubtful = 0
        self.doubt: tuple[Key, str] | None = None
        self.latency: defaultdict[str, Histogram] = defaultdict(Histogram)
        self.undisturbed: defaultdict[str, Histogram] = defaultdict(Histogram)
        self.lateness = Histogram()
        self.recoveries: defaultdict[str, Recoveries] = defaultdict(Recoveries)
        self.findings: defaultdict[tuple[str, str], Findings] = defaultdict(Findings)
        self.invariants: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.rows = Rows()
        self.windows: list[Window] = []
        self.worst: list[Outcome] = []
        self.backs: list[tuple[Key, list[Back]]] = []

    @property
    def reconnects(self) -> int:
        return self.totals["reconnects"]

    def add(self, outcome: Outcome) -> None:
        """One more session."""
        place = outcome.place
        self.verdicts[outcome.verdict, place.cut] += 1
        self.again += place.attempt > 1
        self.spells[part(place.path)].add(place.began, outcome.ended)
        self._sum(outcome)
        self.faults.update(outcome.faults)
        self.missed.update(outcome.missed)
        if outcome.doubts:
            self._doubt(1, (key(place), outcome.doubts[0]))
        _add_all(self.latency, outcome.latency)
        _add_all(self.undisturbed, outcome.undisturbed if outcome.outages else outcome.latency)
        self.lateness.merge(Histogram.decoded(outcome.lateness))
        for kind in {each.kind for each in outcome.outages}:
            mine = [each for each in outcome.outages if each.kind == kind]
            self.recoveries[kind].add(mine, cut=place.cut)
        self._findings(outcome)
        self.rows.add(outcome)
        self.windows += outcome.windows
        self._worst([_slim(outcome)])
        if outcome.backs:
            self.backs.append((key(place), outcome.backs))

    def merge(self, other: Tally) -> None:
        """All sessions of another tally."""
        self.verdicts.update(other.verdicts)
        self.again += other.again
        for whose, spells in other.spells.items():
            self.spells[whose].merge(spells)
        self.totals.update(other.totals)
        self.faults.update(other.faults)
        self.missed.update(other.missed)
        self._doubt(other.doubtful, other.doubt)
        _merge_all(self.latency, other.latency)
        _merge_all(self.undisturbed, other.undisturbed)
        self.lateness.merge(other.lateness)
        for kind, each in other.recoveries.items():
            self.recoveries[kind].merge(each)
        for what, found in other.findings.items():
            self.findings[what].merge(found)
        for invariant, states in other.invariants.items():
            self.invariants[invariant].update(states)
        self.rows.merge(other.rows)
        self.windows += other.windows
        self._worst(other.worst)
        self.backs += other.backs

    def _doubt(self, sessions: int, first: tuple[Key, str] | None) -> None:
        self.doubtful += sessions
        self.doubt = min((each for each in (self.doubt, first) if each), default=None)

    def _sum(self, outcome: Outcome) -> None:
        audio, total = outcome.audio, self.totals
        total.update(sent=audio.sent, acked=audio.acked, compared=audio.recorded is not None)
        for name in ("recorded", "lost", "repeated", "reordered", "garbage"):
            total[name] += getattr(audio, name) or 0
        total["referenced"] += outcome.words_lost is not None
        for name in ("words_lost", "words_duplicated", "words_changed"):
            total[name] += getattr(outcome, name) or 0
        total.update(reconnects=outcome.reconnects, asked=outcome.asked, stalls=outcome.stalls)
        total["mistimed"] += outcome.mistimed
        total["played_ms"] += round(outcome.seconds * 1000)

    def _findings(self, outcome: Outcome) -> None:
        place = outcome.place
        for invariant, state in outcome.invariants.items():
            self.invariants[invariant][state] += 1
        mine: defaultdict[tuple[str, str], Findings] = defaultdict(lambda: Findings(sessions=1))
        for each in outcome.findings:
            found = mine[each.invariant, each.severity]
            found.count += 1
            found.examples.append((key(place), name(place), each))
        for what, found in mine.items():
            self.findings[what].merge(found)

    def _worst(self, outcomes: Iterable[Outcome]) -> None:
        self.worst = sorted([*self.worst, *outcomes], key=_badness)[:WORST]


def tally(outcomes: Iterable[Outcome]) -> Tally:
    """All of them as one."""
    made = Tally()
    for each in outcomes:
        made.add(each)
    return made


def merge(tallies: Iterable[Tally]) -> Tally:
    """The tally of all that those are tallies of; they stay as they are."""
    made = Tally()
    for each in tallies:
        made.merge(each)
    return made


def key(place: Place) -> Key:
    """By which sessions are put in order."""
    return (place.slot, place.number, place.attempt, place.path)


def part(path: str) -> str:
    """Which part of a merged soak a session is of, by its path; "" where there are none."""
    return path.rpartition("sessions/")[0]


def name(place: Place) -> str:
    """What a session is called: its directory, or else its slot, number and attempt."""
    again = f"-{place.attempt}" if place.attempt > 1 else ""
    return place.path or f"{place.slot}-{place.number}{again}"


def slowest(outcome: Outcome) -> float | None:
    """Its slowest recovery, in ms, or what it lasted at least; None where it had none."""
    took = [each.lasting or each.recover for each in outcome.outages]
    return max((each for each in took if each is not None), default=None)


def _badness(outcome: Outcome) -> tuple[bool, bool, float, Key]:
    failed = outcome.verdict == "fail"
    unsure = outcome.verdict == "unknown" and not outcome.place.cut
    return (not failed, not unsure, -(slowest(outcome) or 0.0), key(outcome.place))


def _slim(outcome: Outcome) -> Outcome:
    """Without what the list of the worst has no use for."""
    return Outcome(
        place=outcome.place,
        ended=outcome.ended,
        seconds=outcome.seconds,
        verdict=outcome.verdict,
        reasons=outcome.reasons,
        audio=outcome.audio,
        reconnects=outcome.reconnects,
        outages=outcome.outages,
    )


def _add_all(into: dict[str, Histogram], several: dict[str, Encoded]) -> None:
    for figure, each in several.items():
        into[figure].merge(Histogram.decoded(each))


def _merge_all(into: dict[str, Histogram], several: dict[str, Histogram]) -> None:
    for figure, each in several.items():
        into[figure].merge(each)
