"""Tables of a benchmark's sides: their figures, their recordings, their sessions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from replay.benchmark import Benchmark, Measured, Played
from replay.catalogue import CATALOGUE
from replay.charts import recordings as charts
from replay.recoveries import Recovery
from replay.report.numbers import ms
from replay.report.page import cells
from replay.report.page.axes import level
from replay.report.page.cells import Cell, Fact, Row, percent
from replay.report.sentences import STEPS
from replay.statistics import Distribution

TABLES = {
    "latency": "Latency from the plan, ms",
    "session": "Session, ms",
    "network": "Network, ms; estimates are from the service's own stamps",
    "recovery": "Recovery, ms",
    "instrument": "The instrument itself, ms",
}


@dataclass(frozen=True, slots=True)
class Table:
    caption: str
    rows: list[Row]


def title(found: Benchmark, each: Measured) -> str:
    """Of a side where there are two, else ""."""
    return f"{each.arm.name}: {each.arm.label}" if len(found.measured) > 1 else ""


def tables(measured: Sequence[Measured]) -> list[Table]:
    """Every distribution, by group; of two sides under each other."""
    found = [Table(caption, list(_rows(measured, group))) for group, caption in TABLES.items()]
    return [each for each in found if each.rows]


def _rows(measured: Sequence[Measured], group: str) -> Iterator[Row]:
    for figure in CATALOGUE.values():
        for each in measured:
            value = each.figures.get(figure.name)
            if figure.group == group and isinstance(value, Distribution) and value.n:
                side = f", {each.arm.name}" if len(measured) > 1 else ""
                estimated = "(estimate)" in figure.title
                yield cells.row(figure.title + side, value, estimated=estimated)


def single_figures(measured: Sequence[Measured]) -> Iterator[Fact]:
    """Every figure that is one number."""
    for figure in CATALOGUE.values():
        for each in measured:
            value = each.figures.get(figure.name)
            if not figure.single or not isinstance(value, int | float):
                continue
            side = f", {each.arm.name}" if len(measured) > 1 else ""
            text = percent(value, 2) if figure.unit == "ratio" else f"{value:,.0f}"
            if figure.unit == "bytes":
                text += " bytes"
            yield Fact(figure.title + side, text)


# ------------------------------------------------------------------ recordings


@dataclass(frozen=True, slots=True)
class Recorded:
    name: str
    digest: str
    length: str
    sessions: int
    words: int
    first: Cell
    final: Cell
    tail: Cell
    rounds: list[float]
    spread: str
    wer: str


def recordings(found: Benchmark, each: Measured) -> list[Recorded]:
    """What each recording came to on one side."""
    samples = [(play.recording, play.sample) for play in each.plays if play.counts and play.sample]
    rows = charts.rows(samples)
    middles = [value for row in rows for value in row.rounds]
    axis = level(middles)
    known = {one.name: one for one in found.recordings}
    return [
        Recorded(
            name=row.recording,
            digest=known[row.recording].sha256[:12],
            length=f"{known[row.recording].seconds:.1f} s",
            sessions=row.sessions,
            words=row.words,
            first=cells.statistic(row.word_first, "p50"),
            final=cells.statistic(row.word_final, "p50"),
            tail=cells.statistic(row.word_final, "p95"),
            rounds=[axis.at(value) for value in row.rounds],
            spread=", ".join(f"{ms(value)} ms" for value in row.rounds),
            wer=percent(row.wer),
        )
        for row in rows
    ]


# ------------------------------------------------------------------ sessions, recoveries


def plays(found: Benchmark) -> list[dict[str, Any]]:
    """Every session that was played, what it came to, and whether it counts."""
    return [_play(each, play) for each in found.measured for play in each.plays]


def _play(side: Measured, play: Played) -> dict[str, Any]:
    again = f", attempt {play.attempt}" if play.attempt > 1 else ""
    late = "yes" if play.counts else "no: warm-up" if play.round <= 0 else "no"
    return {
        "side": side.arm.name,
        "round": place(play.round) + again,
        "recording": play.recording,
        "counts": late,
        "verdict": play.verdict,
        "validity": play.validity or "unknown",
        "why": "; ".join([*play.reasons, *play.validity_reasons]),
        "path": play.path,
    }


def place(number: int) -> str:
    """A round by its number: warm-ups count from 0 down."""
    return f"round {number}" if number > 0 else f"warm-up {1 - number}"


def recoveries(each: Measured) -> list[dict[str, Any]]:
    """How long outages took, by the kind of fault that brought them."""
    return [_recovery(one) for one in each.recoveries]


def _recovery(one: Recovery) -> dict[str, Any]:
    steps = [cells.statistic(getattr(one, step), "p50") for step in STEPS]
    return {"fault": one.fault or "no fault", "outages": one.outages, "steps": steps}
