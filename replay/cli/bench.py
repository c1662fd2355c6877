"""`replay bench`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from replay.cli.faults import fault_options
from replay.cli.options import (
    chunk_option,
    compare_options,
    config_options,
    sandbox_options,
    target_options,
)
from replay.cli.remembering import Remembering


@click.command("bench", cls=Remembering)
@click.argument("sources", nargs=-1, metavar="SOURCE...")
@click.option("--runs", type=click.IntRange(1, 1000), default=6, show_default=True,
              help="Rounds that count.")  # fmt: skip
@click.option("--warmup", type=click.IntRange(0, 100), default=1, show_default=True,
              help="Rounds before them that do not.")  # fmt: skip
@click.option("--concurrency", type=click.IntRange(1, 1000), default=1, show_default=True,
              metavar="N", help="Sessions side by side.")  # fmt: skip
@click.option(
    "--versus",
    metavar="TARGET",
    help="Play into this target too, in turns with the other, and compare the two.",
)
@click.option(
    "--versus-config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Compare with this configuration, on the same target or on that of --versus.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="BENCH",
    help="Compare with an earlier benchmark: its directory, or its bench.json.",
)
@compare_options
@click.option(
    "--assert",
    "assertions",
    multiple=True,
    metavar="CONDITION",
    help="What must be true, such as 'final.p95 < 800ms'; repeatable.",
)
@click.option(
    "--name",
    metavar="NAME",
    help="Of the benchmark; unfinished, it goes on. [default: the time and the first source]",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="[default: bench/NAME]")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Go on with an interrupted benchmark, as it was asked for.",
)
@target_options
@config_options
@sandbox_options
@fault_options
@chunk_option
@click.option(
    "--phase",
    type=click.Choice(["live", "eager"]),
    default="live",
    show_default=True,
    help="Send a chunk when its last sample was spoken (live), or its first (eager).",
)
@click.option("--seed", type=int, default=0, help="Of the back-off times, and of the faults.")
@click.option("--json", "as_json", is_flag=True, help="Print bench.json alone on stdout.")
@click.pass_context
def command(context: click.Context, /, as_json: bool, **options: Any) -> None:
    """Measure latency over a corpus, in rounds, and say what it may be compared by.

    A SOURCE is a recording, a directory of them, or a manifest (.json, .jsonl). All of them are
    played in every round, at the pace of speech; everything goes to bench/NAME/, with report.html
    to look at. Exit codes: 0 fine, 1 a session failed, an assertion does not hold, or it is worse
    than the baseline; 3 the measurement is invalid or too little to say.

    \b
    replay bench corpus/ --name main
    replay bench corpus/ --baseline bench/main --fail-on 'word_final.p50 > +8%'
    replay bench corpus/ --versus https://staging.example --assert 'final.p95 < 800ms'
    """
    from replay.cli.benching import bench

    sys.exit(bench(context, options, as_json=as_json))
