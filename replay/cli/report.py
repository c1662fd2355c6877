"""`replay report`: render stored runs again, from their journals."""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path

import click


@click.command("report")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print summary.json alone.")
def command(runs: tuple[Path, ...], as_json: bool) -> None:
    """Measure stored runs again and show their summaries.

    Every figure is made anew from the journal, so that an interrupted run reports too, and an old
    one gets what newer versions measure. With several runs, --json prints one document after
    the other. Where several runs lost connections, the times of their recoveries come last, by
    kind of fault: with --json as one more document.

    \b
    Example:  replay report runs/20261123-101500-demo
    """
    from replay import rundir
    from replay.cli.console import Console
    from replay.errors import UsageError
    from replay.recoveries import recoveries
    from replay.report import json, text
    from replay.report import recoveries as recovered
    from replay.summary import summarise

    console = Console()
    broken, harmed = 0, []
    for path in runs:
        try:
            run = rundir.load(path)
        except UsageError as error:
            if len(runs) == 1:
                raise
            click.echo(f"replay: {error}", err=True)  # the other runs have their turn
            broken = error.exit_code
            continue
        summary = summarise(run.timeline, run.compare(), damage=run.damage)
        if as_json:
            click.echo(json.render(summary), nl=False)
        else:
            text.show(summary, console)
        harmed += [summary.outages] if summary.outages else []
    if len(harmed) > 1:
        found = recoveries(chain.from_iterable(harmed))
        if as_json:
            click.echo(recovered.render(found, len(harmed)), nl=False)
        else:
            recovered.show(found, len(harmed), console)
    sys.exit(broken)
