"""`replay selftest`."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from replay.cli.exits import EXITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.status import Status

    from replay.cli.console import Console
    from replay.selftest.result import Selftest


@click.command("selftest")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep the sessions and selftest.json here. [default: they go away]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON alone.")
def command(out: Path | None, as_json: bool) -> None:
    """Measure what is known, and say how far off that is: the instrument's own error, on this
    machine, now.

    Scripted sessions with known delays, jitter, flicker, a wrong clock, drops and losses are played
    into sandboxes, for some forty seconds. Exit codes: 0 all of it was read back, 1 something was
    not, 3 the machine was too busy to say.

    \b
    replay selftest
    replay selftest --json > selftest.json
    """
    from replay.cli.console import Console
    from replay.report import selftest_text
    from replay.report.json import document

    console = Console(stderr=as_json)
    found = _run(out, console)
    if as_json:
        click.echo(document(found), nl=False)
    else:
        selftest_text.show(found, console)
    if out is None and found.verdict != "pass":
        click.echo("replay: with --out DIR the sessions are kept, to be looked at", err=True)
    sys.exit(EXITS[found.verdict])


def _run(out: Path | None, console: Console) -> Selftest:
    from replay.recorder import cannot_write
    from replay.report.json import document
    from replay.run import make_directory
    from replay.selftest import run_selftest

    with ExitStack() as stack:
        if out is None:
            away = stack.enter_context(TemporaryDirectory(prefix="replay-selftest-"))
            directory = Path(away)
        else:
            directory = make_directory(out, "selftest")
        tell: Callable[[str], None] = _silent
        if console.is_terminal:
            status = stack.enter_context(console.status("starting …"))
            tell = partial(_update, status)
        found = run_selftest(directory, tell)
        if out is not None:
            path = out / "selftest.json"
            try:
                path.write_bytes(document(found))
            except OSError as error:
                raise cannot_write(path, error) from None
    return found


def _silent(_text: str) -> None:
    pass


def _update(status: Status, text: str) -> None:
    status.update(f"{text} …")
