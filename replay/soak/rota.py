"""Who plays when: sessions one after another in each slot, a pure function of the plan.

A slot has a session or waits for its next one. Times are seconds of the soak's clock, which stands
still while the soak is stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

Profile = Literal["constant", "ramp", "steps", "spike"]
PROFILES: tuple[Profile, ...] = ("constant", "ramp", "steps", "spike")

#: `steps`: so many of them, of equal height and length.
_STEPS = 4
#: `spike`: where its spikes begin and how long each is, as shares of the soak; and the share of the
#: slots that play all the time.
_SPIKES, _SPIKE, _BASE = (0.2, 0.5, 0.8), 0.08, 0.25
#: Less audio than this, in seconds, is no session.
LEAST_SECONDS = 3.0
#: A session may begin so late and still be one.
_LATE_SECONDS = 1.0


class Rota(Struct, kw_only=True, frozen=True):
    """Attributes:
    seconds: how long it all goes on.
    sessions: slots, at the most at once.
    session_length: seconds after which a session makes room for the next one in its slot.
    ramp: seconds over which slots that begin together are spread.
    shard: which part of the slots this machine has, from 1, and of how many parts.
    """

    seconds: float
    sessions: int
    session_length: float
    ramp: float = 0.0
    profile: Profile = "constant"
    shard: tuple[int, int] = (1, 1)

    @property
    def slots(self) -> list[int]:
        """Those of this shard."""
        part, parts = self.shard
        return [slot for slot in range(self.sessions) if slot % parts == part - 1]


@dataclass(frozen=True, slots=True)
class Visit:
    """One session's place. `number`: in its slot, from 1."""

    slot: int
    number: int
    begin: float
    end: float


def visits(rota: Rota, slot: int, since: float = 0.0) -> Iterator[Visit]:
    """The slot's sessions in order; from `since` on, with what is left of one that had begun then.

    The first session of a slot is cut to a length of its own, so that not all sessions make room
    at the same moment.
    """
    number = 0
    for begin, end in _spans(rota, slot):
        first = rota.session_length * (slot + 1) / rota.sessions
        at, until = begin, begin + max(first, LEAST_SECONDS + _LATE_SECONDS)
        while at < end:
            if end - until < LEAST_SECONDS:
                until = end  # no crumbs
            number += 1
            start = max(at, since)
            if until - start >= LEAST_SECONDS:
                yield Visit(slot, number, start, until)
            at, until = until, until + rota.session_length


def _spans(rota: Rota, slot: int) -> Iterator[tuple[float, float]]:
    """When the slot is to play."""
    share = slot / rota.sessions
    late = rota.ramp * share
    match rota.profile:
        case "constant":
            yield late, rota.seconds
        case "ramp":
            yield rota.seconds * share, rota.seconds
        case "steps":
            step = int(share * _STEPS)
            length = rota.seconds / _STEPS
            within = share * _STEPS - step
            yield step * length + min(rota.ramp, length) * within, rota.seconds
        case "spike" if share < _BASE:
            yield late, rota.seconds
        case "spike":
            length = rota.seconds * _SPIKE
            spread = min(rota.ramp, length / 2) * share
            for spike in _SPIKES:
                yield rota.seconds * spike + spread, rota.seconds * spike + length
