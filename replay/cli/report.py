"""`replay report`: render stored runs and benchmarks again, from their journals."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from replay.cli.options import form_options, measured_form_options


@click.command("report")
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@form_options
@measured_form_options
@click.option("--json", "as_json", is_flag=True, help="Print summary.json or bench.json alone.")
def command(paths: tuple[Path, ...], as_json: bool, **options: Any) -> None:
    """Measure stored runs and benchmarks again, and show or write what came of them.

    A PATH is the directory of a run, a benchmark, a soak or a search for a capacity, or a
    bench.json. Every figure is made anew from the journals, so that an interrupted run reports too,
    and an old one gets what newer versions measure; a bench.json that lies alone is shown as it is.
    A benchmark is compared with its baseline again, as long as that is there. Each form goes to a
    FILE, or to standard output (-), where it then stands alone.

    With several paths, --json prints one document after the other. Where several runs lost
    connections, the times of their recoveries come last, by kind of fault: with --json as one more
    document. The exit code is 0 whatever was measured.

    \b
    replay report runs/20261123-101500-demo --trace session.json
    replay report bench/branch --markdown - >> "$GITHUB_STEP_SUMMARY"
    replay report bench/branch --junit junit.xml --benchmark-json benchmark.json
    """
    from replay.cli.reporting import report

    sys.exit(report(paths, options, as_json=as_json))
