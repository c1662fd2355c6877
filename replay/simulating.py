"""`replay simulate` as a library call: many worlds, over all cores, judged."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Literal, cast

import msgspec
import trio
from msgspec import Struct

from replay import __version__
from replay.errors import MachineError, UsageError
from replay.simulation.asked import Asked
from replay.simulation.verdict import SeedResult
from replay.simulation.worker import Job, Report
from replay.tasks import open_flat_nursery
from replay.workers import open_worker

SCHEMA = 1
_WORKER = "replay.simulation.worker"
_LOG = "workers.log"
_NO_LOG = Path(os.devnull)


class Simulated(Struct, kw_only=True):
    """What `simulate.json` holds.

    Seconds: `virtual` of the worlds' clocks, `audio` in all sessions, `took` of processors,
    `elapsed` by the clock on the wall. `commands`: of each failure, the line that has it again.
    """

    schema: int = SCHEMA
    replay_version: str = __version__
    verdict: Literal["pass", "fail", "unknown"]
    reasons: list[str]
    asked: Asked
    seeds: list[SeedResult]
    commands: list[str]
    sessions: int
    reconnects: int
    faults: dict[str, int]
    virtual: float
    audio: float
    took: float
    elapsed: float


def read_seeds(text: str) -> list[int]:
    """Seeds from `7`, `1..200` or `1,5,9..12`, each once, in this order.

    Raises:
        UsageError: it is none of these.
    """
    seeds: dict[int, None] = {}
    for part in text.split(","):
        low, dots, high = part.strip().partition("..")
        ends = [low, high] if dots else [low]
        if not all(end.isascii() and end.isdigit() and len(end) < 19 for end in ends):
            raise UsageError(f"seeds {text!r}: use numbers and ranges, like 7 or 1..200 or 1,5..9")
        first, last = int(low), int(ends[-1])
        if last < first:
            raise UsageError(f"seeds {part.strip()!r}: the range runs backwards")
        if last - first >= 1_000_000:
            raise UsageError(f"seeds {part.strip()!r}: more than a million")
        seeds.update(dict.fromkeys(range(first, last + 1)))
    return list(seeds)


class Progress:
    """All worlds as they stand.

    Attributes:
        results: by seed, also of those under way.
        finished: seeds that are done, in the order in which they ended.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.results: dict[int, SeedResult] = {}
        self.finished: list[int] = []
        self.began = trio.current_time()

    @property
    def elapsed(self) -> float:
        return trio.current_time() - self.began


async def simulate_seeds(
    asked: Asked,
    seeds: Sequence[int],
    workers: int,
    tell: Callable[[Progress, SeedResult | None], None],
    out: Path | None = None,
) -> None:
    """Simulate the worlds of all seeds, as many at a time as there are workers, of which there are
    no more than seeds. Cancelled, the progress that `tell` was given is what there is.

    Args:
        tell: hears of every change; of a seed that is done with its result.
        out: where failing sessions are kept.

    Raises:
        UsageError: what is asked cannot be simulated.
        MachineError: a worker died.
    """
    progress = Progress(len(seeds))
    left = iter(seeds)
    log = _NO_LOG if out is None else out / _LOG
    tell(progress, None)

    keep = None if out is None else str(out / "sessions")

    async def serve() -> None:
        async with open_worker(_WORKER, Report, log, Job) as worker:
            for_now = next(left, None)
            if for_now is not None:
                await worker.ask(Job(asked=asked, seed=for_now, keep=keep))
            async with aclosing(cast("AsyncGenerator[Report, None]", aiter(worker))) as reports:
                while for_now is not None:
                    report = await anext(reports, None)
                    if report is None:
                        code = await worker.wait()
                        raise MachineError(f"what simulated seed {for_now} died with code {code}")
                    _take(report, progress, tell)
                    if report.done and (for_now := next(left, None)) is not None:
                        await worker.ask(Job(asked=asked, seed=for_now, keep=keep))

    async with open_flat_nursery() as nursery:
        for _ in range(min(workers, len(seeds))):
            nursery.start_soon(serve)


def _take(
    report: Report, progress: Progress, tell: Callable[[Progress, SeedResult | None], None]
) -> None:
    if report.error:
        raise UsageError(report.error)
    progress.results[report.result.seed] = report.result
    if report.done:
        progress.finished.append(report.result.seed)
    tell(progress, report.result if report.done else None)


def summed(asked: Asked, progress: Progress, elapsed: float, *, cut: bool) -> Simulated:
    """What all of it came to. `cut`: the user has had enough before the end."""
    results = sorted(progress.results.values(), key=lambda each: each.seed)
    faults: dict[str, int] = {}
    for result in results:
        for kind, fired in result.faults.items():
            faults[kind] = faults.get(kind, 0) + fired
    verdict, reasons = _verdict(asked, results, progress.total, cut=cut)
    return Simulated(
        verdict=verdict,
        reasons=reasons,
        asked=asked,
        seeds=results,
        commands=[
            asked.again(result.seed, failure) for result in results for failure in result.failures
        ],
        sessions=sum(each.sessions for each in results),
        reconnects=sum(each.reconnects for each in results),
        faults=dict(sorted(faults.items())),
        virtual=math.fsum(each.virtual for each in results),
        audio=math.fsum(each.audio for each in results),
        took=math.fsum(each.took for each in results),
        elapsed=elapsed,
    )


def _verdict(
    asked: Asked, results: Sequence[SeedResult], total: int, *, cut: bool
) -> tuple[Literal["pass", "fail", "unknown"], list[str]]:
    failed = sum(each.failed for each in results)
    if failed:
        return "fail", [f"{failed} sessions failed"]
    reasons = []
    if cut:
        complete = sum(each.complete for each in results)
        reasons.append(f"interrupted with {complete} of {total} seeds simulated to their end")
    if unknown := sum(each.unknown for each in results):
        sessions = sum(each.sessions for each in results)
        reasons.append(f"{unknown:,} of {sessions:,} sessions have no answer")
    if not any(each.passed for each in results):
        reasons.append("not one session passed")
    elif (asked.chaos or asked.faults) and not any(each.faults for each in results):
        reasons.append("no fault fired, though faults were asked for")
    return ("unknown", reasons) if reasons else ("pass", [])


def document(found: Simulated) -> bytes:
    """`simulate.json`."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"
