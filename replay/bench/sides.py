"""What can be compared: a benchmark's directory, its `bench.json` wherever it lies, or one run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from replay import benchmark, rundir, samples
from replay.bench.store import PLAN, RESULT, load_result
from replay.benchmark import Benchmark
from replay.compare import Side, Take
from replay.errors import UsageError
from replay.figures import Figures, pooled, values
from replay.reading import read
from replay.summary import summarise


@dataclass(frozen=True, slots=True)
class Loaded:
    """`invalid`: why it is no measurement, if it is none; `benchmark`: None of a single run."""

    side: Side
    figures: Figures
    invalid: list[str]
    benchmark: Benchmark | None


def load_side(path: Path) -> Loaded:
    """Read one side of a comparison.

    Raises:
        UsageError: there is nothing that could be compared.
    """
    if (path / rundir.JOURNAL).exists() and not (path / PLAN).exists():
        return _run(path)
    if (path / PLAN).exists() and not (path / RESULT).exists():
        raise UsageError(f"{path}: is not finished: replay bench --resume {path}")
    found = load_result(path)
    bad = found.validity.verdict == "invalid"
    return Loaded(
        benchmark.side(found, label=str(path)),
        found.measured[0].figures,
        [f"{path} is no valid measurement: {found.validity.reasons[0]}"] if bad else [],
        found,
    )


def _run(path: Path) -> Loaded:
    run = rundir.load(path)
    summary = summarise(run.timeline, run.compare(), damage=run.damage)
    reading = read(run.timeline)
    sample = samples.take(reading, summary)
    name = summary.source.sha256 or summary.source.name
    bad = summary.validity.verdict == "invalid"
    return Loaded(
        Side(str(path), [Take(name, 1, sample)]),
        pooled([values(reading, summary, sample)], failed=int(summary.verdict == "fail")),
        [f"{path} is no valid measurement: {summary.validity.reasons[0]}"] if bad else [],
        None,
    )
