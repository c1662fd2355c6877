"""Plays a benchmark: what is left of it, block by block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import trio

from replay import rundir
from replay.bench import corpus
from replay.bench.schedule import Block, blocks
from replay.bench.store import Store
from replay.benchmark import Play, Recording
from replay.errors import Interrupted, MachineError, ReplayError
from replay.observer import settle_memory
from replay.recorder import open_recorder
from replay.report import json as json_report
from replay.source import open_source
from replay.summary import Summary, summarise
from replay.take import RunOptions, Take, all_faults, inject
from replay.target import open_target
from replay.tasks import open_flat_nursery, until_signalled
from replay.transport.http import HttpService

#: Hears of each session that was played, of its summary if it has one, and how many are left.
Tell = Callable[[Play, Summary | None, int], None]
#: The options of each arm's runs, by its name; their sources are the corpus's.
Sides = Mapping[str, RunOptions]


async def measure(store: Store, sides: Sides, tell: Tell) -> None:
    """Play what is left.

    Raises:
        Interrupted: by SIGINT, SIGTERM or SIGHUP; what is finished is kept.
        ReplayError: a target could not be reached, or the disk is full.
    """
    if await until_signalled(partial(_measure, store, sides, tell)):
        raise Interrupted(
            f"interrupted; {store.left} sessions are left: replay bench --resume {store.path}"
        )


async def _measure(store: Store, sides: Sides, tell: Tell) -> None:
    plan = store.plan
    async with _targets(sides) as services:
        for block in blocks([arm.name for arm in plan.arms], plan.runs, plan.warmup):
            while wanted := store.wanting(block.arm, block.round):
                options, service = sides[block.arm], services[block.arm]
                await _play(store, block, wanted, options, service, tell)


@asynccontextmanager
async def _targets(sides: Sides) -> AsyncIterator[dict[str, HttpService]]:
    """Each arm's service. A sandbox is started once for the whole benchmark, one for each arm."""
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(open_target(options.target))
            for name, options in sides.items()
        }


async def _play(
    store: Store,
    block: Block,
    wanted: Sequence[Recording],
    options: RunOptions,
    service: HttpService,
    tell: Tell,
) -> None:
    """Play a block, then look at what came of it: nothing is worked out while others play.

    Raises:
        ReplayError: nothing of it could be played.
    """
    settle_memory()
    waiting = iter(wanted)
    done: list[Play] = []
    errors: list[ReplayError] = []
    size = min(store.plan.concurrency, len(wanted))

    async def work(lane: int) -> None:
        # Sessions whose chunks fell due in the same moments would wait for each other.
        await trio.sleep(float(options.chunk) * lane / size)
        for recording in waiting:
            path, attempt = store.place(block.arm, block.round, recording.name)
            play = Play(
                arm=block.arm,
                round=block.round,
                recording=recording.name,
                attempt=attempt,
                path=str(path.relative_to(store.path)),
            )
            try:
                await _session(_options(options, recording), service, path)
            except MachineError:
                raise
            except ReplayError as error:
                play.error = str(error)
                errors.append(error)
            done.append(play)

    async with open_flat_nursery() as nursery:
        for lane in range(size):
            nursery.start_soon(work, lane)
    if len(errors) == len(wanted):
        raise errors[0]  # not one: what there is to play into is gone
    for play in done:
        summary = None
        if not play.error:
            summary = await trio.to_thread.run_sync(_sum_up, store.path / play.path)
            play.validity = summary.validity.verdict
        store.add(play)
        tell(play, summary, store.left)


def _options(options: RunOptions, recording: Recording) -> RunOptions:
    """Those of one session of a benchmark."""
    return replace(
        options,
        source=replace(options.source, location=recording.path),
        reference=corpus.spoken(recording),
        alone=False,
    )


async def _session(options: RunOptions, service: HttpService, path: Path) -> None:
    """One session into its directory.

    Raises:
        ReplayError: it broke off; of what was recorded something may be there.
    """
    async with open_source(options.source, options.shape, options.chunk) as source:
        plan = all_faults(options, source.facts.seconds)
        async with open_recorder(path, source.format) as recorder:
            injected = inject(service, options, plan, recorder, source.format, None)
            await Take(options, source, service, injected, recorder, path).record()


def _sum_up(path: Path) -> Summary:
    run = rundir.load(path)
    summary = summarise(run.timeline, run.compare(), damage=run.damage)
    rundir.write_summary(path, json_report.render(summary))
    return summary
