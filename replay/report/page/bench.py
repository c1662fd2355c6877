"""The page of a benchmark."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from replay import __version__, benchmark
from replay.bench import revisit
from replay.bench.revisit import Visit
from replay.bench.store import Store
from replay.benchmark import Arm, Benchmark, Measured
from replay.catalogue import CATALOGUE
from replay.charts import course, pooled, recordings
from replay.compare import Side
from replay.errors import UsageError
from replay.report.page import bench_sessions as sessions
from replay.report.page import cells, parts, plots, sides
from replay.report.page.cells import Fact, plural
from replay.report.page.fields import Field
from replay.report.page.provenance import bench_command, configuration, of_machine
from replay.report.page.render import render
from replay.report.page.versus import Versus, groups, versus
from replay.report.sentences import STEPS
from replay.statistics import Distribution, Floats, Series
from replay.wire.http import redact

_SLOWEST = 12
#: Timelines take no more of a page than this, packed; the first is there whatever it takes.
_ROOM = 2_500_000
_SESSIONS = 6
#: More sessions than this are listed only when somebody wants them.
_LISTED = 24


def page_of_benchmark(root: Path, found: Benchmark, base: Benchmark | None = None) -> bytes:
    """One self-contained HTML file.

    Args:
        root: the benchmark's directory. Runs that are not there any more are not shown one by one.
        base: what it was compared with, where that is another benchmark.
    """
    visited = list(revisit.visits(root, found))
    shown = sessions.timelines(root, visited)
    against = _against(found, base)
    values = {
        **_head(found),
        "assertions": found.assertions,
        "versus": against,
        **_figures(found, base, visited),
        **_rounds(found, visited),
        "recordings": [
            (sides.title(found, each), sides.recordings(found, each)) for each in found.measured
        ],
        "sessions": [{"id": one.id, "label": one.label} for one in shown],
        "packed": [(one.id, one.data) for one in shown],
        **sessions.why(found, visited, shown),
        "plays": sides.plays(found),
        "plays_open": sum(len(each.plays) for each in found.measured) <= _LISTED,
        "recovery_steps": list(STEPS.values()),
        "recoveries": [
            (sides.title(found, each), rows)
            for each in found.measured
            if (rows := sides.recoveries(each))
        ],
        **_origin(root, found),
    }
    return render(
        "bench.html.j2",
        version=__version__,
        rule=found.quantiles,
        sections=_sections(values),
        **values,
    )


def _sections(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    there = (
        ("comparison", "Comparison", values["versus"]),
        ("figures", "Figures", True),
        ("distributions", "Distributions", values["tabs"]),
        ("rounds", "Rounds", values["rounds"]),
        ("recordings", "Recordings", True),
        ("timeline", "Timeline", True),
        ("waterfall", "Waterfall", True),
        ("slowest", "Slowest words", values["slow"]),
        ("plays", "Sessions", True),
        ("provenance", "Configuration", True),
    )
    return [(name, title) for name, title, known in there if known]


# ------------------------------------------------------------------ the head


def _head(found: Benchmark) -> dict[str, Any]:
    return {
        "verdict": found.verdict,
        "reasons": found.reasons,
        "validity": found.validity,
        "comparison": found.comparison,
        "groups": [] if found.comparison is None else groups(found.comparison),
        "name": found.name,
        "when": f"{found.created_at[:10]} {found.created_at[11:16]} UTC",
        "what": f"{plural(len(found.recordings), 'recording')} × {plural(found.runs, 'round')}, "
        f"{plural(found.warmup, 'round')} of warm-up before them not counted, into "
        + " and ".join(each.arm.label for each in found.measured),
        "tiles": list(_tiles(found)),
    }


def _tiles(found: Benchmark) -> Iterator[Fact]:
    last = found.measured[-1]
    changes = {}
    if found.comparison is not None:
        changes = {each.figure: each for each in found.comparison.latency.changes}
    for name in ("word_first", "word_final", "final", "first_partial"):
        value = last.figures.get(name)
        if not isinstance(value, Distribution) or not value.n:
            continue
        cell = cells.statistic(value, "p50")
        moved = changes.get(name)
        note = cells.short(value, ("p95",))
        if moved is not None:
            note = f"{moved.change:+.1f} ms against {moved.base:,.0f}: {moved.verdict}"
        kind = "bad" if moved is not None and moved.verdict == "worse" else ""
        unit = "" if cell.kind == "need" else " ms"
        yield Fact(f"{CATALOGUE[name].title}, p50", cell.text + unit, note, kind)
    for name in ("wer", "unstable_partial_word_ratio"):
        value = last.figures.get(name)
        if isinstance(value, float):
            yield Fact(CATALOGUE[name].title, cells.percent(value))
    counted = sum(play.counts for each in found.measured for play in each.plays)
    played = sum(len(each.plays) for each in found.measured)
    yield Fact("sessions that count", f"{counted:,}", f"of {played:,} played")


# ------------------------------------------------------------------ comparison, figures


def _against(found: Benchmark, base: Benchmark | None) -> Versus | None:
    if found.comparison is None:
        return None
    names = {each.sha256: each.name for each in found.recordings}
    both: tuple[Side | None, Side | None] = (None, None)
    if len(found.measured) > 1:
        first, second = (benchmark.side(found, each.arm.name) for each in found.measured)
        both = (first, second)
    elif base is not None:
        both = (benchmark.side(base), benchmark.side(found))
    return versus(found.comparison, *both, names)


def _figures(found: Benchmark, base: Benchmark | None, visited: Sequence[Visit]) -> dict[str, Any]:
    drawn = [_pooled(each, visited) for each in found.measured]
    labels = [f"{each.arm.name} ({each.arm.label})" for each in found.measured]
    if base is not None and len(drawn) == 1:
        samples = [play.sample for play in base.measured[0].plays if play.counts and play.sample]
        drawn = [(pooled.of_samples(samples), None), *drawn]
        labels = [base.name, found.name] if base.name != found.name else ["base", "new"]
    tabs = parts.tabs(
        [(label, plan, send) for label, (plan, send) in zip(labels, drawn, strict=True)]
    )
    return {
        "tables": sides.tables(found.measured),
        "singles": list(sides.single_figures(found.measured)),
        "tabs": tabs,
        "curve_sides": [
            (label, send is not None) for label, (_, send) in zip(labels, drawn, strict=True)
        ],
        "with_send": any(send is not None for _, send in drawn),
    }


def _pooled(
    each: Measured, visited: Sequence[Visit]
) -> tuple[dict[str, Series], dict[str, Series] | None]:
    """All values of a side, from the plan and, where every run is there, from the send."""
    counted = [play for play in each.plays if play.counts]
    runs = [one for one in visited if one.arm == each.arm.name and one.played.counts]
    if counted and len(runs) == len(counted):
        plan, send = ([getattr(one, origin) for one in runs] for origin in ("plan", "send"))
        return pooled.of_runs(plan), pooled.of_runs(send)
    return pooled.of_samples([play.sample for play in counted if play.sample]), None


# ------------------------------------------------------------------ round by round


@dataclass(frozen=True, slots=True)
class _RoundTab:
    name: str
    title: str
    field: Field


def _rounds(found: Benchmark, visited: Sequence[Visit]) -> dict[str, Any]:
    tabs = []
    for name in ("word_final", "word_first", "final"):
        drawn = [
            (each.arm.name, course.rounds(list(_values(each, visited, name)), _warm_ups(each)))
            for each in found.measured
        ]
        field = plots.rounds_field(CATALOGUE[name].title, drawn)
        if field is not None:
            tabs.append(_RoundTab(name, CATALOGUE[name].title, field))
    return {"rounds": tabs, "round_sides": [sides.title(found, each) for each in found.measured]}


def _values(
    each: Measured, visited: Sequence[Visit], name: str
) -> Iterator[tuple[int, str, Floats]]:
    """Of every session that counts, and of the warm-ups that can be read again."""
    for play in each.plays:
        if play.counts and play.sample is not None:
            yield play.round, play.recording, recordings.values(play.sample, name)
    for one in visited:
        if one.arm == each.arm.name and not one.played.counts:
            yield one.played.round, one.played.recording, one.plan[name].values


def _warm_ups(each: Measured) -> list[int]:
    return [play.round for play in each.plays if play.round <= 0]


# ------------------------------------------------------------------ provenance


def _origin(root: Path, found: Benchmark) -> dict[str, Any]:
    return {
        "provenance": [*_about(found), *of_machine(found.machine)],
        "arms": [
            {
                "title": f"{each.arm.name}: {each.arm.label}",
                "facts": list(_arm(each.arm)),
                "config": configuration(each.arm.config),
            }
            for each in found.measured
        ],
        "repeat": _command(root),
        "files": found.recordings,
    }


def _about(found: Benchmark) -> Iterator[Fact]:
    yield Fact("benchmark", found.name)
    yield Fact("begun", found.created_at)
    yield Fact("replay", found.replay_version)
    beside = f"{plural(found.concurrency, 'session')} side by side"
    yield Fact("rounds", f"{found.runs}, {found.warmup} of warm-up before them", beside)
    yield Fact("percentiles", found.quantiles)


def _arm(arm: Arm) -> Iterator[Fact]:
    yield Fact("target", redact(arm.target) if "://" in arm.target else arm.target)
    if arm.sandbox:
        yield Fact("sandbox", shlex.join(arm.sandbox))
    for text in arm.faults:
        yield Fact("fault", text)


def _command(root: Path) -> str:
    """How the benchmark was called; "" where its plan has gone."""
    try:
        plan = Store.open(root).plan
    except UsageError:
        return ""
    return bench_command(plan.arguments)
