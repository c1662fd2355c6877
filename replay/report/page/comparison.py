"""The page of a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from replay import __version__
from replay.bench.sides import Loaded
from replay.benchmark import Benchmark
from replay.charts import pooled
from replay.compare import Comparison
from replay.report.page import parts, sides
from replay.report.page.cells import Fact
from replay.report.page.provenance import configuration, of_machine
from replay.report.page.render import render
from replay.report.page.versus import groups, versus
from replay.statistics import RULE


def page_of_comparison(found: Comparison, base: Loaded, new: Loaded) -> bytes:
    """One self-contained HTML file; `base` and `new` are what was compared."""
    names = {
        each.sha256: each.name
        for side in (base, new)
        if side.benchmark is not None
        for each in side.benchmark.recordings
    }
    tabs = parts.tabs(
        [
            (side.side.label, pooled.of_samples([take.sample for take in side.side.takes]), None)
            for side in (base, new)
        ]
    )
    there = [("comparison", "Comparison", True), ("distributions", "Distributions", bool(tabs))]
    there += [("sides", "The sides", True)]
    return render(
        "comparison.html.j2",
        version=__version__,
        rule=RULE,
        sections=[(name, title) for name, title, known in there if known],
        packed=[],
        found=found,
        groups=groups(found),
        versus=versus(found, base.side, new.side, names),
        tabs=tabs,
        curve_sides=[(base.side.label, False), (new.side.label, False)],
        compared=[_side("base", base), _side("new", new)],
    )


def _side(which: str, side: Loaded) -> dict[str, Any]:
    found = side.benchmark
    return {
        "title": f"{side.side.label} ({which})",
        "invalid": side.invalid,
        "facts": [] if found is None else list(_facts(found)),
        "tables": [] if found is None else sides.tables(found.measured[:1]),
        "recordings": [] if found is None else sides.recordings(found, found.measured[0]),
        "config": "" if found is None else configuration(found.measured[0].arm.config),
    }


def _facts(found: Benchmark) -> Iterator[Fact]:
    yield Fact("measurement", found.validity.verdict, "; ".join(found.validity.reasons))
    yield Fact("begun", found.created_at)
    yield Fact("replay", found.replay_version)
    yield Fact("rounds", f"{found.runs}, {found.warmup} of warm-up before them")
    arm = found.measured[0].arm
    yield Fact("target", arm.label, "; ".join([*arm.sandbox, *arm.faults]))
    yield from of_machine(found.machine)
