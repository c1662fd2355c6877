"""Reports as OpenMetrics text, in base units: for a push gateway, or GitLab's metrics report.

A figure that is not known is left out, since there is no number that would not be taken for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import get_args

from replay import checks, validity
from replay.benchmark import Benchmark, Verdict
from replay.catalogue import CATALOGUE, Figure, Unit
from replay.checks import Checked
from replay.compare import Comparison, changes
from replay.compare.changes import Change
from replay.figures import Figures
from replay.report.exposition import Exposition, Labels
from replay.report.subjects import OneRun, Subject, named
from replay.statistics import Distribution

_SUFFIXES: dict[Unit, str] = {"ms": "seconds", "ratio": "ratio", "bytes": "bytes", "count": ""}
_STATISTICS = ("min", "p50", "p90", "p95", "p99", "max", "mean")


def render(subjects: Sequence[Subject]) -> bytes:
    """The file's bytes. Of several subjects each gets a label more, `report`, with its name."""
    found = Exposition()
    for name, each in named(subjects):
        labels = {"report": name} if len(subjects) > 1 else {}
        match each:
            case OneRun():
                _run(found, each, labels)
            case Benchmark():
                _benchmark(found, each, labels)
            case Comparison():
                _comparison(found, each, labels)
    return found.text().encode()


def _run(found: Exposition, run: OneRun, labels: Labels) -> None:
    summary = run.summary
    labels = {**labels, "source": summary.source.name, "target": summary.target.kind}
    about = {"version": summary.replay_version, "phase": summary.pacing.phase}
    found.add("replay_run", "info", "A run.", {**labels, **about}, 1)
    _verdicts(found, labels, summary.verdict, summary.validity.verdict)
    _figures(found, labels, run.figures)


def _benchmark(found: Exposition, bench: Benchmark, labels: Labels) -> None:
    labels = {**labels, "benchmark": bench.name}
    about = {
        "version": bench.replay_version,
        "recordings": str(len(bench.recordings)),
        "rounds": str(bench.runs),
        "concurrency": str(bench.concurrency),
        "quantiles": bench.quantiles,
        "processor": bench.machine.processor,
    }
    found.add("replay_benchmark", "info", "A benchmark.", {**labels, **about}, 1)
    _verdicts(found, labels, bench.verdict, bench.validity.verdict)
    _conditions(found, labels, bench.assertions)
    for each in bench.measured:
        arm = {**labels, "arm": each.arm.name}
        played = sum(play.counts for play in each.plays)
        found.add("replay_sessions", "gauge", "Sessions that count.", arm, played)
        _figures(found, arm, each.figures)
    if bench.comparison is not None:
        _comparison(found, bench.comparison, labels)


def _verdicts(found: Exposition, labels: Labels, verdict: str, measured: str) -> None:
    found.states("replay_verdict", "What it came to.", labels, verdict, get_args(Verdict))
    every = get_args(validity.Verdict)
    found.states("replay_measurement", "How far its figures go.", labels, measured, every)


def _conditions(found: Exposition, labels: Labels, checked: Iterable[Checked]) -> None:
    # The same condition twice would be the same sample twice.
    for each in {each.text: each for each in checked}.values():
        mine = {**labels, "condition": each.text}
        every = get_args(checks.State)
        found.states("replay_condition", "What became of a condition.", mine, each.state, every)


def _figures(found: Exposition, labels: Labels, figures: Figures) -> None:
    for figure in CATALOGUE.values():
        value = figures.get(figure.name)
        if isinstance(value, Distribution):
            _distribution(found, labels, figure, value)
        elif value is not None:
            _sample(found, f"replay_{figure.name}", figure.title, labels, value, figure.unit)


def _distribution(found: Exposition, labels: Labels, figure: Figure, dist: Distribution) -> None:
    for statistic in _STATISTICS:
        value: float | None = getattr(dist, statistic)
        if value is not None:
            mine = {**labels, "statistic": statistic}
            _sample(found, f"replay_{figure.name}", figure.title, mine, value, figure.unit)
    mine = {**labels, "figure": figure.name}
    about = "How many values a figure has, with those that never came."
    found.add("replay_values", "gauge", about, mine, dist.n)
    about = "How many of a figure's values never came."
    found.add("replay_values_censored", "gauge", about, mine, dist.censored)


def _comparison(found: Exposition, comparison: Comparison, labels: Labels) -> None:
    labels = {**labels, "base": comparison.base, "new": comparison.new}
    every = get_args(changes.Verdict)
    about = "What a comparison came to."
    found.states("replay_comparison", about, labels, comparison.verdict, every)
    _conditions(found, labels, comparison.conditions)
    for group in (comparison.latency, comparison.stability, comparison.accuracy):
        for each in group.changes:
            _change(found, labels, each)
    for each in comparison.advisory:
        _change(found, labels, each)


def _change(found: Exposition, labels: Labels, each: Change) -> None:
    mine = {**labels, "figure": each.figure, "statistic": each.statistic}
    about = "A change at the median of pairs, and the ends of its interval."
    for bound, value in (("estimate", each.change), ("low", each.low), ("high", each.high)):
        _sample(found, "replay_change", about, {**mine, "bound": bound}, value, each.unit)
    about = "The smallest change that would most likely have been found."
    _sample(found, "replay_change_detectable", about, mine, each.detectable, each.unit)


def _sample(
    found: Exposition, name: str, about: str, labels: Labels, value: float, unit: Unit
) -> None:
    suffix = _SUFFIXES[unit]
    if suffix and not name.endswith(f"_{suffix}"):
        name = f"{name}_{suffix}"
    # Milliseconds have three digits.
    base = round(value / 1000, 6) if unit == "ms" else value
    found.add(name, "gauge", f"{about[:1].upper()}{about[1:]}", labels, base, suffix)
