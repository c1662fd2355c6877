"""What `replay report` does with a search for a capacity: worked out again, and shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from replay.cli.console import Console
from replay.crowd.ramp import JOURNAL, load
from replay.errors import UsageError
from replay.report import capacity_text
from replay.report.json import document


def is_search(path: Path) -> bool:
    return (path / JOURNAL).exists()


def report_search(path: Path, wanted: Mapping[str, Path], *, as_json: bool) -> None:
    """Judge its steps again, and show what they come to.

    Raises:
        UsageError: it cannot be read, or a form is asked for that a search does not have.
    """
    if wanted:
        name = next(iter(wanted)).replace("_", "-")
        raise UsageError(f"--{name} is not of a search for a capacity: --json is")
    found = load(path)
    if as_json:
        click.echo(document(found), nl=False)
        return
    console = Console()
    capacity_text.introduce(found.asked, console)
    with capacity_text.Progress(console) as progress:
        for step in found.steps:
            progress.tell(step)
    capacity_text.show(found, console)
