"""A comparison in the words and pictures of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from replay.charts import forest as charts
from replay.charts.recordings import differences
from replay.checks import Checked
from replay.compare import Comparison, Side
from replay.compare.comparison import GATED, Group
from replay.report.page import bars
from replay.report.page.cells import percent, plural

#: Recordings shown one by one; of more, those that changed most either way.
_RECORDINGS = 40


@dataclass(frozen=True, slots=True)
class Versus:
    """`limited`: conditions draw lines; `moves`: by measure, where both sides' values are known."""

    intro: str
    deciding: list[bars.Intervals]
    judged: list[bars.Intervals]
    judged_title: str
    advisory: list[bars.Intervals]
    advisory_count: int
    conditions: list[Checked]
    limited: bool
    moves: list[bars.Moves]


def versus(
    found: Comparison, base: Side | None, new: Side | None, names: Mapping[str, str]
) -> Versus:
    """`base`, `new`: every value of both sides, where they are at hand. `names`: of recordings, by
    what they go by in sides."""
    rows = charts.forest(found)
    return Versus(
        intro=_intro(found),
        deciding=bars.intervals("What the verdict stands on", rows.deciding),
        judged=bars.intervals("Judged beside it", rows.judged),
        judged_title=_judged(found),
        advisory=bars.intervals("Advisory", rows.advisory),
        advisory_count=len(rows.advisory),
        conditions=found.conditions,
        limited=any(row.limits for row in rows.deciding),
        moves=[] if base is None or new is None else list(_moves(base, new, names)),
    )


def groups(found: Comparison) -> list[Group]:
    """Those that were measured, the one that decides first."""
    every = (found.latency, found.stability, found.accuracy)
    return [each for each in every if each.changes or each.reasons]


def _intro(found: Comparison) -> str:
    first, second = found.rounds
    how = "played in turns" if found.interleaved else "played apart"
    return (
        f"{found.new} against {found.base}: the same items of the same audio in pairs, "
        f"{plural(first, 'round')} against {second}, {how}. An interval holds what comes of which "
        "recordings were taken (or, of a single one, which utterances: the "
        "clusters), and of how rounds differ from each other. Of comparisons of a thing with "
        f"itself, at most {percent(found.false_alarms, 0)} are called worse; of changes of "
        f"the size that could be found, {percent(found.power, 0)} are."
    )


def _judged(found: Comparison) -> str:
    said = [f"{group.name} {group.verdict}" for group in (found.stability, found.accuracy)]
    if found.conditions:
        said.insert(0, f"latency {found.latency.verdict}")
    return f"Judged beside it: {', '.join(said)}"


def _moves(base: Side, new: Side, names: Mapping[str, str]) -> Sequence[bars.Moves]:
    found = []
    for measure in reversed(GATED):
        rows = differences(base, new, measure)
        if len(rows) > _RECORDINGS:
            half = _RECORDINGS // 2
            rows = [*rows[:half], *rows[-half:]]
        if rows:
            found.append(bars.moves(measure, rows, names))
    return found
