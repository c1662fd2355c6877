"""What a benchmark's page tells of its sessions that `bench.json` does not hold, read from their
journals again, as far as these are still there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from replay import latency, rundir, validity
from replay.benchmark import Benchmark, Played
from replay.charts import falls, session, slowest
from replay.charts.falls import Fall
from replay.charts.session import Session
from replay.charts.slowest import Measure, Slow
from replay.errors import UsageError
from replay.reading import read
from replay.statistics import Series

_WORDS = 12


@dataclass(frozen=True, slots=True)
class Visit:
    """One session. `plan`, `send`: every value by measure, as in `latency.series`. `bound_ms`: the
    error of what is estimated in it, None where nothing could be."""

    arm: str
    played: Played
    plan: dict[str, Series]
    send: dict[str, Series]
    slow: dict[Measure, list[Slow]]
    falls: list[Fall]
    bound_ms: float | None

    @property
    def middle(self) -> float | None:
        """The median of its final words, in ms."""
        return self.plan["word_final"].distribution().p50


def visits(root: Path, found: Benchmark) -> Iterator[Visit]:
    """Every session that counts and every warm-up whose run can be read."""
    for side in found.measured:
        for played in side.plays:
            if not played.counts and played.round > 0:
                continue
            run = _load(root, played.path)
            if run is None:
                continue
            reading = read(run.timeline)
            yield Visit(
                arm=side.arm.name,
                played=played,
                plan=latency.series(reading, plan=True),
                send=latency.series(reading, plan=False),
                slow={each: slowest.slowest(reading, each, _WORDS) for each in slowest.MEASURES},
                falls=falls.falls(reading),
                bound_ms=None if reading.split is None else reading.split.bound / 1e6,
            )


def telling(found: Sequence[Visit], words: Sequence[Visit]) -> list[tuple[str, Visit]]:
    """The sessions to look at, each with why: of every side the slowest and the median, and those
    of which `words` are."""
    picked: list[tuple[str, Visit]] = []
    for arm in reversed(dict.fromkeys(each.arm for each in found)):
        mine = sorted(
            (each for each in found if each.arm == arm and each.played.counts and each.middle),
            key=lambda each: each.middle or 0.0,
        )
        if mine:
            picked += [
                ("slowest session", mine[-1]),
                ("median session", mine[(len(mine) - 1) // 2]),
            ]
    picked += [("of the slowest words", each) for each in words]
    first = {pair[1].played.path: pair for pair in reversed(picked)}
    return [pair for pair in picked if first[pair[1].played.path] is pair]


def timeline(root: Path, played: Played) -> Session | None:
    """A session as it is zoomed into; None where its run cannot be read."""
    run = _load(root, played.path)
    if run is None:
        return None
    reading = read(run.timeline)
    late = validity.bound_ms(latency.measure(reading))
    return session.session(reading, None if run.damage else run.sent, late)


def _load(root: Path, path: str) -> rundir.Run | None:
    """A run of the benchmark's own; what has gone or is broken is not shown."""
    where = root / path
    if not path or not where.resolve().is_relative_to(root.resolve()):
        return None
    try:
        return rundir.load(where)
    except UsageError:
        return None
