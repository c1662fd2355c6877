"""What `replay bench` does with its options: a plan, its sessions, what they came to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import trio

from replay import __version__
from replay.bench import assess, corpus, runner
from replay.bench.store import Store, load_result
from replay.benchmark import Arm, Benchmark, Plan
from replay.cli.asking import session_options
from replay.cli.console import Console
from replay.cli.exits import EXITS
from replay.cli.options import read_config
from replay.cli.remembering import recalled, refuse_others
from replay.conditions import Condition, parse_condition
from replay.errors import UsageError
from replay.machine import this_machine
from replay.report import bench_text
from replay.report.bench_files import render_files
from replay.report.bench_progress import make_progress
from replay.take import RunOptions
from replay.target import Target
from replay.wire.http import redact


def bench(context: click.Context, options: dict[str, Any], *, as_json: bool) -> int:
    """Measure, or go on measuring; the exit code.

    Args:
        context: of the command; its `meta` has what it was called with, as "arguments".

    Raises:
        ReplayError: the options make no sense, or a target cannot be reached.
    """
    conditions = [parse_condition(text) for text in options["fail_on"]]
    assertions = [_absolute(text) for text in options["assertions"]]
    if options["resume"] is not None:
        store, options, conditions, assertions = _resumed(context, options, conditions, assertions)
    else:
        store = _begun(context.meta["arguments"], options)
    baseline = load_result(options["baseline"]) if options["baseline"] is not None else None
    console = Console(stderr=as_json)
    sides = _sides(options)
    if store.left:
        _play(store, sides, console)
    found = _assess(store, assertions, conditions, console)
    if baseline is not None:
        label = str(options["baseline"])
        found.comparison = assess.compare_with(found, baseline, conditions, label)
        assess.judge(found)
    with console.status("writing …") if console.is_terminal else nullcontext():
        store.write(render_files(found, store.path, baseline))
    bench_text.show(found, console)
    console.print(f"{store.path}/", style="dim", highlight=False, soft_wrap=True)
    if as_json:
        click.echo((store.path / "bench.json").read_text(), nl=False)
    return EXITS[found.verdict]


def _play(store: Store, sides: runner.Sides, console: Console) -> None:
    plan = store.plan
    console.print(
        f"{len(plan.recordings)} recordings, {plan.warmup} warm-up and {plan.runs} counted rounds"
        + (f", {len(plan.arms)} sides in turns" if len(plan.arms) > 1 else "")
        + f", {store.left} sessions to play",
        style="dim",
        highlight=False,
    )
    progress = make_progress(console, store.left)
    with progress:
        trio.run(runner.measure, store, sides, progress.tell)


def _assess(
    store: Store,
    assertions: Sequence[Condition],
    conditions: Sequence[Condition],
    console: Console,
) -> Benchmark:
    with console.status("measuring …") if console.is_terminal else nullcontext():
        return assess.assess(store, assertions=assertions, conditions=conditions)


# ------------------------------------------------------------------ the plan


def _begun(arguments: Sequence[str], options: dict[str, Any]) -> Store:
    """A new benchmark, or the unfinished one of that name."""
    if not options["sources"]:
        raise UsageError("no source: name recordings, a directory of them, or a manifest")
    versus = options["versus"] is not None or options["versus_config"] is not None
    if versus and options["baseline"] is not None:
        raise UsageError("--baseline is an earlier benchmark, --versus plays another: give one")
    if options["fail_on"] and not versus and options["baseline"] is None:
        raise UsageError("--fail-on is about a comparison: give --baseline or --versus")
    sides = _sides(options)
    name, path = _named(options)
    recordings = corpus.gather(options["sources"])
    trio.run(corpus.probe, recordings, sides["A"])
    plan = Plan(
        replay_version=__version__,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        name=name,
        arguments=list(arguments),
        directory=str(Path.cwd()),
        recordings=recordings,
        arms=[_arm(each, sides[each], options) for each in sides],
        runs=options["runs"],
        warmup=options["warmup"],
        concurrency=options["concurrency"],
        machine=this_machine(),
    )
    if not (path / "plan.json").exists():
        return Store.create(path, plan)
    store = Store.open(path)
    _check_same(store, plan)
    return store


def _named(options: dict[str, Any]) -> tuple[str, Path]:
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(options["sources"][0]).resolve().stem).strip("-.")
    name = options["name"] or f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{stem or 'bench'}"
    if options["name"] and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise UsageError(f"--name {name!r}: use letters, digits, . _ and -")
    out = options["out"] or Path("bench") / name
    return (options["name"] or out.name), out


def _check_same(store: Store, plan: Plan) -> None:
    """An unfinished benchmark goes on only as what it is."""
    if not store.left:
        raise UsageError(
            f"{store.path}: is finished: give another --name, "
            f"or render it again: replay report {store.path}"
        )
    for what in ("recordings", "arms", "runs", "warmup", "concurrency"):
        if getattr(store.plan, what) != getattr(plan, what):
            raise UsageError(
                f"{store.path}: was begun with other {what}: give another --name, "
                f"or go on as it was: replay bench --resume {store.path}"
            )


def _resumed(
    context: click.Context,
    options: dict[str, Any],
    conditions: list[Condition],
    assertions: list[Condition],
) -> tuple[Store, dict[str, Any], list[Condition], list[Condition]]:
    """A benchmark as it was asked for; conditions and a baseline that are given now go first."""
    refuse_others(context, "baseline", "fail_on", "assertions", "as_json")
    store = Store.open(options["resume"].resolve())
    baseline = options["baseline"] and options["baseline"].resolve()
    corpus.check(store.plan.recordings)
    stored = recalled(context.command, store.plan.arguments, store.plan.directory)
    stored["baseline"] = baseline or stored["baseline"]
    return (
        store,
        stored,
        conditions or [parse_condition(text) for text in stored["fail_on"]],
        assertions or [_absolute(text) for text in stored["assertions"]],
    )


def _absolute(text: str) -> Condition:
    condition = parse_condition(text)
    if condition.relative:
        raise UsageError(f"--assert {text!r}: is about a change: that is what --fail-on is for")
    return condition


# ------------------------------------------------------------------ the sides


def _sides(options: dict[str, Any]) -> dict[str, RunOptions]:
    """What is played on each side; the sources are put in one by one."""
    first = session_options(options)
    if options["versus"] is None and options["versus_config"] is None:
        return {"A": first}
    second = first
    if options["versus"] is not None:
        key = first.target.api_key
        sandbox = first.target.sandbox if options["versus"] == "sandbox" else ()
        second = replace(second, target=Target.parse(options["versus"], key, sandbox))
    if options["versus_config"] is not None:
        # What an option or --config says stays, unless this file says otherwise.
        config = {**first.config, **read_config(options["versus_config"])}
        second = replace(second, config=config)
    return {"A": first, "B": second}


def _arm(name: str, side: RunOptions, options: dict[str, Any]) -> Arm:
    target = side.target
    url = redact(target.url) if target.url else ""
    label = url if target.kind == "url" else target.kind
    if name == "B" and options["versus_config"] is not None:
        label += f", {options['versus_config'].name}"
    return Arm(
        name=name,
        label=label,
        target=url or target.kind,
        config=_public(side.config),
        sandbox=list(target.sandbox),
        faults=list(side.plan.texts),
    )


def _public(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as it may be shown: whoever takes callbacks may be known by a secret URL."""
    posted = config.get("callback_config")
    if not isinstance(posted, dict) or not isinstance(posted.get("url"), str):
        return dict(config)
    return {**config, "callback_config": {**posted, "url": redact(posted["url"])}}
