"""Things to report on: a run with an outage, benchmarks on disk, and texts that mean harm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from hypothesis import strategies as st
from journals import Builder, Cut

from replay import figures, samples
from replay.bench.assess import assess
from replay.bench.store import Store
from replay.benchmark import Arm, Benchmark, Machine, Plan, Play, Recording
from replay.continuity import compare
from replay.reading import read
from replay.report.subjects import OneRun
from replay.summary import summarise

SAID = [("Good", 200, 500), ("morning", 550, 1000), ("everyone", 1100, 1650)]

#: What somebody may say, or call a file, and what must stay text everywhere.
HOSTILE = (
    "a|b",
    r"a\|b",
    "`code` and ``more``",
    "<script>alert(1)</script>",
    "</details><h1>x</h1>",
    "@octocat and @org/team",
    "see #1, GH-2 and owner/repo#3",
    "https://evil.example/?a=1&b=2 www.evil.example",
    "[link](https://evil.example) ![picture](x)",
    "**bold** _slant_ ~~gone~~ $x^2$ :tada:",
    "two\nlines\r\nthree",
    "- item",
    "1. item",
    "# heading",
    "---",
    "&lt; &#64; &amp;",
    "nul\x00 bell\x07 escape\x1b[31m",
    "\u202egnirts \u2066x",
    'quote " and \\ backslash\\',
    "```\nfence",
    "{job='x'} 1 # EOF",
    "]]> <![CDATA[",
    "",
)

#: Texts of all kinds, the hostile ones among them, one after another.
texts = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=20), max_size=4).map(" ".join)


def told(late: float = 0.0) -> Builder:
    """Three words, shown `late` ms later than they might be."""
    built = Builder(seconds=4, reference=SAID, ahead_ms=5.0).play()
    built.transcript(1300 + late, SAID[:2], final=False, created=1290 + late)
    built.transcript(1800 + late, SAID, final=False, created=1790 + late)
    built.speech_end(2000 + late, 1650, created=1990 + late)
    built.transcript(2200 + late, SAID, final=True, created=2190 + late)
    return built.finish(4_600)


def harmed() -> Builder:
    """A partial, an outage, a final, over twelve seconds; and an utterance without a final."""
    built = Builder(seconds=12, reference=SAID).play([Cut(3210, 3905)])
    built.transcript(1300, SAID[:2], final=False)
    built.transcript(2200, SAID, final=True)
    built.transcript(5000, [("and", 4000, 4500)], final=False, name="2", connection=2)
    return built.finish(12_600, connection=2)


def one_run(built: Builder, name: str = "run") -> OneRun:
    """A run as reports have it, of whose recording a sample is missing."""
    timeline = built.timeline()
    audio = bytes(timeline.produced)
    summary = summarise(timeline, compare(audio, audio[2:], 2))
    reading = read(timeline)
    values = figures.values(reading, summary, samples.take(reading, summary))
    return OneRun(name, summary, figures.pooled([values]))


def stored(
    path: Path,
    *,
    late: float = 0.0,
    rounds: int = 3,
    recordings: Sequence[str] = ("a.wav", "b.wav"),
    arguments: Sequence[str] = ("corpus",),
    played: int | None = None,
) -> Path:
    """A benchmark's directory with its journals, after `played` of its rounds, or all."""
    plan = Plan(
        replay_version="0",
        created_at="2026-01-01T00:00:00+00:00",
        name=path.name,
        arguments=list(arguments),
        directory=str(path.parent),
        recordings=[
            Recording(name=name, path=f"/corpus/{name}", sha256=f"{name}'s") for name in recordings
        ],
        arms=[
            Arm(
                name="A",
                label="sandbox",
                target="sandbox",
                config={"endpointing": 0.3},
                sandbox=["--seed", "1"],
                faults=[],
            )
        ],
        runs=rounds,
        warmup=1,
        concurrency=1,
        machine=Machine(system="Linux", processor="A", cores=2, python="3.11", packages={}),
    )
    store = Store.create(path, plan)
    for number in range(rounds + 1 if played is None else played + 1):
        for k, name in enumerate(recordings):
            place, attempt = store.place("A", number, name)
            # Rounds differ by a little, as they do.
            journal = told(late + 0.25 * number + 0.1 * k).lines()
            (place / "journal.jsonl").write_bytes(journal)
            store.add(
                Play(
                    arm="A",
                    round=number,
                    recording=name,
                    attempt=attempt,
                    path=str(place.relative_to(path)),
                    validity="valid",
                )
            )
    return path


def benched(path: Path, **how: object) -> Benchmark:
    """What a stored benchmark comes to, with its `bench.json` left in it."""
    found = assess(Store.open(stored(path, **how)))  # type: ignore[arg-type]
    (path / "bench.json").write_bytes(msgspec.json.encode(found))
    return found
