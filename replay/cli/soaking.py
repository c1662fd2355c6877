"""What `replay soak` does with its options: a plan, its sessions, what they came to."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
import trio

from replay import __version__
from replay.audio import NS, AudioFormat
from replay.cli.asking import session_options
from replay.cli.console import Console
from replay.cli.exits import EXITS
from replay.cli.following import SoakFollower
from replay.cli.remembering import recalled, refuse_others
from replay.conditions import Condition
from replay.endurance import promises
from replay.endurance.summary import SoakSummary
from replay.errors import ReplayError, UsageError
from replay.faults import Plan
from replay.faults.quantities import duration_text
from replay.faults.rules import Rule
from replay.machine import this_machine, usable_cores
from replay.report import soak_text
from replay.report.soak_files import render_files
from replay.report.soak_live import make_soak_view
from replay.soak import playlist
from replay.soak.assess import assess
from replay.soak.metrics import try_address
from replay.soak.rota import LEAST_SECONDS, Rota, visits
from replay.soak.soak import Soak
from replay.soak.store import SUMMARY, Asked, Store, held, prepare
from replay.source.spec import chunk_bytes
from replay.take import RunOptions
from replay.watching import exists
from replay.wire.http import redact

#: The service ends a session after so long.
_LIMIT_SECONDS = 3 * 3600.0


def soak(context: click.Context, options: dict[str, Any], *, as_json: bool) -> int:
    """Soak, or go on soaking; the exit code.

    Args:
        context: of the command; its `meta` has what it was called with, as "arguments".

    Raises:
        ReplayError: the options make no sense, a target cannot be started, or the disk is full.
    """
    with ExitStack() as stack:
        if options["resume"] is not None:
            refuse_others(context, "metrics", "watched", "assertions", "as_json")
            stack.enter_context(held(options["resume"].resolve()))
            store, options = _resumed(context.command, options)
            conditions = _checked(options)
        else:
            conditions = _checked(options)
            store = _begun(context.meta["arguments"], options)
            stack.enter_context(held(store.path))
        console = Console(stderr=as_json)
        if store.left:
            summary = _play(store, options, conditions, console)
        else:
            summary = assess(store, conditions)
        return conclude(store, summary, console, as_json=as_json)


def conclude(store: Store, summary: SoakSummary, console: Console, *, as_json: bool) -> int:
    """Leave a soak's reports in its directory, and say what came of it: the exit code."""
    with console.status("writing …") if console.is_terminal else nullcontext():
        store.write(render_files(summary))
    soak_text.show(summary, console)
    console.print(f"{store.path}/", style="dim", highlight=False, soft_wrap=True)
    if store.left and not store.asked.parts:
        told = f"{duration_text(round(store.left) * NS)} left: replay soak --resume {store.path}"
        console.print(told, style="dim", highlight=False, soft_wrap=True)
    if as_json:
        click.echo((store.path / SUMMARY).read_text(), nl=False)
    return EXITS[summary.verdict]


def _checked(options: Mapping[str, Any]) -> list[Condition]:
    """The conditions, once nothing is wrong with them, nor with the processes to be watched."""
    for pid in options["watched"]:
        if not exists(pid):
            raise UsageError(f"--watch-pid {pid}: there is no such process")
    return [promises.parse(text) for text in options["assertions"]]


def _play(
    store: Store, options: Mapping[str, Any], conditions: list[Condition], console: Console
) -> SoakSummary:
    with make_soak_view(console) as view:
        shown = SoakFollower(store, conditions, view, abort=options["abort_on_fail"])
        run = _run_options(dict(options))
        soak = Soak(store, run, options["watched"], shown, options["metrics"])
        trio.run(soak.run)
        return shown.sum_up(soak)


# ------------------------------------------------------------------ the plan


