"""What a run and a benchmark look like on a terminal, and how much of it any width holds."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from msgspec.structs import replace
from reported import benched, harmed, told
from rich.console import Console

from replay.bench.assess import compare_with
from replay.benchmark import Benchmark
from replay.report import bench_text, text
from replay.report.numbers import cell, count, rule
from replay.statistics import distribution
from replay.summary import Summary, summarise


def shown(found: Summary | Benchmark, width: int = 120) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width, color_system=None)
    if isinstance(found, Summary):
        text.show(found, console)
    else:
        bench_text.show(found, console)
    return out.getvalue()


def flat(said: str) -> str:
    """Without what wrapping made of it."""
    return " ".join(said.split())


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    place = tmp_path_factory.mktemp("benchmarks")
    base, found = benched(place / "main"), benched(place / "branch", late=30.0)
    found.comparison = compare_with(found, base, label="bench/main")
    return found


def test_a_run_tells_what_its_figures_rest_on() -> None:
    """Cadence, the network's share and the steps of a word as estimates with their bound, the
    percentile rule with what it takes, and what has to be known to read it all."""
    summary = summarise(told().timeline(), None)
    summary.validity.notes = ["partials come on a grid of 500 ms"]
    said = flat(shown(summary))
    for what in (
        "partials come on a grid of 500 ms",
        "percentiles: nearest-rank; – takes more values: p90 36, p95 72, p99 368",
        "partials 2, every 500 ms (p50), max 500",
        "network round trip p50 20, max 20 ms; estimates ±11 ms: up 10, down 10,",
        "ms (p50, estimates ±11)",
    ):
        assert what in said
    assert re.search(r"a final word rest [\d,.]+, frame [\d,.]+, uplink 10, endpointing", said)


def test_without_the_services_stamps_nothing_is_estimated() -> None:
    """The round trip is measured; the rest is not made up."""
    said = flat(shown(summarise(harmed().timeline(), None)))
    assert "round trip p50 20, max 20 ms" in said
    assert "estimates" not in said
    assert "a final word" not in said


def test_a_benchmark_says_that_the_warm_up_is_discarded(benchmark: Benchmark) -> None:
    """In its first line; without one, nothing of it. Figures stand in one table, by group."""
    first = shown(benchmark).splitlines()[0]
    assert "2 recordings × 3 rounds, 1 warm-up round discarded  measurement valid" in first
    assert "warm-up" not in shown(replace(benchmark, warmup=0)).splitlines()[0]
    said = shown(benchmark)
    places = [
        said.index(each)
        for each in (
            "latency, ms from the plan",
            "a final word's time, ms",
            "network, ms",
            "percentiles: nearest-rank",
            "sessions",
            " WORSE ",
            "change at the median of pairs",
        )
    ]
    assert places == sorted(places)


@pytest.mark.parametrize("width", [30, 45, 60, 80, 100, 120])
def test_every_width_holds_whole_numbers(benchmark: Benchmark, width: int) -> None:
    """No line is wider than the terminal, and no number is cut."""
    whole = set(re.findall(r"\d[\d,.]*\d", shown(benchmark, 200)))
    said = shown(benchmark, width)
    assert "…" not in said
    assert all(len(line) <= width for line in said.splitlines())
    assert set(re.findall(r"\d[\d,.]*\d", said)) <= whole
    summary = summarise(told().timeline(), None)
    assert all(len(line) <= width for line in shown(summary, width).splitlines())


def test_a_bound_is_no_figure() -> None:
    """Where something that never came decides a figure, its lower bound stands there, and the line
    below says so; it counts among the values."""
    found = distribution([100.0] * 30 + [200.0] * 30, [900.0] * 20)
    assert (cell(found, "p50"), cell(found, "p90"), cell(found, "max")) == ("200", "≥900", "≥900")
    assert cell(found, "p99") == "–"
    assert count(found) == "80 (20 never)"
    assert rule([found]) == (
        "percentiles: nearest-rank; – takes more values: p99 368; ≥ is decided by what never came"
    )
    assert rule([distribution([1.0] * 400)]) == "percentiles: nearest-rank"


def test_elsewhere_a_benchmark_is_lines(benchmark: Benchmark, tmp_path: Path) -> None:
    """A name and a value each, also of its comparison."""
    out = io.StringIO()
    bench_text.show(benchmark, Console(file=out, width=40))
    lines = out.getvalue().splitlines()
    assert all(": " in line for line in lines)
    assert {"verdict: pass", "warmup: 1 (played, not counted)", "comparison: worse"} <= set(lines)
