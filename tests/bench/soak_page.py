"""What it takes to show a soak of twelve hours with twenty sessions at once.

Makes up 1,440 sessions with some 31,000 reconnections, sums them up as a soak is, and makes every
report of them; draws the dashboard, and makes the text that is served on a port. Then the page is
opened in chromium, where there is one: from when it is asked for until something is painted. Prints
the medians of several passes, and exits 1 when the page is 6 MB or more.

    python tests/bench/soak_page.py [--hours 12] [--passes 5] [--keep DIRECTORY]
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

import msgspec
import trio
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent.parent))

from browser import MOST_BYTES, chromium, running_browser, tab
from soaks import Made, facts, now, outcomes, samples

from replay.endurance.judging import judge
from replay.endurance.promises import parse
from replay.endurance.resources import History
from replay.endurance.summary import SoakSummary
from replay.endurance.tally import tally
from replay.report import json, markdown_soak, soak_junit, soak_metrics
from replay.report.page import page_of_soak
from replay.report.soak_dashboard import frame
from replay.report.soak_now import Live

T = TypeVar("T")

PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, default=12.0)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    made = Made(hours=asked.hours, leak=9000.0, failing=((3, 5), (9, 30)), dead=True)
    summary = summed(made)
    told = f"{summary.sessions.finished:,} sessions, {summary.reconnects:,} reconnections"
    print(f"{told}, {len(summary.rows):,} rows, {len(summary.windows):,} windows")
    for name, report in (
        ("summary.json", json.document),
        ("report.md", markdown_soak.render),
        ("junit.xml", soak_junit.render),
        ("metrics.txt", soak_metrics.render),
        ("report.html", page_of_soak),
    ):
        took, data = timed(partial(report, summary), asked.passes)
        print(f"{name:<13} {len(data):>9,} bytes  {took * 1000:7.1f} ms")
    live = now(made, summary)
    for width, height in ((80, 24), (200, 60)):
        took = drawn(live, width, height, asked.passes)
        print(f"{f'dashboard of {width} by {height}':<29} {took * 1000:7.1f} ms")
    took, _ = timed(lambda: soak_metrics.render_live(live), asked.passes)
    print(f"{'metrics of the moment':<29} {took * 1000:7.1f} ms")
    with nullcontext(asked.keep) if asked.keep else tempfile.TemporaryDirectory() as place:
        file = Path(place) / "report.html"
        file.write_bytes(page_of_soak(summary))
        paint(file, asked.passes)
        sys.exit(1 if file.stat().st_size >= MOST_BYTES else 0)


def drawn(live: Live, width: int, height: int, passes: int) -> float:
    console = Console(file=io.StringIO(), force_terminal=True, width=width)
    return timed(lambda: console.print(frame(live, width, height)), passes)[0]


def summed(made: Made) -> SoakSummary:
    every = list(outcomes(made))
    took, added = timed(lambda: tally(every), 1)
    print(f"{'sessions added up':<29} {took * 1000:7.1f} ms")
    history, conditions = History(samples(made)), [parse(text) for text in made.conditions]
    took, summary = timed(lambda: judge(added, history, facts(made), conditions), 3)
    print(f"{'judged':<29} {took * 1000:7.1f} ms")
    # As it is read back.
    return msgspec.json.decode(msgspec.json.encode(summary), type=SoakSummary)


def timed(work: Callable[[], T], passes: int) -> tuple[float, T]:
    spans = []
    for _ in range(passes):
        begun = time.perf_counter()
        result = work()
        spans.append(time.perf_counter() - begun)
    return median(spans), result


def paint(file: Path, passes: int) -> None:
    chromium()
    with running_browser() as address:
        for width in (None, 390):
            spans = [trio.run(painted, address, file, width) for _ in range(passes)]
            where = "on a desk" if width is None else "on a telephone"
            print(f"{f'first paint {where}':<29} {median(spans):7.1f} ms")


async def painted(address: str, file: Path, width: int | None) -> float:
    async with tab(address) as made:
        await (made.wide() if width is None else made.narrow(width))
        await made.goto(file.as_uri())
        await made.until(f"{PAINTED} > 0")
        return float(await made.value(PAINTED))


if __name__ == "__main__":
    main()
