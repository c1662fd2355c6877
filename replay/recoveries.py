"""How long recoveries took, over many runs and by the kind of fault: a fold over their outages."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from replay.errors import FaultSyntaxError
from replay.faults import parse_fault
from replay.outages import Outage
from replay.statistics import Distribution, distribution


class Recovery(Struct, kw_only=True):
    """All outages of one kind, in ms and bytes; the figures are named as in `Outage`.

    fault: the kind that brought them, None where no fault did. `n` of a step may be below
    `outages`: it was not reached each time, or does not apply.
    """

    fault: str | None
    outages: int
    down_ms: Distribution
    detect_ms: Distribution
    backoff_ms: Distribution
    connect_ms: Distribution
    flush_ms: Distribution
    first_ack_ms: Distribution
    first_transcript_ms: Distribution
    caught_up_ms: Distribution
    resent_bytes: Distribution


def recoveries(outages: Iterable[Outage]) -> list[Recovery]:
    """The outages of any number of runs, by kind of fault, in the order of its name."""
    kinds: dict[str, list[Outage]] = {}
    for each in outages:
        kinds.setdefault(kind_of(each.fault), []).append(each)
    return [_recovery(kind, kinds[kind]) for kind in sorted(kinds)]


def _recovery(kind: str, mine: list[Outage]) -> Recovery:
    return Recovery(
        fault=kind or None,
        outages=len(mine),
        down_ms=_of(each.down_ms for each in mine),
        detect_ms=_of(each.detect_ms for each in mine),
        backoff_ms=_of(each.backoff_ms for each in mine),
        connect_ms=_of(each.connect_ms for each in mine),
        flush_ms=_of(each.flush_ms for each in mine),
        first_ack_ms=_of(each.first_ack_ms for each in mine),
        first_transcript_ms=_of(each.first_transcript_ms for each in mine),
        caught_up_ms=_of(each.caught_up_ms for each in mine),
        resent_bytes=_of(each.resent_bytes for each in mine),
    )


def kind_of(fault: str | None) -> str:
    """A fault's kind by its name, of a fault as it was written; empty for none."""
    if not fault:
        return ""
    try:
        return parse_fault(fault).kind
    except FaultSyntaxError:
        return fault


def _of(values: Iterable[float | None]) -> Distribution:
    return distribution([each for each in values if each is not None])
