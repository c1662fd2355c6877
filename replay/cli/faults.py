"""Options that say what to harm, and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
LEVELS = ("mild", "rough", "cruel")


def fault_options(function: F) -> F:
    """--fault, --faults, --chaos and --faults-from."""
    for option in reversed(
        (
            click.option(
                "--fault",
                "faults",
                multiple=True,
                metavar="TEXT",
                help="Harm the connection: 'reset @ 3s', 'hold(up, 2s) @ ack#40' …; repeatable.",
            ),
            click.option(
                "--faults",
                "faults_file",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="Faults from a plan file (YAML).",
            ),
            click.option("--chaos", type=click.Choice(LEVELS), help="Faults by lot, from --seed."),
            click.option(
                "--faults-from",
                type=click.Path(path_type=Path),
                metavar="RUN",
                help="Do again what a stored run's faults did.",
            ),
        )
    ):
        function = option(function)
    return function


def plan_from(options: Mapping[str, Any]) -> Any:
    """The plan (`replay.faults.Plan`) that the options ask for, chaos left out.

    Raises:
        UsageError: a fault cannot be read, or a file.
    """
    from replay import journal as j
    from replay.errors import UsageError
    from replay.faults import Plan, from_fired, parse_plan, parse_plan_file
    from replay.rundir import load

    rules = list(parse_plan(options["faults"]).rules)
    path: Path | None = options["faults_file"]
    if path is not None:
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is not text"
            raise UsageError(f"plan file {path}: {reason.lower()}") from None
        rules += parse_plan_file(text).rules
    if options["faults_from"] is not None:
        rules += from_fired(load(options["faults_from"]).timeline.all(j.FaultFired)).rules
    return Plan(tuple(rules))
