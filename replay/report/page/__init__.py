"""A run, a benchmark and a comparison as one HTML file each, which needs nothing but a browser."""

from replay.report.page.run import page_of_run

__all__ = ["page_of_run"]
