"""The sessions of a benchmark that its page looks into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from replay import waterfall
from replay.bench import revisit
from replay.bench.revisit import Visit
from replay.benchmark import Benchmark
from replay.charts import falls, slowest
from replay.charts.slowest import Measure, Slow
from replay.report.numbers import ms
from replay.report.page import parts, sides
from replay.report.page.render import pack
from replay.statistics import Distribution

_SLOWEST = 12
#: Timelines take no more of a page than this, packed; the first is there whatever it takes.
_ROOM = 2_500_000
_SESSIONS = 6


@dataclass(frozen=True, slots=True)
class Shown:
    """A session whose timeline is in the page."""

    id: str
    path: str
    label: str
    data: Markup


def timelines(root: Path, visited: Sequence[Visit]) -> list[Shown]:
    """The telling sessions, as far as there is room for them; there is for one."""
    slow = [
        visited[number]
        for measure in ("first", "final")
        for number, _ in _slowest(visited, measure)[:1]
    ]
    shown: list[Shown] = []
    room = _ROOM
    for why, visit in revisit.telling(visited, slow)[:_SESSIONS]:
        found = revisit.timeline(root, visit.played)
        data = None if found is None else pack(found)
        if data is None or (shown and len(data) > room):
            continue
        room -= len(data)
        middle = "" if visit.middle is None else f", finals p50 {ms(visit.middle)} ms"
        label = f"{_place(visit)} ({why}{middle})"
        shown.append(Shown(f"session-{len(shown)}", visit.played.path, label, data))
    return shown


def _place(visit: Visit) -> str:
    return f"{visit.arm}, {sides.place(visit.played.round)}, {visit.played.recording}"


def _slowest(visited: Sequence[Visit], measure: Measure) -> list[tuple[int, Slow]]:
    runs = [
        (one.played.recording, one.slow[measure] if one.played.counts else []) for one in visited
    ]
    return slowest.merge(runs, measure, _SLOWEST)


def why(found: Benchmark, visited: Sequence[Visit], shown: Sequence[Shown]) -> dict[str, Any]:
    """The waterfall and the slowest words of the last side's sessions."""
    last = found.measured[-1]
    figures = [
        (name, value)
        for name in waterfall.STEPS
        if isinstance(value := last.figures.get(f"step_{name}"), Distribution)
    ]
    bounds = [one.bound_ms for one in visited if one.bound_ms is not None and one.played.counts]
    off = f"± {max(bounds):.1f} ms at most" if bounds else "whose error its sessions tell"
    taken = falls.merge(
        [
            (
                one.played.recording,
                one.falls if one.arm == last.arm.name and one.played.counts else [],
            )
            for one in visited
        ]
    )
    ids = {one.path: one.id for one in shown}

    names = [one.played.recording for one in visited]

    def place(number: int) -> tuple[str, str]:
        visit = visited[number]
        return _place(visit), ids.get(visit.played.path, "")

    return {
        "waterfall": parts.waterfall(figures, off, taken, "From all recordings", names),
        "waterfall_side": sides.title(found, last),
        "slow": parts.slow_lists(
            {measure: _slowest(visited, measure) for measure in slowest.MEASURES}, place
        ),
        "gone": not visited,
    }
