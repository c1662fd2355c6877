"""The forms of a report that somebody asked for: rendered, then written."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from replay.errors import MachineError, UsageError

_STDOUT = Path("-")
#: The options that ask for one, by the names that click gives their values.
_OPTIONS = ("markdown", "junit", "openmetrics", "html", "benchmark_json", "trace")

#: How each form is made, by the name of its option; what is not asked for is not made.
Makers = Mapping[str, Callable[[], bytes]]


def asked(options: Mapping[str, Any], *, as_json: bool) -> dict[str, Path]:
    """The forms that are asked for, and where each goes.

    Raises:
        UsageError: more than one is to go to standard output.
    """
    wanted = {name: options[name] for name in _OPTIONS if options.get(name) is not None}
    taken = [f"--{name.replace('_', '-')} -" for name, path in wanted.items() if path == _STDOUT]
    taken += ["--json"] if as_json else []
    if len(taken) > 1:
        raise UsageError(f"{' and '.join(taken)}: one alone can go to standard output")
    return wanted


def to_stdout(wanted: Mapping[str, Path]) -> bool:
    """Standard output is for one of them, so nothing else may go there."""
    return _STDOUT in wanted.values()


def write(wanted: Mapping[str, Path], makers: Makers) -> None:
    """Make what is asked for, all of it before any of it is written.

    Raises:
        UsageError: a form cannot be made of this.
        MachineError: a file cannot be written.
    """
    made = [(path, makers[name]()) for name, path in wanted.items()]
    for path, data in made:
        if path == _STDOUT:
            click.echo(data, nl=False)
            continue
        try:
            path.write_bytes(data)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise MachineError(f"{path}: cannot be written: {reason}") from None


def page(name: str, *about: object) -> bytes:
    """The page that this function of `replay.report.page` makes; loaded when it is asked for."""
    made: bytes = getattr(importlib.import_module("replay.report.page"), name)(*about)
    return made
