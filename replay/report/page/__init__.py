"""A run, a benchmark, a comparison and a soak as one HTML file each, for nothing but a browser."""

from replay.report.page.bench import page_of_benchmark
from replay.report.page.comparison import page_of_comparison
from replay.report.page.run import page_of_run
from replay.report.page.soak import page_of_soak

__all__ = ["page_of_benchmark", "page_of_comparison", "page_of_run", "page_of_soak"]
