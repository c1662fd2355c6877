"""A session played to a `Schedule`, in virtual seconds, by a client that always comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from replay.faults import Firing, Plan, Schedule, parse_plan
from replay.faults import events as e

RATE = 32000
#: Faults after which this client's connection is gone.
DEADLY = {"reset", "fin", "close", "cutframe"}


@dataclass
class Stage:
    """One second before the client comes, then a frame and its acknowledgement every 100 ms.

    Everything that was acknowledged stays sent; an outage lasts `outage` seconds. `seen` holds
    each firing with its time in ms.
    """

    plan: Plan
    seconds: float = 60.0
    outage: float = 2.0
    seed: int = 1
    seen: list[tuple[int, Firing]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._schedule = Schedule(self.plan, Random(self.seed), bytes_per_second=RATE)
        self._ms = 0
        self._connection = 0
        self._alive = False
        self._back_at = 1000

    def play(self) -> Stage:
        """To the end; leaps from one thing to the next."""
        self._take(self._schedule.start(0.0))
        offset = acks = 0
        end = round(self.seconds * 1000)
        for self._ms in range(1000, end, 50):
            self._take(self._schedule.tick(self._now))
            if not self._alive and self._ms >= self._back_at:
                self._tell(e.Reconnecting(1)) if self._connection else None
                self._connection += 1
                self._alive = True
                self._tell(e.ConnectionOpened(self._connection))
            if self._alive and self._ms % 100 == 0:
                self._tell(e.AudioUp(self._connection, offset, RATE // 10))
                acks += 1
                if self._alive and not self._tell(e.AckAboutToPass(acks)):
                    self._tell(e.AckDown(acks, offset, offset + RATE // 10))
                    offset += RATE // 10
        self._ms = end
        self._tell(e.StopUp())
        return self

    @property
    def fired(self) -> list[tuple[int, str]]:
        """When, in ms, and what."""
        return [(at, str(firing.fault)) for at, firing in self.seen]

    @property
    def _now(self) -> float:
        return self._ms / 1000

    def _tell(self, event: e.Event) -> bool:
        return self._take(self._schedule.observe(event, self._now))

    def _take(self, firings: list[Firing]) -> bool:
        for firing in firings:
            self.seen.append((self._ms, firing))
        if self._alive and any(firing.fault.kind in DEADLY for firing in firings):
            self._alive = False
            self._back_at = self._ms + round(self.outage * 1000)
            self._tell(e.ConnectionLost(self._connection))
        return bool(firings)


def played(*texts: str, **settings: float) -> Stage:
    """A session with these rules, to its end."""
    return Stage(parse_plan(texts), **settings).play()  # type: ignore[arg-type]
