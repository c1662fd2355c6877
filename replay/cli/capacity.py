"""`replay capacity`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from replay.cli.options import chunk_option, config_options, sandbox_options, target_options
from replay.cli.types import DURATION, PROCESSES, Parsed


def _step(text: str) -> float:
    share = text.endswith("%")
    try:
        value = float(text.removesuffix("%")) / (100 if share else 1)
    except ValueError:
        value = 0.0
    if value <= 0 or (share and value >= 1) or (not share and value != int(value)):
        raise ValueError(f"{text!r}: write how finely, as sessions (5) or a share of them (10%)")
    return value


STEP = Parsed("step", _step)
COUNT = click.IntRange(1, 100_000)


@click.command("capacity")
@click.argument("source", required=False)
@click.option(
    "--slo",
    multiple=True,
    required=True,
    metavar="CONDITION",
    help="What must hold, such as 'ack.p99 < 100ms'; repeatable. A step measures ack, round_trip, "
    "partial_lag, word_final and final.",
)
@target_options
@sandbox_options
@config_options
@chunk_option
@click.option("--start", type=COUNT, default=8, show_default=True, metavar="N",
              help="Sessions of the first step.")  # fmt: skip
@click.option("--step", type=STEP, default="10%", show_default=True, metavar="N|P%",
              help="How finely the answer is wanted.")  # fmt: skip
@click.option("--most", type=COUNT, metavar="N", help="Never more sessions than this.")
@click.option("--at-least", type=COUNT, metavar="N", help="Fail when it holds fewer.")
@click.option("--hold", type=DURATION, default="10s", show_default=True,
              help="How long each step counts.")  # fmt: skip
@click.option(
    "--processes",
    type=PROCESSES,
    default="auto",
    show_default=True,
    metavar="auto|N",
    help="Of the client; auto: one for each of its cores.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="[default: runs/<time>-capacity]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result alone on stdout.")
def command(as_json: bool, **options: Any) -> None:
    """Find the most paced sessions that a target holds.

    Twice as many at each step, then ever finer; the deciding steps more than once. Every session
    plays at the pace of speech whether or not the others are answered: SOURCE again and again, each
    from another place in it, or silence. The target sandbox runs beside it, with the recogniser
    silent unless another is named. Latency counts from when a chunk was due, so that what our own
    client is late is part of it; where that is what ends the search, it says so.

    Exit codes: 0 found, 1 fewer than --at-least, 3 unknown.

    \b
    replay capacity --slo 'ack.p99 < 100ms'
    replay capacity --slo 'word_final.p95 < 800ms' call.flac --target http://127.0.0.1:8765
    replay capacity --slo 'ack.p99 < 100ms' --at-least 100 --most 200 --json
    """
    from replay.cli.climbing import climb

    sys.exit(climb(options, as_json=as_json))
