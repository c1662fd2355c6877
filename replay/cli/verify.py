"""`replay verify`: judge stored runs again, from their journals."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("verify")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the outcomes as JSON.")
@click.option(
    "--strict",
    is_flag=True,
    help="Nothing may be recorded twice, warnings are failures, and every question that applies "
    "must have its answer.",
)
def command(runs: tuple[Path, ...], as_json: bool, strict: bool) -> None:
    """Judge stored runs again: what must hold of a session, held against its journal.

    A RUN is a directory that `replay run` or `replay proxy` has left. Exit codes: 0 all pass, 1 one
    fails, 3 one cannot be told. With several runs, --json prints one line for each.

    Runs that lost their connections together are judged together as well: whether their clients
    came back in step (R4). That is one more verdict, and with --json one more line.

    \b
    replay verify runs/20261123-150411-demo
    replay verify runs/* --json
    """
    from replay import rundir
    from replay.cli.console import Console
    from replay.report import verdicts
    from replay.verify import Together, Verified, Verifier

    verifier = Verifier(strict=strict)
    # Of `sessions/*` one is what processes took meanwhile.
    found: list[Verified | Together] = [verifier.verify(path) for path in rundir.runs(runs)]
    if together := verifier.together():
        found.append(together)
    for each in found:
        if as_json:
            click.echo(verdicts.line(each))
        else:
            verdicts.show(each, Console())
    worst = {each.verdict for each in found}
    sys.exit(1 if "fail" in worst else 3 if "unknown" in worst else 0)
