"""The command line: one file a verb, loaded when it is called."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from replay import __version__
from replay.errors import Interrupted, MachineError, ReplayError

#: Every verb, its module, and its line of help; the modules are not loaded for `--help`.
VERBS = {
    "run": "Play recordings or streams into a target and measure what comes back.",
    "sandbox": "Serve the API on this machine, with real speech recognition.",
    "bench": "Measure latency over a corpus, in rounds, and compare it.",
    "capacity": "Find the most paced sessions that a target holds.",
    "compare": "Compare two benchmarks: better, same, worse or inconclusive.",
    "soak": "Play many sessions for hours, with disconnects, and judge every one.",
    "merge": "Add up the parts of a soak, of several machines or nights.",
    "selftest": "Measure what is known: the error of the instrument itself, on this machine.",
    "grid": "Put programs through every case of a harmed connection.",
    "verify": "Judge stored runs again.",
    "shrink": "Find the smallest plan of faults that still makes a stored run fail.",
    "simulate": "Simulate days of harmed sessions in virtual time, every seed repeatable.",
    "proxy": "Stand between any client and a target, and harm what passes.",
    "listen": "Receive callbacks and webhooks, print and journal them.",
    "report": "Render stored runs again.",
    "init": "Open a session and print its id and URL, for a machine without the key.",
    "jobs": "List, show, fetch and delete the finished sessions of a target.",
}


class Verbs(click.Group):
    """A group whose commands are modules of this package."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command = importlib.import_module(f"replay.cli.{name}").command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, context: click.Context) -> Any:
        """Run a verb; what it printed is out, or it is an error, before anybody says done."""
        try:
            result = super().invoke(context)
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read our output has gone: there is nobody to tell.
            _let_go_of_output()
            sys.exit(2)
        return result

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def _let_go_of_output() -> None:
    """Keep the interpreter from trying once more what failed, on its way out."""
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - open until the end


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="replay")
def root() -> None:
    """Plays recordings and live streams into a real-time speech-to-text API at the pace of speech,
    and says how late each word came and what was lost.

    \b
    Try:  replay run recording.flac
          replay sandbox
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. Exit codes: 0 pass, 1 fail, 2 usage or environment, 3 unknown."""
    try:
        root.main(arguments, prog_name="replay", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("replay: interrupted", err=True)
        sys.exit(Interrupted.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except ReplayError as error:
        click.echo(f"replay: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EIO):
            raise
        _let_go_of_output()
        reason = (error.strerror or str(error)).lower()
        click.echo(f"replay: cannot write to standard output: {reason}", err=True)
        sys.exit(MachineError.exit_code)
