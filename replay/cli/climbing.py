"""What `replay capacity` does with its options: a search, told while it goes on, and its answer."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import trio

from replay import __version__
from replay.capacity import result
from replay.capacity.judge import parse_slo
from replay.capacity.records import Asked
from replay.cli.asking import sandbox_arguments, shape_from
from replay.cli.console import Console
from replay.cli.exits import EXITS
from replay.cli.options import config_from, target_from
from replay.crowd.audio import prepare_audio
from replay.crowd.ramp import Ramp, Store, run, share_cores
from replay.errors import ReplayError, UsageError
from replay.machine import this_machine
from replay.opening import request_body
from replay.recorder import cannot_write
from replay.report import capacity_text
from replay.report.json import document
from replay.run import make_directory
from replay.source.spec import chunk_bytes
from replay.target import Target
from replay.wire.config import format_fields
from replay.wire.http import redact

SILENCE = "silence"


def climb(options: Mapping[str, Any], *, as_json: bool) -> int:
    """Search, and show what was found; the exit code.

    Raises:
        ReplayError: the options make no sense, or the target cannot be used like this.
    """
    for text in options["slo"]:
        parse_slo(text)
    target, config = _target(options), config_from(options)
    shape = shape_from(config, options)
    request_body({**config, **format_fields(shape.format(1))})
    chunk_bytes(shape.format(1), options["chunk"])
    if options["most"] is not None and options["most"] < (options["at_least"] or 0):
        raise UsageError("--at-least is more than --most")
    console = Console(stderr=as_json)
    directory = make_directory(options["out"], "capacity")
    fmt, name, audio = shape.format(1), SILENCE, ""
    if options["source"] is not None:
        into = directory / "audio.raw"
        fmt, name = trio.run(prepare_audio, options["source"], shape, options["chunk"], into)
        audio = str(into)
    asked = _asked(options, target, name)
    messages = {"receive_partial_transcripts": True, **config.get("messages_config", {})}
    body = request_body({**config, "messages_config": messages, **format_fields(fmt)})
    ramp = Ramp(asked, target, body, options["region"], audio)
    found = _search(ramp, directory, console)
    _write(directory / "capacity.json", document(found))
    capacity_text.show(found, console)
    console.print(f"{directory}/", style="dim", highlight=False, soft_wrap=True)
    if as_json:
        click.echo(document(found), nl=False)
    return EXITS[found.verdict]


def _search(ramp: Ramp, directory: Path, console: Console) -> result.Capacity:
    store = Store(directory)
    store.add(ramp.asked)
    capacity_text.introduce(ramp.asked, console)
    with ExitStack() as stack:
        progress = stack.enter_context(capacity_text.Progress(console))
        try:
            trio.run(run, ramp, store, progress.tell)
        except ReplayError:
            if len(store.records) == 1:  # nothing was measured: there is nothing to keep
                shutil.rmtree(directory, ignore_errors=True)
            raise
    return result.fold(store.records)


def _target(options: Mapping[str, Any]) -> Target:
    """A sandbox recognises nothing unless it is told to: that takes far more than serving."""
    arguments = sandbox_arguments(options)
    chosen = any(a.startswith(("--recognizer", "--script")) for a in arguments)
    if options["target"] == "sandbox" and not chosen:
        arguments = ("--recognizer", "silent", *arguments)
    return target_from(options, arguments)


def _asked(options: Mapping[str, Any], target: Target, source: str) -> Asked:
    cores, processes = share_cores(target, processes=options["processes"])
    most, start = options["most"], options["start"]
    return Asked(
        replay_version=__version__,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        target=redact(target.url) if target.kind == "url" else target.kind,
        sandbox=list(target.sandbox),
        source=source,
        slo=list(options["slo"]),
        chunk_ms=float(options["chunk"] * 1000),
        hold_s=float(options["hold"]),
        start=min(start, most or start),
        step=options["step"],
        most=most,
        at_least=options["at_least"],
        processes=processes,
        cores=cores,
        machine=this_machine(),
    )


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise cannot_write(path, error) from None
