"""What `replay report` does with a soak: summed up again, in the forms asked for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import click

from replay.cli import forms
from replay.cli.console import Console
from replay.endurance import promises
from replay.errors import UsageError
from replay.report import json, markdown_soak, soak_junit, soak_metrics, soak_text
from replay.soak.assess import assess
from replay.soak.store import PLAN, Store


def is_soak(path: Path) -> bool:
    return (path / PLAN).exists()


def report_soak(path: Path, wanted: Mapping[str, Path], *, as_json: bool) -> None:
    """Sum it up from what its sessions came to, show it, write it.

    Raises:
        UsageError: it cannot be read, or a form is asked for that a soak does not have.
        MachineError: a file cannot be written.
    """
    for name in ("benchmark_json", "trace"):
        if name in wanted:
            raise UsageError(f"--{name.replace('_', '-')} is not of a soak")
    store = Store.open(path)
    conditions = [promises.parse(text) for text in store.asked.assertions]
    waiting = Console(stderr=True)
    with waiting.status(f"summing up {path} …") if waiting.is_terminal else nullcontext():
        summary = assess(store, conditions)
    if as_json:
        click.echo(json.document(summary), nl=False)
    elif not forms.to_stdout(wanted):
        soak_text.show(summary, Console())
    forms.write(
        wanted,
        {
            "markdown": lambda: markdown_soak.render(summary),
            "junit": lambda: soak_junit.render(summary),
            "openmetrics": lambda: soak_metrics.render(summary),
            "html": lambda: forms.page("page_of_soak", summary),
        },
    )
