"""`replay soak`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from replay.cli.faults import fault_options
from replay.cli.options import chunk_option, config_options, sandbox_options, target_options
from replay.cli.remembering import Remembering
from replay.cli.types import DURATION, PROCESSES, Parsed


def _shard(text: str) -> tuple[int, int]:
    part, slash, parts = text.partition("/")
    if not (slash and part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise ValueError(f"{text!r}: write I/N, such as 1/3 for the first of three machines")
    return int(part), int(parts)


def _address(text: str) -> tuple[str, int]:
    from replay.soak.metrics import address

    return address(text)


@click.command("soak", cls=Remembering)
@click.argument("sources", nargs=-1, metavar="SOURCE...")
@click.option("--for", "seconds", type=DURATION, default="1h", show_default=True,
              metavar="DURATION", help="How long in all.")  # fmt: skip
@click.option("--sessions", type=click.IntRange(1, 10_000), default=10, show_default=True,
              metavar="N", help="At once.")  # fmt: skip
@click.option(
    "--session-length",
    type=DURATION,
    default="10m",
    show_default=True,
    help="After so long a session makes room for the next one; the service ends them at 3h.",
)
@click.option(
    "--ramp", type=DURATION, help="Spread the first starts over so long. [default: a tenth, or 1m]"
)
@click.option(
    "--profile",
    type=click.Choice(["constant", "ramp", "steps", "spike"]),
    default="constant",
    show_default=True,
    help="How many play: always all; ever more, evenly or in four steps; a quarter and three "
    "spikes.",
)
@click.option(
    "--processes", type=PROCESSES, default="auto", show_default=True,
    metavar="auto|N", help="Worker processes; auto: one for each core.",
)  # fmt: skip
@click.option(
    "--shard", type=Parsed("shard", _shard), default="1/1", metavar="I/N",
    help="Play only this machine's part of the sessions; `replay merge` adds the parts up.",
)  # fmt: skip
@target_options
@config_options
@sandbox_options
@fault_options
@chunk_option
@click.option(
    "--give-up-after",
    type=DURATION,
    default="2m",
    show_default=True,
    help="Of an outage without a sign of life.",
)
@click.option("--seed", type=int, default=0, help="Of the faults, and of the back-off times.")
@click.option(
    "--keep",
    type=click.Choice(["failing", "all", "summary"]),
    default="failing",
    show_default=True,
    help="What stays of a session once it has been judged: of failing ones everything, of all, or "
    "only summaries.",
)
@click.option(
    "--watch-pid", "watched", type=click.IntRange(1), multiple=True, metavar="PID",
    help="Watch what another process takes too, such as a server's; repeatable.",
)  # fmt: skip
@click.option(
    "--assert",
    "assertions",
    multiple=True,
    metavar="CONDITION",
    help="What must be true, such as 'recover.p95 < 3s', 'rss.slope < 1KiB/reconnect' or "
    "'lost_bytes == 0'; repeatable.",
)
@click.option("--abort-on-fail", is_flag=True, help="End as soon as it is sure to fail.")
@click.option(
    "--metrics", type=Parsed("address", _address), metavar="[HOST:]PORT",
    help="Serve OpenMetrics at /metrics meanwhile, such as 127.0.0.1:9100.",
)  # fmt: skip
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Go on with a soak that was stopped, killed or rebooted, as it was asked for.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR",
              help="[default: runs/<time>-soak]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print summary.json alone on stdout.")
@click.pass_context
def command(context: click.Context, /, as_json: bool, **options: Any) -> None:
    """Play many sessions for hours while disconnects come and go, and judge every one of them.

    The SOURCEs are played one after another, again and again, in every session; `counter` is audio
    of which every byte says where it belongs. Faults are each session's own, but `restart`, which
    takes the sandbox from all of them at once. Ctrl-C ends the sessions and sums up; --resume goes
    on. Exit codes: 0 fine, 1 a session failed, a leak or a drift is sure, or an assertion does not
    hold; 3 too little to say.

    \b
    replay soak call.flac --for 12h --sessions 20 --fault 'reset @ poisson 2/min'
    replay soak counter --for 30m --chaos rough --assert 'recover.p95 < 3s'
    replay soak --resume runs/20261126-010203-soak
    """
    from replay.cli.soaking import soak

    sys.exit(soak(context, options, as_json=as_json))
