"""How many times faster than real time sessions are simulated on one core, beside another way.

In turns, so that a noisy machine is noisy for all: one session of 100 ms chunks over the libraries'
websockets in `trio.run` (tests/former.py), the same as `replay simulate` does it, the same under
cruel chaos, and a world of four such sessions with its judging. The best and the median of the
passes; seconds of the processor, of one process.

    python tests/bench/simulate.py [--seconds 120] [--passes 5]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from former import libraries, trio_itself

from replay.faults import chaos
from replay.simulation import Simulation, simulate
from replay.simulation.draw import Terms
from replay.simulation.verdict import Fold
from replay.simulation.world import simulate_world


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0, help="of audio in a session")
    parser.add_argument("--passes", type=int, default=5)
    asked = parser.parse_args()
    calm = Simulation(seconds=asked.seconds)
    harmed = Simulation(seconds=asked.seconds, plan=chaos("cruel", 1, asked.seconds), seed=1)
    ways: dict[str, Callable[[], float]] = {
        "libraries' websockets, trio.run": lambda: formerly(calm),
        "one session": lambda: simulated(calm),
        "one session, cruel chaos": lambda: simulated(harmed),
        "four sessions, cruel chaos, judged": lambda: world(asked.seconds),
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(asked.passes + 1):
        for name, way in ways.items():
            began = time.process_time()
            audio = way()
            speed = audio / (time.process_time() - began)
            if number:  # the first one warms up
                speeds[name].append(speed)
    print(f"{asked.seconds:g} s of audio in a session, {asked.passes} passes; × real time")
    print(f"{'':38}{'best':>8}{'median':>8}{'per chunk':>12}")
    for name, found in speeds.items():
        each = 1e5 / median(found)
        print(f"{name:38}{max(found):8.0f}{median(found):8.0f}{each:9.0f} µs")


def formerly(spec: Simulation) -> float:
    patch = pytest.MonkeyPatch()
    with libraries(patch), trio_itself(patch):
        simulate(spec)
    return spec.seconds


def simulated(spec: Simulation) -> float:
    simulate(spec)
    return spec.seconds


def world(seconds: float) -> float:
    fold = Fold(1)
    hours = 2 * seconds / 3600
    simulate_world(Terms(seed=1, hours=hours, slots=4, length=seconds, chaos="cruel"), fold.add)
    return fold.result.audio


if __name__ == "__main__":
    main()
