"""How long a stored hour takes to be measured and rendered again.

Makes the run directory of an hour (`hour`) once, and takes several passes over it, each in a
process of its own, as cold as `replay report` is: the journal read into a Timeline, the audio
mapped and its checksum taken, the recording compared with what was sent, everything measured, and
the summary rendered. Measuring is from the Timeline to the Summary; its parts are timed while it
runs. Prints medians, and exits 1 when the one of measuring is a second or more.

    python tests/bench/rescore.py [--passes 5] [--seed 5] [--keep DIRECTORY]
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

from hour import Hour, write
from rich.console import Console

from replay import (
    cadence,
    ends,
    latency,
    network,
    outages,
    pacing,
    resources,
    rundir,
    stability,
    summary,
    transcript,
    utterances,
    validity,
    waterfall,
    words,
)
from replay.report import json as as_json
from replay.report import text as as_text

LIMIT_SECONDS = 1.0

#: What measuring calls, in its order: the part's name, and where the function is looked up.
PARTS: dict[str, tuple[ModuleType, str]] = {
    "judge: all invariants": (summary, "judge"),
    "utterances": (utterances, "gather"),
    "words": (words, "measure"),
    "ends": (ends, "gather"),
    "network: the two clocks": (network, "split"),
    "outages": (outages, "measure"),
    "waterfall: steps": (waterfall, "steps"),
    "latency": (latency, "measure"),
    "cadence": (cadence, "measure"),
    "validity": (validity, "judge"),
    "pacing": (pacing, "measure"),
    "network": (network, "measure"),
    "waterfall": (waterfall, "measure"),
    "stability": (stability, "measure"),
    "transcript": (transcript, "measure"),
    "resources": (resources, "measure"),
}


class Clock:
    """Seconds spent, by name."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def __call__(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(*args)
        finally:
            took = time.perf_counter() - began
            self.spent[name] = self.spent.get(name, 0.0) + took

    def watch(self, name: str, module: ModuleType, attribute: str) -> None:
        """Count what a function of a module takes, from now on."""
        function = getattr(module, attribute)
        setattr(module, attribute, lambda *args: self(name, function, *args))


def one_pass(path: Path) -> dict[str, float]:
    """Seconds of each step, and at last the most memory that was taken, in MiB."""
    clock = Clock()
    clock("load: journal to Timeline", rundir._timeline, path / rundir.JOURNAL, path)
    run = clock("load: journal and audio", rundir.load, path)
    comparison = clock("compare the audio", run.compare)
    for name, (module, attribute) in PARTS.items():
        clock.watch(f"  {name}", module, attribute)
    found = clock("measure", summary.summarise, run.timeline, comparison)
    assert found.verdict == "pass", found.reasons
    clock("render JSON", as_json.render, found)
    terminal = Console(file=io.StringIO(), width=120, force_terminal=True)
    clock("render for a terminal", as_text.show, found, terminal)
    clock("render as lines", as_text.show, found, Console(file=io.StringIO()))
    return {**clock.spent, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def passes(path: Path, count: int) -> list[dict[str, float]]:
    command = [sys.executable, __file__, "--one", str(path)]
    return [
        json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(count)
    ]


def show(found: list[dict[str, float]]) -> float:
    """The table; the median of measuring, in seconds."""
    print(f"{len(found)} passes, each in a process of its own{'median':>12}{'worst':>10}")
    for name in found[0]:
        values = [each[name] for each in found]
        unit, factor = ("MiB", 1.0) if name == "peak" else ("ms", 1000.0)
        figures = f"{median(values) * factor:10.1f}{max(values) * factor:10.1f} {unit}"
        print(f"{name:42}{figures}")
    return median(each["measure"] for each in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--seed", type=int, default=Hour.seed)
    parser.add_argument("--keep", type=Path, help="make the run here, and leave it")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one_pass(options.one)))
        return
    kept = options.keep
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
    with nullcontext(str(kept)) if kept else tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        hour = Hour(seed=options.seed)
        write(path, hour)
        size = (path / rundir.JOURNAL).stat().st_size / 2**20
        print(f"an hour: {hour.chunks} chunks, {len(hour.entries)} entries, {size:.0f} MiB")
        took = show(passes(path, options.passes))
    print(f"measuring takes {took:.2f} s; less than {LIMIT_SECONDS:g} s is asked for")
    sys.exit(took >= LIMIT_SECONDS)


if __name__ == "__main__":
    main()
