"""The machine that says when a fault fires. Pure: it is told what passes and what time it is.

Each rule becomes a walker that goes from wait to wait. An event moves on the walkers that wait for
it, a timer those whose time has come; one that has no more to wait for fires its fault, and sends
off a walker for the step that follows and one for the next repetition. A fault that needs a
connection, and comes due while there is none, fires when the next one opens: what was asked for is
not lost in an outage.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from itertools import count
from random import Random

from replay.faults.coordinates import Called, Coordinates, Position
from replay.faults.events import AudioUp, ConnectionOpened, Event
from replay.faults.kinds import Fault
from replay.faults.moments import (
    CONN,
    START,
    Elapsed,
    Seen,
    SentAudio,
    SentBytes,
    names,
)
from replay.faults.rules import Plan, Rule, unsaid
from replay.faults.running import NS, AnyWait, Reached, Running, Walker
from replay.faults.spec import Scope


def _ns(seconds: float) -> int:
    return round(seconds * NS)


@dataclass(frozen=True, slots=True)
class Firing:
    """A fault to do now. `rule`: its number in the plan, from 0; `step`: of the rule, from 0."""

    rule: int
    step: int
    fault: Fault
    at: Coordinates


#: A count or an instant to be reached, the order of arrival among equals, and who waits.
_Place = tuple[int, int, Walker]
#: Bytes of audio that have come up, and how far they reach into the session's audio.
_SENT, _OFFSET = "sent", "offset"


class Schedule:
    """Says when each fault of a plan fires in one session. Times in seconds of any one clock; they
    are kept in whole nanoseconds, so that sums do not depend on the order of adding.

    Args:
        rng: only for the times between repeated firings; rules draw independently of each other.
        bytes_per_second: of the session's audio.
    """

    def __init__(self, plan: Plan, rng: Random, *, bytes_per_second: int) -> None:
        self._rng = rng
        self._bytes_per_second = bytes_per_second
        self._position = Position()
        self._moment: Called | None = None  # what happens right now
        self._running: list[Running] = []
        self._counts: Counter[str] = Counter()
        self._gates: defaultdict[str, list[_Place]] = defaultdict(list)
        self._timers: list[_Place] = []
        self._order = count()
        self._deferred: list[Walker] = []
        for rule in plan:
            self._admit(rule)

    def start(self, now: float) -> list[Firing]:
        """The injector is ready: what fires at `start`. To be called once, before all else."""
        ns = _ns(now)
        self._position.started(ns)
        self._moment = (START, 1, 0, 0)
        return [*self._happened(START, ns), *self._settle(ns)]

    def observe(self, event: Event, now: float) -> list[Firing]:
        """What had come due before, and what fires because of this event."""
        fired, ns = self.tick(now), _ns(now)
        called = names(event)
        self._moment = self._position.passed(event, called, ns)
        if isinstance(event, ConnectionOpened):
            fired += self._opened(ns)
        elif isinstance(event, AudioUp):
            fired += self._sent(event.size, ns)
        for name in called:
            fired += self._happened(name, ns)
        return fired + self._settle(ns)

    def due(self) -> float | None:
        """When `tick` should be called next, if nothing passes before."""
        return self._timers[0][0] / NS if self._timers else None

    def tick(self, now: float) -> list[Firing]:
        """What has come due."""
        self._moment = None
        return self._settle(_ns(now))

    def add(self, rule: Rule, now: float) -> list[Firing]:
        """One more rule, by hand: its times and counts begin now, and without a moment it fires at
        once. Its number is the next one."""
        number = len(self._running)
        running = self._enrol(rule)
        running.origin = ns = _ns(now)
        waits = rule.head.waits
        if not rule.repeat and waits == unsaid(rule.head.fault):
            waits = ()
        elif waits[:1] == (Seen(START),):
            waits = waits[1:]
        elif not waits:
            waits = (Elapsed(running.pause()),)
        self._moment = None
        return [*self._go_on(self._head(number, waits), ns, ns), *self._settle(ns)]

    def set_rate(self, bytes_per_second: int) -> None:
        """The format of the session's audio is known now; to be told before any has come."""
        self._bytes_per_second = bytes_per_second
        for _, _, walker in self._gates.pop(_OFFSET, []):
            said = self._running[walker.rule].rule.head.waits
            if walker.step == 0 and isinstance(said[0], SentAudio):
                walker.waits = (Reached(self._bytes(said[0].ns)), *walker.waits[1:])
            self._wait(walker)

    def withdraw(self, number: int) -> None:
        """That rule fires no more."""
        self._running[number].withdrawn = True

    # ------------------------------------------------------------------ what moves walkers

    def _opened(self, now: int) -> list[Firing]:
        for running in self._running:
            if running.origin is None:
                running.origin = now
        waiting, self._deferred = self._deferred, []
        return [firing for walker in waiting for firing in self._fire(walker, now)]

    def _happened(self, name: str, now: int) -> list[Firing]:
        self._counts[name] += 1
        return self._open_gate(name, now)

    def _sent(self, size: int, now: int) -> list[Firing]:
        self._counts[_SENT] += size
        self._counts[_OFFSET] = self._position.offset
        return self._open_gate(_SENT, now) + self._open_gate(_OFFSET, now)

    def _open_gate(self, name: str, now: int) -> list[Firing]:
        """Lets go on who waited for a count that is reached."""
        gate, count = self._gates[name], self._counts[name]
        arrived: list[Walker] = []
        while gate and gate[0][0] <= count:
            arrived.append(heapq.heappop(gate)[2])
        return [firing for walker in arrived for firing in self._passed(walker, now)]

    def _settle(self, now: int) -> list[Firing]:
        """Lets all timers run out that are due, and those that they start."""
        fired: list[Firing] = []
        while self._timers and self._timers[0][0] <= now:
            due, _, walker = heapq.heappop(self._timers)
            fired += self._go_on(walker, due, now)
        return fired

    # ------------------------------------------------------------------ walkers

    def _enrol(self, rule: Rule) -> Running:
        # The draws of one rule must not depend on what happens to the others.
        running = Running(rule, Random(self._rng.getrandbits(64)))  # noqa: S311
        self._running.append(running)
        return running

    def _admit(self, rule: Rule) -> None:
        """Sends off the first walker of a rule of the plan."""
        number = len(self._running)
        running = self._enrol(rule)
        waits: tuple[AnyWait, ...] = rule.head.waits or (Elapsed(running.pause()),)
        match waits[0]:
            case Elapsed():
                waits = (Seen(CONN), *waits)
            case SentBytes(size):
                waits = (Reached(size), *waits[1:])
            case SentAudio(ns):
                waits = (Reached(self._bytes(ns)), *waits[1:])
        self._wait(self._head(number, waits))

    def _head(self, number: int, waits: tuple[AnyWait, ...]) -> Walker:
        repeat = self._running[number].rule.repeat
        return Walker(number, 0, waits, again=repeat is not None and repeat.period is None)

    def _wait(self, walker: Walker) -> None:
        """Puts a walker where it waits for an event or for audio."""
        match walker.waits[0]:
            case Seen(name, n):
                self._put(walker, name, self._counts[name] + n)
            case SentBytes(size):
                self._put(walker, _SENT, self._counts[_SENT] + size)
            case SentAudio(ns):
                self._put(walker, _SENT, self._counts[_SENT] + self._bytes(ns))
            case Reached(offset):
                self._put(walker, _OFFSET, offset)

    def _put(self, walker: Walker, gate: str, count: int) -> None:
        heapq.heappush(self._gates[gate], (count, next(self._order), walker))

    def _passed(self, walker: Walker, now: int) -> list[Firing]:
        """A walker's first wait is over, by something that happened now."""
        first, *rest = walker.waits
        if walker.again and isinstance(first, Seen):
            turn = walker.turn + 1
            if not self._running[walker.rule].over(turn, now):
                waits = (Seen(first.name), *rest)
                self._wait(replace(walker, waits=waits, turn=turn))
        walker.again = False
        walker.waits = tuple(rest)
        return self._go_on(walker, now, now)

    def _go_on(self, walker: Walker, at: int, now: int) -> list[Firing]:
        """Sends a walker to its next wait, which counts from `at`, or lets it fire."""
        if not walker.waits:
            return self._arrive(walker, at, now)
        first, *rest = walker.waits
        if isinstance(first, Elapsed):
            walker.waits = tuple(rest)
            self._set_timer(walker, at + first.ns)
        else:
            self._wait(walker)
        return []

    def _set_timer(self, walker: Walker, due: int) -> None:
        heapq.heappush(self._timers, (due, next(self._order), walker))

    def _arrive(self, walker: Walker, at: int, now: int) -> list[Firing]:
        """A walker has nothing more to wait for since `at`."""
        running = self._running[walker.rule]
        if walker.step == 0 and running.repeat.period is not None:
            due = at + running.pause()
            if not running.over(walker.turn + 1, due):
                self._set_timer(Walker(walker.rule, 0, (), walker.turn + 1), due)
        step = running.rule.steps[walker.step]
        if step.fault.spec.scope is Scope.CONNECTION and not self._position.alive:
            pending = ((other.rule, other.step) for other in self._deferred)
            if (walker.rule, walker.step) not in pending:
                self._deferred.append(walker)
            return []
        return self._fire(walker, now)

    def _fire(self, walker: Walker, now: int) -> list[Firing]:
        running = self._running[walker.rule]
        if running.over(walker.turn, now):
            return []
        at = self._position.coordinates(now, self._moment)
        steps = running.rule.steps
        firing = Firing(walker.rule, walker.step, steps[walker.step].fault, at)
        following = walker.step + 1
        if following == len(steps):
            return [firing]
        follower = Walker(walker.rule, following, steps[following].waits, walker.turn)
        return [firing, *self._go_on(follower, now, now)]

    def _bytes(self, ns: int) -> int:
        """Bytes of `ns` of audio, rounded up."""
        return -(-ns * self._bytes_per_second // NS)
