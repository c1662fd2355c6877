"""What changed between two sides, measure by measure, with all that stands around a change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from replay.checks import Checked
from replay.compare import Comparison
from replay.compare.changes import Change
from replay.compare.comparison import scale_of
from replay.conditions import Condition, parse_condition


class Row(Struct, kw_only=True):
    """A change, in its own unit.

    decides: the verdict stands on it. least: a smaller change is none, however sure, more or less.
    limits: lines that conditions draw.
    """

    change: Change
    decides: bool
    least: float
    limits: list[float]


class Forest(Struct, kw_only=True):
    """`deciding`: what the verdict stands on. `judged`: the others of groups that have a verdict of
    their own; `advisory`: everything else."""

    deciding: list[Row]
    judged: list[Row]
    advisory: list[Row]


def forest(found: Comparison) -> Forest:
    """All changes of a comparison. Where there are conditions, the verdict stands on them."""
    limits = list(_limits(found.conditions))
    named = {each.name for each in limits}
    decide = named if found.conditions else {_name(each) for each in found.latency.changes}
    grouped = [*found.latency.changes, *found.stability.changes, *found.accuracy.changes]
    judged = list(_rows(grouped, decide, limits))
    advisory = list(_rows(found.advisory, decide, limits))
    return Forest(
        deciding=[each for each in (*judged, *advisory) if each.decides],
        judged=[each for each in judged if not each.decides],
        advisory=[each for each in advisory if not each.decides],
    )


def _limits(conditions: Sequence[Checked]) -> Iterator[Condition]:
    """Those that are about a change."""
    for each in conditions:
        condition = parse_condition(each.text)
        if condition.relative:
            yield condition


def _name(each: Change) -> str:
    return f"{each.figure}.{each.statistic}" if each.statistic else each.figure


def _rows(
    changes: Sequence[Change], decide: set[str], limits: Sequence[Condition]
) -> Iterator[Row]:
    for each in changes:
        least, _ = scale_of(each.figure).sizes(each.base)
        yield Row(
            change=each,
            decides=_name(each) in decide,
            least=least,
            limits=[
                limit.value * (abs(each.base) if limit.percent else 1.0)
                for limit in limits
                if limit.name == _name(each)
            ],
        )
