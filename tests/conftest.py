"""What all tests share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings

# The same examples in every run, and no limit on one of them: this machine may be busy.
settings.register_profile("replay", derandomize=True, deadline=None)
settings.load_profile("replay")


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Has a figure that a test measured printed at the end, whether it passed or not."""
    return lambda text: record_property("figure", text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests told."""
    told = [
        text
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        for name, text in report.user_properties
        if name == "figure"
    ]
    if told:
        terminalreporter.section("figures")
        for text in sorted(told):
            terminalreporter.write_line(text)
