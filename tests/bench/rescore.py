"""How long a stored hour takes to be measured and rendered again.

Makes the run directory of an hour (`hour`) once, and takes several passes over it, each in a
process of its own, as cold as `replay report` is: the journal read into a Timeline, the audio
mapped and its checksum taken, the recording compared with what was sent, everything measured, and
the summary rendered. Measuring is from the Timeline to the Summary; its parts are timed while it
runs (resources within the judgement as well). Prints medians, and exits 1 when the one of measuring
is a second or more.

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

from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent.parent))

from hour import Hour, write

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
from replay.timeline import Timeline
from replay.utterances import gather

LIMIT_SECONDS = 1.0

#: What measuring calls, in its order: the part's name, and where the function is looked up.
PARTS: dict[str, tuple[ModuleType, str]] = {
    "judge, all invariants": (summary, "judge"),
    "utterances": (utterances, "gather"),
    "words": (words, "measure"),
    "ends": (ends, "gather"),
    "network, the two clocks": (network, "split"),
    "outages": (outages, "measure"),
    "waterfall, every word": (waterfall, "steps"),
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
LOAD, AUDIO, COMPARE = "load: journal to Timeline", "load: journal and audio", "compare the audio"
MEASURE, THREE = "measure", "three texts against one reference"
JSON, TERMINAL, LINES = "render JSON", "render for a terminal", "render as lines"
OWN, ALL = "most memory, journal loaded", "most memory, the audio's files mapped"


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
    """Seconds of each step, and the most memory that was taken, in MiB."""
    clock = Clock()
    clock(LOAD, rundir._timeline, path / rundir.JOURNAL, path)
    own = _most_memory()
    run = clock(AUDIO, rundir.load, path)
    comparison = clock(COMPARE, run.compare)
    for name, (module, attribute) in PARTS.items():
        clock.watch(f"  {name}", module, attribute)
    found = clock(MEASURE, summary.summarise, run.timeline, comparison)
    assert found.verdict == "pass", found.reasons
    clock(THREE, transcript.differences, *_three(run.timeline))
    clock(JSON, as_json.render, found)
    terminal = Console(file=io.StringIO(), width=120, force_terminal=True)
    clock(TERMINAL, as_text.show, found, terminal)
    clock(LINES, as_text.show, found, Console(file=io.StringIO()))
    return {**clock.spent, OWN: own, ALL: _most_memory()}


def _three(timeline: Timeline) -> tuple[str, list[str], str]:
    """The reference, and the finals, the last partials and the ones before them as texts."""
    reference = timeline.reference
    assert reference is not None
    finished = gather(timeline).finished
    finals = [final.text for _, final in finished]
    partials = [each.partials for each, _ in finished]
    texts = [finals, *([p[-k].text for p in partials if len(p) >= k] for k in (1, 2))]
    return reference.text, list(map(" ".join, texts)), "en"


def _most_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def passes(path: Path, count: int) -> list[dict[str, float]]:
    command = [sys.executable, __file__, "--one", str(path)]
    return [
        json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(count)
    ]


def show(found: list[dict[str, float]]) -> float:
    """The table; the median of measuring, in seconds."""
    print(f"{f'{len(found)} passes, each in a process of its own':44}{'median':>10}{'worst':>10}")
    parts = [f"  {name}" for name in PARTS]
    order = [LOAD, AUDIO, COMPARE, MEASURE, *parts, THREE, JSON, TERMINAL, LINES, OWN, ALL]
    for name in order:
        values = [each[name] for each in found]
        unit, factor = ("MiB", 1.0) if name in (OWN, ALL) else ("ms", 1000.0)
        print(f"{name:44}{median(values) * factor:10.1f}{max(values) * factor:10.1f} {unit}")
    return median(each[MEASURE] for each in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--seed", type=int, default=Hour.seed)
    parser.add_argument("--keep", type=Path, help="make the run here, and leave it")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one_pass(options.one)))
        return
    if options.make:
        write(options.make, Hour(seed=options.seed))
        return
    kept = options.keep
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
    with nullcontext(str(kept)) if kept else tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        # In a process of its own: a child's peak of memory counts from its parent's.
        made = [sys.executable, __file__, "--make", str(path), "--seed", str(options.seed)]
        subprocess.run(made, check=True)
        journal = path / rundir.JOURNAL
        entries, size = journal.read_bytes().count(b"\n"), journal.stat().st_size / 2**20
        print(f"an hour: {entries} entries, {size:.0f} MiB")
        took = show(passes(path, options.passes))
    print(f"measuring takes {took:.2f} s; less than {LIMIT_SECONDS:g} s is asked for")
    sys.exit(took >= LIMIT_SECONDS)


if __name__ == "__main__":
    main()
