"""What a trace is made of. All times are journal time, in ns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted. `inner`: what happened within it, in order, one after the other."""

    name: str
    start: int
    end: int
    facts: Facts = field(default_factory=dict)
    inner: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """Something that happened at a moment."""

    name: str
    at: int
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Track:
    """Attributes:
    group: whose it is, among other tracks.
    overlapping: spans may begin before others end; otherwise they follow each other.
    """

    group: str
    name: str
    spans: list[Span] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    overlapping: bool = False


@dataclass(frozen=True, slots=True)
class Counter:
    """A quantity over time: `values` at `times`, each until the next."""

    group: str
    name: str
    times: list[int]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Trace:
    """`zero`: where the plan begins."""

    zero: int
    tracks: list[Track]
    counters: list[Counter]


#: The groups of tracks.
CLIENT, WAY, SERVICE = "client", "connection", "service"


def lanes(
    group: str, name: str, spans: Iterable[Span], points: Sequence[Point] = ()
) -> list[Track]:
    """As few tracks as it takes for spans not to overlap; points go on the first."""
    ends: list[int] = []
    found: list[list[Span]] = []
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        free = next((k for k, end in enumerate(ends) if end <= span.start), len(found))
        if free == len(found):
            found.append([])
            ends.append(0)
        found[free].append(span)
        ends[free] = span.end
    first, *others = found or [[]]
    return [
        Track(group, name, first, list(points)),
        *(Track(group, f"{name}, {number}", lane) for number, lane in enumerate(others, 2)),
    ]
