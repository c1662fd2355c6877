"""A stored benchmark, measured again from its journals and compared again as it was asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from replay.bench import assess
from replay.bench.store import Store, load_result
from replay.benchmark import Benchmark
from replay.cli.bench import command as bench
from replay.conditions import parse_condition
from replay.errors import ConditionError, UsageError


def measured_again(
    path: Path, tell: Callable[[int, int], None] | None = None
) -> tuple[Benchmark, Benchmark | None]:
    """Every figure, verdict and comparison of the benchmark in this directory, made anew; and the
    baseline that it was compared with.

    What cannot be made again, as when its baseline is gone, is left out: then it is no pass.

    Args:
        tell: hears how many sessions of how many are read.

    Raises:
        UsageError: it is no benchmark, or a run of it cannot be read.
    """
    store = Store.open(path)
    missing = []
    asked: dict[str, Any] = {"fail_on": (), "assertions": (), "baseline": None}
    try:
        asked = bench.make_context("bench", list(store.plan.arguments)).params
        conditions = [parse_condition(text) for text in asked["fail_on"]]
        assertions = [parse_condition(text) for text in asked["assertions"]]
    except (click.ClickException, ConditionError) as error:
        conditions, assertions = [], []
        missing.append(f"what it was asked for cannot be read by this version: {error}")
    found = assess.assess(store, assertions=assertions, conditions=conditions, tell=tell)
    base = None
    if asked["baseline"] is not None:
        try:
            base = load_result(Path(store.plan.directory) / asked["baseline"])
        except UsageError as error:
            missing.append(f"not compared with its baseline: {error}")
        else:
            label = str(asked["baseline"])
            found.comparison = assess.compare_with(found, base, conditions, label)
            assess.judge(found)
    if missing:
        found.reasons += missing
        found.verdict = "unknown" if found.verdict == "pass" else found.verdict
    return found, base
