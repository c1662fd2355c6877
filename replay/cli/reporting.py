"""What `replay report` does: stored runs and benchmarks, measured again, in the forms asked for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import click

from replay import benchmark, figures, rundir, samples
from replay.bench.store import PLAN, RESULT, load_result
from replay.benchmark import Benchmark
from replay.cli import climbed, forms, soaked
from replay.cli.again import measured_again
from replay.cli.console import Console
from replay.errors import UsageError
from replay.outages import Outage
from replay.reading import Reading, read
from replay.recoveries import recoveries
from replay.report import (
    bench_text,
    json,
    junit,
    markdown,
    openmetrics,
    smaller_is_better,
    text,
    trace,
)
from replay.report import recoveries as recovered
from replay.report.subjects import OneRun
from replay.rundir import Run
from replay.summary import Summary, summarise
from replay.trace import fold

#: What no other is shown beside: how it is known, how it is shown, and what to do instead.
_ALONE = (
    (
        soaked.is_soak,
        soaked.report_soak,
        "a soak is rendered alone: name one, or add parts up: replay merge",
    ),
    (
        climbed.is_search,
        climbed.report_search,
        "a search for a capacity is shown alone: name one",
    ),
)


@dataclass(frozen=True, slots=True)
class _Played:
    """A run that was read."""

    run: Run
    summary: Summary


@dataclass(frozen=True, slots=True)
class _Benched:
    """A benchmark. `path`: its directory; None of a `bench.json` that lies alone. `base`: the
    baseline that it was compared with."""

    path: Path | None
    found: Benchmark
    base: Benchmark | None = None


@dataclass(slots=True)
class _Told:
    """What came of all paths. `broken`: the exit code of those that could not be read."""

    subjects: list[_Played | _Benched] = field(default_factory=list)
    broken: int = 0


def report(paths: Sequence[Path], options: dict[str, Any], *, as_json: bool) -> int:
    """Measure everything again, show it, write it; the exit code.

    Raises:
        ReplayError: the only path cannot be read, a form makes no sense, a file cannot be written.
    """
    wanted = forms.asked(options, as_json=as_json)
    for name in ("html", "trace"):
        if name in wanted and len(paths) > 1:
            raise UsageError(f"--{name} is of one run or benchmark: name one")
    for is_such, show, advice in _ALONE:
        if any(map(is_such, paths)):
            if len(paths) > 1:
                raise UsageError(advice)
            show(paths[0], wanted, as_json=as_json)
            return 0
    console = Console()
    told = _Told()
    for path in rundir.runs(paths):
        try:
            subject = _look(path, Console(stderr=True))
        except UsageError as error:
            if len(paths) == 1:
                raise
            click.echo(f"replay: {error}", err=True)  # the others have their turn
            told.broken = error.exit_code
            continue
        told.subjects.append(subject)
        if as_json:
            click.echo(_document(subject), nl=False)
        elif not forms.to_stdout(wanted):
            _show(subject, console)
    _recoveries(told, console, as_json=as_json, shown=not forms.to_stdout(wanted))
    if wanted and told.subjects:
        forms.write(wanted, _makers(told.subjects))
    return told.broken


def _look(path: Path, console: Console) -> _Played | _Benched:
    if (path / PLAN).exists():
        with console.status(f"measuring {path} …") if console.is_terminal else nullcontext():
            return _Benched(path, *measured_again(path))
    alone = (
        path.is_file() and path.suffix == ".json" and not (path.parent / rundir.JOURNAL).exists()
    )
    if alone or ((path / RESULT).exists() and not (path / rundir.JOURNAL).exists()):
        return _Benched(None, load_result(path))
    run = rundir.load(path)
    return _Played(run, summarise(run.timeline, run.compare(), damage=run.damage))


def _document(subject: _Played | _Benched) -> bytes:
    if isinstance(subject, _Played):
        return json.render(subject.summary)
    return benchmark.encode(subject.found)


def _show(subject: _Played | _Benched, console: Console) -> None:
    if isinstance(subject, _Played):
        text.show(subject.summary, console)
    else:
        bench_text.show(subject.found, console)


def _recoveries(told: _Told, console: Console, *, as_json: bool, shown: bool) -> None:
    """How long recoveries took, where several runs lost connections."""
    harmed: list[list[Outage]] = [
        each.summary.outages
        for each in told.subjects
        if isinstance(each, _Played) and each.summary.outages
    ]
    if len(harmed) < 2:
        return
    found = recoveries(chain.from_iterable(harmed))
    if as_json:
        click.echo(recovered.render(found, len(harmed)), nl=False)
    elif shown:
        recovered.show(found, len(harmed), console)


# ------------------------------------------------------------------ forms


def _makers(subjects: Sequence[_Played | _Benched]) -> forms.Makers:
    about = [_one_run(each) if isinstance(each, _Played) else each.found for each in subjects]
    return {
        "markdown": lambda: markdown.render(about),
        "junit": lambda: junit.render(about),
        "openmetrics": lambda: openmetrics.render(about),
        "benchmark_json": lambda: smaller_is_better.render(about),
        "html": lambda: _page(subjects[0]),
        "trace": lambda: _trace(subjects[0]),
    }


def _one_run(played: _Played) -> OneRun:
    summary = played.summary
    reading = _reading(played)
    values = figures.values(reading, summary, samples.take(reading, summary))
    pooled = figures.pooled([values], failed=int(summary.verdict == "fail"))
    return OneRun(played.run.path.resolve().name, summary, pooled)


def _reading(played: _Played) -> Reading:
    return read(played.run.timeline)


def _page(subject: _Played | _Benched) -> bytes:
    if isinstance(subject, _Played):
        return forms.page("page_of_run", subject.run, subject.summary)
    if subject.path is None:
        raise UsageError("--html of a benchmark takes its directory: the runs are in it")
    return forms.page("page_of_benchmark", subject.path, subject.found, subject.base)


def _trace(subject: _Played | _Benched) -> bytes:
    if isinstance(subject, _Played):
        return trace.render(fold(_reading(subject)), subject.run.path.resolve().name)
    plays = subject.found.measured[0].plays
    such = f", such as {(subject.path or Path()) / plays[-1].path}" if plays else ""
    raise UsageError(f"--trace is of one run: name one of the benchmark's{such}")
