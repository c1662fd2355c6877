"""What pages of runs and of benchmarks have in common: curves, the waterfall, the slowest words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from replay.catalogue import CATALOGUE
from replay.charts import slowest as charts
from replay.charts.curves import curve
from replay.charts.falls import Fall
from replay.charts.slowest import Slow
from replay.report.numbers import NONE, ms
from replay.report.page import bars, cells, plots
from replay.statistics import Distribution, Series

#: In the order in which they are looked at; as in `latency.Latencies`.
MEASURES = (
    "word_first",
    "word_final",
    "final",
    "first_partial",
    "partial_lag",
    "word_stable",
    "endpointing",
    "decoding",
    "ack",
    "final_forced",
)
_TITLES = {"first": "first shown", "stable": "stable", "final": "final"}


def tabs(
    sides: Sequence[tuple[str, Mapping[str, Series], Mapping[str, Series] | None]],
) -> list[plots.Tab]:
    """A measure each, of those that any side has. A side: its label, its values from the plan, and
    from the send where they are known."""
    found = []
    for name in MEASURES:
        drawn = [
            plots.Side(label, curve(plan[name]), _sent(name, send))
            for label, plan, send in sides
            if name in plan and _any(plan[name])
        ]
        if drawn:
            found.append(plots.tab(name, CATALOGUE[name].title, drawn))
    return found


def _sent(name: str, send: Mapping[str, Series] | None) -> Any:
    known = send is not None and name in send and _any(send[name])
    return curve(send[name]) if known and send is not None else None


def _any(series: Series) -> bool:
    return series.distribution().n > 0


# ------------------------------------------------------------------ waterfall


@dataclass(frozen=True, slots=True)
class Waterfall:
    intro: str
    caption: str
    words: int
    titles: Mapping[str, str]
    estimated: Sequence[str]
    medians: bars.Bars | None
    rows: list[cells.Row]
    slow: bars.Bars
    sample: bars.Bars
    sample_title: str


def waterfall(
    steps: Sequence[tuple[str, Distribution]],
    bound: str,
    found: Sequence[tuple[int, Fall]],
    sample_title: str,
    names: Sequence[str] = (),
) -> Waterfall:
    """`bound`: how far off the estimated steps may be, in words; `names`: of the runs, where there
    are several."""
    words = max((dist.n for _, dist in steps), default=0)
    slow, sample = bars.falls(found, names)
    if words:
        intro = (
            "Of every word of a final that nothing forced: from the word's last sound to the "
            "arrival of its final, step by step. Waiting for the rest of the utterance and for the "
            "frame is measured here; what lies inside the service is taken from its own stamps, an "
            f"estimate {bound}."
        )
    else:
        intro = (
            "No word could be taken apart: that takes finals that nothing forced, and stamps of "
            "the service on acknowledgements and finals."
        )
    return Waterfall(
        intro=intro,
        caption=f"Steps, ms; (estimate): {bound}",
        words=words,
        titles=bars.TITLES,
        estimated=bars.ESTIMATED,
        medians=bars.medians(steps) if words else None,
        rows=[
            cells.row(
                bars.TITLES[name] + (" (estimate)" if name in bars.ESTIMATED else ""),
                dist,
                estimated=name in bars.ESTIMATED,
            )
            for name, dist in steps
            if dist.n
        ],
        slow=slow,
        sample=sample,
        sample_title=sample_title,
    )


def off_by(bound_ms: float | None) -> str:
    """How far an estimate may be off."""
    return "whose error is not known" if bound_ms is None else f"± {bound_ms:.1f} ms"


# ------------------------------------------------------------------ slowest words


@dataclass(frozen=True, slots=True)
class SlowRow:
    """`session`: the timeline that has it, "" for none; `run`: where it was said, "" when that is
    plain."""

    word: str
    before: str
    after: str
    at: float
    shown_at: float
    first: str
    stable: str
    final: str
    shown_by: str
    during: str
    run: str
    session: str


@dataclass(frozen=True, slots=True)
class SlowList:
    name: str
    title: str
    rows: list[SlowRow]


def slow_lists(
    found: Mapping[charts.Measure, Iterable[tuple[int, Slow]]],
    place: Callable[[int], tuple[str, str]],
) -> list[SlowList]:
    """One list by each measure. `place`: of a run by its number, what it is called, and the
    timeline that shows it."""
    lists = [
        SlowList(name, f"latest {_TITLES[name]}", [_slow(each, *place(run)) for run, each in rows])
        for name, rows in found.items()
    ]
    return [each for each in lists if each.rows]


def _slow(each: Slow, run: str, session: str) -> SlowRow:
    last = each.shown_by == each.versions
    which = "only the final" if last else f"partial {each.shown_by} of {each.versions - 1}"
    return SlowRow(
        word=each.word,
        before=each.before,
        after=each.after,
        at=each.at,
        shown_at=each.shown_at,
        first=_ms(each.first),
        stable=_ms(each.stable),
        final=_ms(each.final),
        shown_by=which,
        during="; ".join(each.during),
        run=run + (f", channel {each.channel}" if each.channel else ""),
        session=session,
    )


def _ms(value: float | None) -> str:
    return NONE if value is None else f"{ms(value)} ms"