def _begun(arguments: Sequence[str], options: dict[str, Any]) -> Store:
    if not options["sources"]:
        raise UsageError("no source: name recordings, or `counter`")
    run = _run_options(options)
    rota = _rota(options)
    chunk_bytes(run.shape.format(1), run.chunk)
    if run.chunk > rota.session_length:
        raise UsageError(f"--chunk {float(run.chunk):g} s: is longer than a session")
    own, common = _told_apart(run, options)
    if options["metrics"] is not None:
        trio.run(try_address, *options["metrics"])  # before there is anything to clear away
    path = options["out"] or Path("runs") / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-soak"
    prepare(path)
    try:
        made = trio.run(playlist.make, path, options["sources"], run)
    except ReplayError:
        shutil.rmtree(path, ignore_errors=True)  # it was empty before
        raise
    return Store.create(
        path,
        Asked(
            replay_version=__version__,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            name=path.name,
            arguments=list(arguments),
            directory=str(Path.cwd()),
            sources=list(options["sources"]),
            target=redact(run.target.url) if run.target.url else run.target.kind,
            rota=rota,
            processes=options["processes"] or len(usable_cores()),
            seed=options["seed"],
            keep=options["keep"],
            faults=list(own.texts),
            common=list(common.texts),
            chaos=options["chaos"],
            assertions=list(options["assertions"]),
            watched=list(options["watched"]),
            playlist=made,
            machine=msgspec.to_builtins(this_machine()),
            audio=_in_words(run.shape.format(made.channels), float(run.chunk)),
        ),
    )


def _in_words(fmt: AudioFormat, chunk: float) -> str:
    return (
        f"{fmt.encoding.name}, {fmt.sample_rate} Hz, {fmt.bit_depth} bit, {fmt.channels} channels, "
        f"chunks of {chunk:g} s"
    )


def _rota(options: Mapping[str, Any]) -> Rota:
    seconds, length = float(options["seconds"]), float(options["session_length"])
    if seconds < LEAST_SECONDS:
        raise UsageError(f"--for {seconds:g} s: a session needs {LEAST_SECONDS:g} s at least")
    if not LEAST_SECONDS <= length < _LIMIT_SECONDS:
        raise UsageError(
            f"--session-length {length:g} s: from {LEAST_SECONDS:g} s to less than the service's 3h"
        )
    if options["profile"] == "ramp" and options["ramp"] is not None:
        raise UsageError("--profile ramp begins sessions all the time: no --ramp")
    ramp = min(60.0, seconds / 10) if options["ramp"] is None else float(options["ramp"])
    if ramp >= seconds:
        raise UsageError(f"--ramp {ramp:g} s: is as long as all of it")
    rota = Rota(
        seconds=seconds,
        sessions=options["sessions"],
        session_length=length,
        ramp=ramp,
        profile=options["profile"],
        shard=options["shard"],
    )
    idle = sum(next(visits(rota, slot), None) is None for slot in rota.slots)
    if idle:
        raise UsageError(
            f"--for {seconds:g} s, --profile {rota.profile}: of {len(rota.slots)} sessions at once "
            f"{idle} have less than {LEAST_SECONDS:g} s to play; give a longer --for"
        )
    return rota


def _told_apart(run: RunOptions, options: Mapping[str, Any]) -> tuple[Plan, Plan]:
    """The faults of each session, and those of all at once."""
    own: list[Rule] = []
    common: list[Rule] = []
    for rule in run.plan:
        kinds = {step.fault.kind for step in rule.steps}
        if "restart" not in kinds:
            own.append(rule)
            continue
        if kinds != {"restart"}:
            raise UsageError(
                f"{rule}: restart takes the sandbox from all sessions: nothing follows it, "
                "and it follows nothing"
            )
        if options["target"] != "sandbox":
            raise UsageError("restart needs a sandbox of our own: use --target sandbox")
        common.append(rule)
    return Plan(tuple(own)), Plan(tuple(common))


def _run_options(options: dict[str, Any]) -> RunOptions:
    found = session_options(options)
    return replace(found, pace=replace(found.pace, spin=0.0))


def _resumed(command: click.Command, options: dict[str, Any]) -> tuple[Store, dict[str, Any]]:
    """A soak as it was asked for; conditions that are given now go first."""
    store = Store.open(options["resume"].resolve())
    if store.asked.parts:
        raise UsageError(f"{store.path}: was put together by replay merge: go on with its parts")
    stored = recalled(command, store.asked.arguments, store.asked.directory)
    stored["metrics"] = options["metrics"] or stored["metrics"]
    stored["assertions"] = options["assertions"] or stored["assertions"]
    stored["watched"] = options["watched"]  # those of then have other numbers now
    return store, stored
