"""Every file that a benchmark leaves beside its runs."""

from __future__ import annotations

from pathlib import Path

from replay import benchmark
from replay.benchmark import Benchmark
from replay.report import junit, markdown, openmetrics, smaller_is_better
from replay.report.page import page_of_benchmark


def render_files(found: Benchmark, root: Path, base: Benchmark | None = None) -> dict[str, bytes]:
    """Names and contents.

    Args:
        root: the benchmark's directory, with its runs.
        base: what it was compared with, where that is another benchmark.
    """
    return {
        "bench.json": benchmark.encode(found),
        "report.html": page_of_benchmark(root, found, base),
        "report.md": markdown.render([found]),
        "junit.xml": junit.render([found]),
        "metrics.txt": openmetrics.render([found]),
        "benchmark.json": smaller_is_better.render([found]),
    }
