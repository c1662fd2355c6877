"""A run, a benchmark and a comparison as one HTML file each, which needs nothing but a browser."""

from replay.report.page.bench import page_of_benchmark
from replay.report.page.comparison import page_of_comparison
from replay.report.page.run import page_of_run

__all__ = ["page_of_benchmark", "page_of_comparison", "page_of_run"]
