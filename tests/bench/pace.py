"""How well the pacing holds its plan, beside a loop of relative sleeps in the same run.

Four loops run in turns, so that a noisy machine is noisy for all of them: the player's own wait
with and without spinning, a relative sleep after each chunk, and the player's wait with a hundred
streams at once. Each chunk does a little work, as a real player does. Drift is the median over the
passes of (lateness at the end - lateness at the start) / length, from medians of the first and the
last tenth, so that a single late chunk does not count as drift.

    python tests/bench/pace.py [--seconds 10] [--passes 3] [--chunk 0.1]
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median, quantiles

import trio

from replay.audio import NS, AudioFormat, Chunk
from replay.pace import Plan
from replay.waiting import SPIN_SECONDS, wait_until

STREAMS = 100
WORK_SECONDS = 0.0003


@dataclass(frozen=True)
class Pass:
    """Lateness of every chunk in ms, a list a stream; CPU seconds per second."""

    streams: list[list[float]]
    cpu: float
    seconds: float

    @property
    def drift_ppm(self) -> float:
        return median(self._drift(stream) for stream in self.streams)

    def _drift(self, lateness: list[float]) -> float:
        tenth = max(1, len(lateness) // 10)
        return (median(lateness[-tenth:]) - median(lateness[:tenth])) / (self.seconds * 0.9) * 1000


def work() -> None:
    """What a chunk costs a player."""
    until = time.perf_counter() + WORK_SECONDS
    while time.perf_counter() < until:
        pass


async def planned(seconds: float, chunk: float, spin: float) -> list[list[float]]:
    """The player's way: each chunk's own instant is waited for."""
    fmt = AudioFormat()
    size = fmt.bytes_in(chunk)
    plan = Plan(round(trio.current_time() * NS), fmt)
    lateness = []
    for k in range(round(seconds / chunk)):
        due = plan.due(Chunk(k * size, bytes(size))) / NS
        await wait_until(due, spin)
        lateness.append((trio.current_time() - due) * 1000)
        work()
    return [lateness]


async def relative(seconds: float, chunk: float, _spin: float) -> list[list[float]]:
    """The common way: sleep for a chunk after each chunk."""
    start = trio.current_time()
    lateness = []
    for k in range(round(seconds / chunk)):
        await trio.sleep(chunk)
        lateness.append((trio.current_time() - start - (k + 1) * chunk) * 1000)
        work()
    return [lateness]


async def many(seconds: float, chunk: float, spin: float) -> list[list[float]]:
    """A hundred streams, their phases spread over a chunk."""
    streams: list[list[float]] = []

    async def one(n: int) -> None:
        await trio.sleep(chunk * n / STREAMS)
        streams.extend(await planned(seconds, chunk, spin))

    async with trio.open_nursery() as nursery:
        for n in range(STREAMS):
            nursery.start_soon(one, n)
    return streams


def measure(
    loop: Callable[[float, float, float], Awaitable[list[list[float]]]],
    seconds: float,
    chunk: float,
    spin: float,
) -> Pass:
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    streams = trio.run(loop, seconds, chunk, spin)
    after, took = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - began
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Pass(streams, used / took, seconds)


def show(name: str, passes: list[Pass]) -> None:
    every = [late for each in passes for stream in each.streams for late in stream]
    cuts = quantiles(every, n=100, method="inclusive")
    drift = median(each.drift_ppm for each in passes)
    cpu = median(each.cpu for each in passes) * 100
    figures = (cuts[49], cuts[98], max(every))
    print(f"{name:34}" + "".join(f"{x:10.3f}" for x in figures) + f"{drift:11.1f}{cpu:7.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each pass")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--chunk", type=float, default=0.1, help="seconds of audio in a chunk")
    options = parser.parse_args()
    loops = {
        f"plan, last {SPIN_SECONDS * 1000:g} ms spun (replay)": (planned, SPIN_SECONDS),
        "plan, slept to the end": (planned, 0.0),
        "relative sleep": (relative, 0.0),
        f"plan, {STREAMS} streams, slept": (many, 0.0),
    }
    results: dict[str, list[Pass]] = {name: [] for name in loops}
    for _ in range(options.passes):
        for name, (loop, spin) in loops.items():
            results[name].append(measure(loop, options.seconds, options.chunk, spin))
    print(f"{options.passes} × {options.seconds:g} s of {options.chunk * 1000:g} ms chunks")
    print(f"{'lateness in ms':34}{'p50':>10}{'p99':>10}{'max':>10}{'drift ppm':>11}{'CPU %':>7}")
    for name, passes in results.items():
        show(name, passes)


if __name__ == "__main__":
    main()
