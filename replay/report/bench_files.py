"""Every file that a benchmark leaves beside its runs."""

from __future__ import annotations

from replay import benchmark
from replay.benchmark import Benchmark


def render_files(found: Benchmark) -> dict[str, bytes]:
    """Names and contents."""
    return {"bench.json": benchmark.encode(found)}
