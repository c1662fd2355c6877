"""Every file that a benchmark leaves beside its runs."""

from __future__ import annotations

from replay import benchmark
from replay.benchmark import Benchmark
from replay.report import junit, markdown, openmetrics, smaller_is_better


def render_files(found: Benchmark) -> dict[str, bytes]:
    """Names and contents."""
    return {
        "bench.json": benchmark.encode(found),
        "report.md": markdown.render([found]),
        "junit.xml": junit.render([found]),
        "metrics.txt": openmetrics.render([found]),
        "benchmark.json": smaller_is_better.render([found]),
    }
