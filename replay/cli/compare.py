"""`replay compare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from replay.cli.options import compare_options, form_options

_EXIT = {"better": 0, "same": 0, "worse": 1, "inconclusive": 3}


@click.command("compare")
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@compare_options
@form_options
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON alone.")
def command(base: Path, new: Path, fail_on: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Compare two benchmarks of the same recordings, word by word.

    BASE and NEW are directories of `replay bench`, a bench.json, or single runs, which show the
    change but have no rounds to tell it from noise. Each form goes to a FILE, or to standard output
    (-), where it then stands alone. Exit codes: 0 better or the same, 1 worse, 3 inconclusive.

    \b
    replay compare bench/main bench/branch
    replay compare baseline.json bench/branch --fail-on 'word_final.p50 > +8%'
    replay compare bench/main bench/branch --markdown comment.md --junit junit.xml
    """
    from replay.bench.sides import load_side
    from replay.cli import forms
    from replay.cli.console import Console
    from replay.compare import compare
    from replay.conditions import parse_condition
    from replay.report import bench_text, junit, markdown, openmetrics
    from replay.report.json import document

    wanted = forms.asked(options, as_json=as_json)
    conditions = [parse_condition(text) for text in fail_on]
    first, second = load_side(base), load_side(new)
    found = compare(
        first.side,
        second.side,
        conditions=conditions,
        figures=second.figures,
        invalid=[*first.invalid, *second.invalid],
    )
    if as_json:
        click.echo(document(found), nl=False)
    elif not forms.to_stdout(wanted):
        bench_text.show_comparison(found, Console())
    makers: forms.Makers = {
        "markdown": lambda: markdown.render([found]),
        "junit": lambda: junit.render([found]),
        "openmetrics": lambda: openmetrics.render([found]),
        "html": lambda: forms.page("page_of_comparison", found, first, second),
    }
    forms.write(wanted, makers)
    sys.exit(_EXIT[found.verdict])
