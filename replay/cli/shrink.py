"""`replay shrink`: the smallest plan that still makes a stored run fail."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from replay.cli.types import api_key

if TYPE_CHECKING:
    from replay.faults import Plan
    from replay.shrinking import Failure, Scene, Shrunk


@click.command("shrink")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write a plan file.")
@click.option(
    "--real", is_flag=True, help="Play for real what does not fail in virtual time; this may last."
)
@click.option(
    "--api-key-file",
    type=click.Path(path_type=Path),
    help="With --real: read the API key from a file; otherwise GLADIA_API_KEY is used.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    run: Path, out: Path | None, real: bool, api_key_file: Path | None, as_json: bool
) -> None:
    """Find the smallest plan of faults that still makes a stored run fail: faults are left out,
    then made shorter, then moved to round places.

    Each plan is played in virtual time, by the same client into the same sandbox in memory, with
    what was planted in it. Exit codes: 0 found, 2 there is nothing to shrink, 3 the failure did not
    come again.

    \b
    replay shrink runs/20261123-150411-counter
    replay shrink runs/20261123-150411-counter --out smallest.yaml
    replay run counter --duration 10s --faults smallest.yaml
    """
    from replay.shrinking import (
        read_failure,
        real_trial,
        shrink_failure,
        virtual_trial,
    )
    from replay.waiting import SPIN_SECONDS

    failure = read_failure(run)
    click.echo(f"failed: {', '.join(sorted(failure.reasons))}", err=True)
    scene = _scene(failure)
    trial = virtual_trial(failure, scene)
    shrunk = trial and shrink_failure(failure, trial, virtual=True, watch=_watch)
    why = "does not fail in virtual time" if trial else "restarts a process"
    if not shrunk and real:
        click.echo(f"the plan {why}: playing it for real", err=True)
        if defects := ", ".join(each.text for each in scene.settings.defects):
            click.echo(f"warning: planted defects: {defects}", err=True)
        key = api_key(api_key_file, os.environ.get("GLADIA_API_KEY"))
        again = real_trial(failure, key, SPIN_SECONDS)
        shrunk = shrink_failure(failure, again, virtual=False, watch=_watch)
        why = "did not fail when it was played again"
    if not shrunk:
        hint = "" if real else "; --real plays it for real"
        click.echo(f"replay: {run}: the plan {why}{hint}", err=True)
        sys.exit(3)
    if out is not None:
        _write(out, shrunk.plan)
    _show(failure, shrunk, as_json=as_json)


def _scene(failure: Failure) -> Scene:
    """The sandbox that the run was played into, from its arguments."""
    from replay.cli.sandbox import command as sandbox
    from replay.cli.sandbox import manner_from, settings_from
    from replay.errors import UsageError
    from replay.repeating import sandbox_of
    from replay.sandbox.recognizers.scripted import load_script
    from replay.shrinking import Scene

    arguments = list(sandbox_of(failure.timeline.header))
    options = sandbox.make_context("sandbox", arguments).params
    try:
        script = load_script(options["script"]) if options["script"] else None
    except UsageError:
        script = None  # it has gone; the journal says much the same
    # Whatever the run's sandbox kept, and whomever it let in: here it begins with nothing.
    settings = settings_from({**options, "data": None, "key": None, "api_key_file": None})
    return Scene(settings, manner_from(options), script)


def _watch(number: int, plan: Plan, failed: bool) -> None:
    what = "; ".join(plan.texts) or "no faults"
    click.echo(f"{number:4} {'fails' if failed else 'passes':6}  {what}", err=True)


def _write(out: Path, plan: Plan) -> None:
    from replay.faults import plan_file
    from replay.recorder import cannot_write

    try:
        out.write_text(plan_file(plan))
    except OSError as error:
        raise cannot_write(out, error) from None


def _show(failure: Failure, shrunk: Shrunk, *, as_json: bool) -> None:
    from replay.repeating import command_line

    again = command_line(failure.timeline.header, shrunk.plan)
    if as_json:
        found = {
            "run": str(failure.path),
            "reasons": sorted(failure.reasons),
            "clock": "virtual" if shrunk.virtual else "real",
            "trials": shrunk.trials,
            "whole": list(shrunk.whole.texts),
            "plan": list(shrunk.plan.texts),
            "command": again,
        }
        click.echo(json.dumps(found))
        return
    clock = "in virtual time" if shrunk.virtual else "for real"
    click.echo(f"{len(shrunk.whole)} faults → {len(shrunk.plan)}, {shrunk.trials} trials {clock}")
    if not shrunk.plan:
        click.echo("It fails without any fault.")
    for text in shrunk.plan.texts:
        click.echo(f"  {text}")
    click.echo(again)
