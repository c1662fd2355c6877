"""What to try next: upwards by doubling, then ever narrower, the deciding steps more than once.

A pure function of what was tried so far. A step that held is believed while the search goes on; one
that did not is tried again at once, and two of at most three tries decide, so that one burst of
another program does not. The answer itself must have held twice. A session that the target refused
or lost is decisive at once: no burst of ours does that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

#: How a step went. `missed`: a condition did not hold; `lost`: the target lost a session or its
#: audio; `refused`: it would not open one more; `strained`: our own client was the limit.
State = Literal["held", "missed", "lost", "refused", "strained", "unknown"]
#: What keeps the answer from being larger. `most`: nobody asked for more.
Limit = Literal["missed", "lost", "refused", "client", "most", "unknown"]

#: So many tries of one kind decide a number of sessions.
_DECIDE = 2
#: No more sessions at a leap than would take so much of a core.
_BEYOND = 1.15
_DECISIVE = ("lost", "refused")


@dataclass(frozen=True, slots=True)
class Try:
    """One step. `opened`: how many sessions the target had let in when it refused one; `busiest`:
    the largest share of a core that a process took, as far as that is known."""

    sessions: int
    state: State
    opened: int = 0
    busiest: float = 0.0


@dataclass(frozen=True, slots=True)
class Range:
    """Where to search. `step`: how finely, in sessions, or below 1 as a share of them."""

    start: int = 8
    step: float = 0.1
    most: int | None = None

    def grain(self, sessions: int) -> int:
        """The difference that does not matter at so many sessions."""
        return max(1, int(self.step if self.step >= 1 else self.step * sessions))


@dataclass(frozen=True, slots=True)
class Found:
    """The end of a search: `sessions` is the most that held, and `above` the least that did not,
    None where nothing did not."""

    sessions: int
    limit: Limit
    above: int | None = None


class _Tries:
    """All tries of one number of sessions."""

    def __init__(self) -> None:
        self.states: list[State] = []
        self.busiest = 0.0

    @property
    def held(self) -> int:
        return self.states.count("held")

    @property
    def bad(self) -> int:
        return len(self.states) - self.held

    @property
    def fails(self) -> bool:
        """It is decided that this is too many."""
        return self.bad >= _DECIDE or any(each in self.states for each in _DECISIVE)

    @property
    def holds(self) -> bool:
        """Nothing speaks against it, as far as it was tried."""
        return not self.fails and (self.held >= _DECIDE or not self.bad)

    @property
    def confirmed(self) -> bool:
        return not self.fails and self.held >= _DECIDE

    @property
    def limit(self) -> Limit:
        for each in _DECISIVE:
            if each in self.states:
                return "lost" if each == "lost" else "refused"
        return "client" if "strained" in self.states else "missed"


def follow(where: Range, tries: Iterable[Try]) -> int | Found:
    """How many sessions to try next, or what was found."""
    done, ceiling, unknown = _gather(tries)
    low, high = _bounds(done)
    if unknown:
        return Found(low, "unknown", high)
    undecided = next((n for n, each in done.items() if not each.fails and not each.holds), None)
    if undecided is not None:
        return undecided
    if ceiling is not None:
        if low < ceiling and ceiling not in done:
            return ceiling  # as many as it let in: does it hold those?
        high = min(ceiling + 1, high or ceiling + 1)
    wanted = _upwards(low, done, where) if high is None else _between(low, high, where)
    if wanted is not None:
        return wanted
    if low and not done[low].confirmed:
        return low
    if high is None:
        return Found(low, "most")
    return Found(low, done[high].limit if high in done else "refused", high)


def _gather(tries: Iterable[Try]) -> tuple[dict[int, _Tries], int | None, bool]:
    """The tries by their number of sessions; how many a target that refuses let in; whether one
    could not be judged."""
    done: dict[int, _Tries] = {}
    ceiling: int | None = None
    unknown = False
    for each in tries:
        tries_of = done.setdefault(each.sessions, _Tries())
        tries_of.states.append(each.state)
        tries_of.busiest = each.busiest
        unknown = unknown or each.state == "unknown"
        if each.state == "refused":
            ceiling = min(each.opened, ceiling if ceiling is not None else each.opened)
    return done, ceiling, unknown


def _bounds(done: dict[int, _Tries]) -> tuple[int, int | None]:
    """The most that hold below the fewest that do not, and those."""
    high = min((n for n, each in done.items() if each.fails), default=None)
    held: Iterator[int] = (
        n for n, each in done.items() if each.holds and (high is None or n < high)
    )
    return max(held, default=0), high


def _upwards(low: int, done: Mapping[int, _Tries], where: Range) -> int | None:
    """Twice as many, or None when more are not wanted.

    Far beyond a full core nothing is learnt, and it takes long to get over.
    """
    wanted = max(where.start, low * 2)
    if low and done[low].busiest > 0:
        full = int(_BEYOND * low / done[low].busiest)
        wanted = min(wanted, max(full, low + where.grain(low)))
    if where.most is not None:
        wanted = min(wanted, where.most)
    return wanted if wanted > low else None


def _between(low: int, high: int, where: Range) -> int | None:
    """A number between the two, or None when they are near enough."""
    if not low:
        return high // 2 or None  # nothing has held yet: downwards
    return (low + high) // 2 if high - low > where.grain(low) else None
