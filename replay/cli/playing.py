"""What `replay run` does with its options: one run a source, shown, summed up, judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import click
import trio

from replay.cli.asking import run_options
from replay.cli.console import Console
from replay.cli.exits import EXITS
from replay.controls import with_controls
from replay.errors import Interrupted as GivenUp
from replay.errors import ReplayError
from replay.journal import Interrupted
from replay.report import json as json_report
from replay.report import text
from replay.report.live import LiveView, PlainView, make_view
from replay.run import run
from replay.rundir import Run, load, write_summary
from replay.summary import Summary, summarise


def play_all(sources: Sequence[str], options: dict[str, Any], *, as_json: bool) -> int:
    """Play every source; the exit code of the worst of them.

    Raises:
        ReplayError: the only source could not be played, or the options make no sense.
    """
    every = [run_options(source, options, n, len(sources)) for n, source in enumerate(sources, 1)]
    # With --json, standard output is for the documents alone.
    console = Console(stderr=as_json)
    summaries: list[Summary] = []
    codes: set[int] = set()
    for each in every:
        try:
            controlled = with_controls(each, options["control"], partial(_control_view, console))
            directory = trio.run(run, controlled, partial(make_view, console))
            stored = load(directory)
            summary = finish(stored)
        except ReplayError as error:
            if len(every) == 1:
                raise
            click.echo(f"replay: {error}", err=True)  # the other sources have their turn
            codes.add(error.exit_code)
            if isinstance(error, GivenUp):
                break  # whoever stops one does not want the next
            continue
        summaries.append(summary)
        codes.add(EXITS[summary.verdict])
        text.show(summary, console)
        console.print(f"{directory}/", style="dim", highlight=False, soft_wrap=True)
        if stored.timeline.all(Interrupted):
            break  # whoever stops one does not want the next
    if as_json:
        documents = [json_report.render(summary).decode().rstrip() for summary in summaries]
        click.echo(documents[0] if len(sources) == 1 else "[" + ",\n".join(documents) + "]")
    return worst(codes)


def _control_view(console: Console, title: str) -> Callable[[], LiveView | PlainView]:
    console.print(title, style="dim", highlight=False)
    return partial(make_view, console)


def finish(stored: Run) -> Summary:
    """Sum a run up, and leave the summary in its directory."""
    summary = summarise(stored.timeline, stored.compare(), damage=stored.damage)
    write_summary(stored.path, json_report.render(summary))
    return summary


def worst(codes: set[int]) -> int:
    """One exit code for several runs: what could not be run, then failures, then unknowns."""
    return next((code for code in (2, 1, 3) if code in codes), 0)
