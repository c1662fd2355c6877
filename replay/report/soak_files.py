"""Every file that a soak leaves beside what it was made from."""

from __future__ import annotations

from replay.endurance.summary import SoakSummary
from replay.report import json, markdown_soak, soak_junit, soak_metrics
from replay.report.page import page_of_soak


def render_files(summary: SoakSummary) -> dict[str, bytes]:
    """Names and contents."""
    return {
        "summary.json": json.document(summary),
        "report.html": page_of_soak(summary),
        "report.md": markdown_soak.render(summary),
        "junit.xml": soak_junit.render(summary),
        "metrics.txt": soak_metrics.render(summary),
    }
