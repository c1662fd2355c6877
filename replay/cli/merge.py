"""`replay merge`."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("merge")
@click.argument("parts", nargs=-1, required=True, metavar="SOAK...",
                type=click.Path(path_type=Path))  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR",
              help="Where the whole goes.")  # fmt: skip
@click.option(
    "--assert",
    "assertions",
    multiple=True,
    metavar="CONDITION",
    help="What must be true of the whole; repeatable. [default: as the first part was asked]",
)
@click.option("--json", "as_json", is_flag=True, help="Print summary.json alone on stdout.")
def command(parts: tuple[Path, ...], out: Path, assertions: tuple[str, ...], as_json: bool) -> None:
    """Add up parts of a soak: what several machines have played with --shard, or several nights.

    Distributions add up exactly: the whole says what one soak over all the sessions would have
    said. Exit codes as of `replay soak`.

    \b
    replay merge machine-1 machine-2 machine-3 --out whole
    """
    from replay.cli.console import Console
    from replay.cli.soaking import conclude
    from replay.endurance import promises
    from replay.soak.assess import assess
    from replay.soak.merging import merge

    conditions = [promises.parse(text) for text in assertions]
    store = merge(parts, out)
    if not conditions:
        conditions = [promises.parse(text) for text in store.asked.assertions]
    summary = assess(store, conditions)
    sys.exit(conclude(store, summary, Console(stderr=as_json), as_json=as_json))
