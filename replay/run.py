"""`replay run` as a library call: one source into one session, and a directory of what happened."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import trio

from replay import journal as j
from replay.errors import Interrupted, MachineError, UsageError
from replay.observer import settle_memory
from replay.opening import request_body
from replay.recorder import FileRecorder, cannot_write, open_recorder
from replay.source import open_source
from replay.take import RunOptions, Take, all_faults, inject
from replay.target import open_owned_target
from replay.tasks import open_flat_nursery
from replay.wire.config import format_fields

__all__ = ["RunOptions", "View", "make_directory", "run"]

_REFRESH_SECONDS = 0.1


class View(Protocol):
    """Shows a run while it goes on (`report.live`)."""

    def add(self, entry: j.AnyEntry) -> None: ...

    def refresh(self) -> None: ...


async def run(options: RunOptions, make_view: Callable[[], View] | None = None) -> Path:
    """Play, record, and say where; the summary is made from the directory afterwards.

    SIGINT, SIGTERM and SIGHUP end the session's audio and wait for its end; a second one ends at
    once.

    Raises:
        ReplayError: nothing could be played; or the run broke off, and its directory is kept.
    """
    # Refuse before anything is started what would be refused anyway.
    body = {**options.config, **format_fields(options.shape.format(options.shape.channels or 1))}
    request_body(body)
    async with (
        open_source(options.source, options.shape, options.chunk) as source,
        open_owned_target(options.target) as (service, sandbox),
    ):
        plan = all_faults(options, source.facts.seconds)
        directory = make_directory(options.out, source.facts.name)
        view = make_view() if make_view is not None else None
        watch = view.add if view is not None else None
        async with open_recorder(directory, source.format, watch) as recorder:
            injected = inject(service, options, plan, recorder, source.format, sandbox)
            take = Take(options, source, service, injected, recorder, directory)
            try:
                await _record(take, recorder, view)
            finally:
                if not take.began:
                    shutil.rmtree(directory, ignore_errors=True)
        if not take.began:
            raise Interrupted("interrupted before the session was open")
    return directory


async def _record(take: Take, recorder: FileRecorder, view: View | None) -> None:
    """Record, with an eye on signals and on the view."""
    settle_memory()
    try:
        async with open_flat_nursery() as nursery:
            nursery.start_soon(_refresh, view)
            await nursery.start(_heed_signals, take, recorder, nursery.cancel_scope)
            await take.record()
            nursery.cancel_scope.cancel()
    finally:
        if view is not None:
            view.refresh()


async def _heed_signals(
    take: Take,
    recorder: FileRecorder,
    scope: trio.CancelScope,
    task_status: trio.TaskStatus[None],
) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        task_status.started()
        count = 0
        async for _ in signals:
            count += 1
            if take.player is not None and count == 1:
                recorder.write(j.Interrupted(t=recorder.now(), how="graceful"))
                take.player.stop()
            else:
                recorder.write(j.Interrupted(t=recorder.now(), how="immediate"))
                scope.cancel()


async def _refresh(view: View | None) -> None:
    while view is not None:
        view.refresh()
        await trio.sleep(_REFRESH_SECONDS)


def make_directory(out: Path | None, name: str) -> Path:
    """An empty directory for a run: `out`, or a new one under `runs/` named by time and source.

    Raises:
        UsageError: `out` has something in it.
        MachineError: it cannot be made.
    """
    try:
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            if any(out.iterdir()):
                raise UsageError(f"{out} is not empty: name a new directory with --out")
            return out
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(name).stem).strip("-.") or "run"
        base = Path("runs") / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{stem}"
        for number in range(1, 1000):
            candidate = base if number == 1 else base.with_name(f"{base.name}-{number}")
            try:
                candidate.mkdir(parents=True)
            except FileExistsError:
                continue
            return candidate
    except OSError as error:
        raise cannot_write(out or Path("runs"), error) from None
    raise MachineError(f"{base} and a thousand like it exist already")
