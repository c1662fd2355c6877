"""Stretches of a session in which something was the matter: outages, and faults that were done."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from replay.journal import Connected, FaultFired
from replay.outages import losses
from replay.reading import Reading
from replay.timeline import Timeline

_NS_PER_MS = 1e6


class Shade(Struct, kw_only=True, omit_defaults=True):
    """In ms from the plan's zero.

    kind: outage, from the last sign of life until it had settled; down, the part of it without a
    connection; fault, which may be a moment.
    """

    kind: Literal["outage", "down", "fault"]
    begun: float
    over: float
    text: str = ""


def shades(reading: Reading) -> list[Shade]:
    """Every one of a run, by when it began; an outage before what is part of it."""
    timeline = reading.timeline
    found = []
    for (begun, over), outage in zip(reading.windows, reading.outages, strict=True):
        why = outage.fault or outage.cause
        text = f"connection {outage.connection} lost ({why})"
        found.append(_shade(timeline, "outage", begun, over, text))
    opened = [each.t for each in timeline.all(Connected)]
    for lost in losses(timeline):
        back = min((t for t in opened if t >= lost.t), default=timeline.last)
        found.append(_shade(timeline, "down", lost.t, back, "no connection"))
    found += [
        _shade(timeline, "fault", each.t, each.t if each.until is None else each.until, each.text)
        for each in timeline.all(FaultFired)
    ]
    return sorted(found, key=lambda each: each.begun)


def _shade(
    timeline: Timeline, kind: Literal["outage", "down", "fault"], begun: int, over: int, text: str
) -> Shade:
    return Shade(
        kind=kind,
        begun=round((begun - timeline.zero) / _NS_PER_MS, 1),
        over=round((over - timeline.zero) / _NS_PER_MS, 1),
        text=text,
    )
