"""A soak on a terminal, as it stands: as many lines as there are, each of them whole.

Everything is said in words too, so that no colour has to be seen; colours are the terminal's own
ones, which are readable on whatever it has behind them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from replay.endurance.resources import Sample
from replay.endurance.summary import SoakRecovery, SoakSummary
from replay.endurance.trend import Trend
from replay.report.fitting import Harmless
from replay.report.numbers import NONE, ms
from replay.report.soak_now import Live, Told
from replay.report.soak_text import STATES
from replay.report.soak_words import STEPS, clock, kind, process, size, slope, span, title
from replay.report.spark import spark
from replay.report.text import VERDICT_STYLES
from replay.statistics import Distribution

_TOLD = {"session": "red", "finding": "red", "death": "bold red", "note": "yellow"}
#: What goes on over time: a row of bars each, and the figures beside it.
_COURSES = (
    ("recovered", "recover_p50", "recover"),
    ("ack p95", "ack_p95", "ack"),
    ("final p95", "word_final_p95", "word_final"),
)
#: From this width on there is room for every step and every slope.
_WIDE = 110
_LABEL, _FIGURES = 11, 24
_STEPS, _FEW_STEPS = ("detect", "backoff", "connect", "flush", "caught_up"), ("detect", "caught_up")
#: Rows that recoveries, processes and what has happened have at least, heads included.
_LEAST = (4, 6, 2)


def frame(live: Live, width: int, height: int) -> RenderableType:
    """At most so many lines of at most so many cells."""
    top = [*_head(live, width), Text(), *_counts(live), *_courses(live, width)]
    recoveries = _recoveries(live.summary, width)
    processes = _processes(live, width)
    told = list(_told(live.told))
    # A blank line stands before each of the two tables.
    room = height - len(top) - 2
    shown = allot(room, [len(each) for each in (recoveries, processes, told)], _LEAST)
    lines = [
        *top,
        Text(),
        *recoveries[: shown[0]],
        Text(),
        *processes[: shown[1]],
        *([Text()] if sum(shown) < room and told else []),
        *told[len(told) - shown[2] :],
    ]
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Harmless(Group(*lines[:height]))


def allot(room: int, wanted: Sequence[int], least: Sequence[int]) -> list[int]:
    """How many lines each part has: what it needs at least, then in turn as far as there is room.

    >>> allot(10, [8, 3, 9], [2, 4, 2])
    [5, 3, 2]
    """
    shown = []
    for want, need in zip(wanted, least, strict=True):
        shown.append(max(min(want, need, room), 0))
        room -= shown[-1]
    for k, want in enumerate(wanted):
        more = max(min(want - shown[k], room), 0)
        shown[k] += more
        room -= more
    return shown


# ------------------------------------------------------------------ the head


def _head(live: Live, width: int) -> Iterator[Text]:
    summary = live.summary
    line = Text.assemble(
        (f" {title(summary.plan)}", "bold"), f" → {summary.plan.get('target', '')}   so far "
    )
    line.append(summary.verdict.upper(), VERDICT_STYLES[summary.verdict])
    served = f"metrics at {live.metrics}" if live.metrics else ""
    line.append(f"  {summary.reasons[0] if summary.reasons else served}", "dim")
    yield line
    left = f"{clock(max(live.asked - live.elapsed, 0))} left"
    told = f"  {clock(live.elapsed)} of {span(live.asked)}, {live.ending or left} "
    cells = max(width - len(told) - 1, 0)
    done = round(cells * min(live.elapsed / live.asked, 1.0)) if live.asked else cells
    yield Text.assemble(
        " ",
        ("━" * done, "green"),
        ("─" * (cells - done), "dim"),
        (told, "yellow" * bool(live.ending)),
    )


def _counts(live: Live) -> Iterator[Text]:
    summary, sessions = live.summary, live.summary.sessions
    line = Text(f" playing {live.playing:,} of {live.slots:,}, {live.connected:,} connected")
    line.append(f"   over {sessions.finished:,}: ", "dim")
    line.append(f"{sessions.passed:,} passed", "green" if sessions.passed else "dim")
    failed = sessions.failed + sessions.cut_failed
    line.append(", ").append(f"{failed:,} failed", "bold red" if failed else "dim")
    line.append(f", {sessions.unknown:,} unknown", "yellow" if sessions.unknown else "dim")
    if sessions.cut:
        line.append(f", {sessions.cut:,} cut off", "dim")
    yield line
    rate = live.reconnects / live.elapsed * 60 if live.elapsed else 0.0
    line = Text(f" reconnections {live.reconnects:,}").append(f", {rate:.3g} a minute", "dim")
    line.append("   lost ").append(*_lost(summary))
    up = sum(each.pid is not None for each in live.workers)
    if up < len(live.workers):
        line.append(f"   workers {up:,} of {len(live.workers):,}", "yellow")
    else:
        line.append(f"   workers {up:,}", "dim")
    late = max((each.late_ms for each in live.workers), default=0.0)
    line.append(f"   late {ms(late)} ms", "dim")
    yield line
    every = sorted(live.faults.items(), key=lambda each: -each[1])
    yield Text.assemble(
        f" faults {sum(live.faults.values()):,}  ",
        ("  ".join(f"{name} {count:,}" for name, count in every), "dim"),
    )


def _lost(summary: SoakSummary) -> tuple[str, str]:
    if not summary.audio.compared:
        return "–", "dim"
    lost = summary.audio.lost_bytes
    return (size(lost), "bold red") if lost else ("nothing", "green")


def _courses(live: Live, width: int) -> Iterator[Text]:
    summary = live.summary
    over = max(live.elapsed / 60, 1.0)
    cells = max(width - _LABEL - _FIGURES - 2, 0)
    every = summary.recoveries[0].recover if summary.recoveries else None
    for label, row, figure in _COURSES:
        long = summary.row_minutes
        stretches = ((each.at, each.at + long, getattr(each, row)) for each in summary.rows)
        bars = spark(stretches, over, cells)
        figures = _figures(every if figure == "recover" else summary.latency.all.get(figure))
        yield Text.assemble(
            f" {label:<{_LABEL - 1}}", (f"{bars:<{cells}}", "cyan"), f"  {figures:>{_FIGURES - 1}}"
        )


def _figures(dist: Distribution | None) -> str:
    """The middle and the top: p95, or the longest where there are too few for that."""
    if dist is None or not dist.n:
        return NONE
    top = ("max", dist.max) if dist.p95 is None else ("p95", dist.p95)
    return f"p50 {ms(dist.p50)}  {top[0]} {ms(top[1])} ms"


# ------------------------------------------------------------------ tables


def _recoveries(summary: SoakSummary, width: int) -> list[Text]:
    """By kind of fault: those that were most often first."""
    steps = _STEPS if width >= _WIDE else _FEW_STEPS
    head = ["recovered, ms", "n", "p50", "p95", "max", *(STEPS[step] for step in steps)]
    every, kinds = summary.recoveries[:1], summary.recoveries[1:]
    if not every or not every[0].outages:
        head_line = _aligned([head], width)
        return [*head_line, Text(" no session is over yet that lost its connection", "dim")]
    ordered = [*every, *sorted(kinds, key=lambda each: -each.outages)]
    return _aligned([head, *(_recovery(each, steps) for each in ordered)], width)


def _recovery(each: SoakRecovery, steps: Sequence[str]) -> list[str]:
    figures = [ms(getattr(each.recover, name)) for name in ("p50", "p95", "max")]
    return [
        kind(each.kind),
        f"{each.outages:,}",
        *figures,
        *(ms(getattr(each, step).p50) for step in steps),
    ]


def _processes(live: Live, width: int) -> list[Text]:
    """What each took last, and what it gains with every reconnection; those that grow first."""
    trends = {(each.who, each.of): each for each in live.summary.trends}
    growing = {each.who for each in live.summary.trends if each.state == "grows"}
    plays = {f"worker {each.number}": each.playing for each in live.workers}
    ordered = sorted(
        live.samples, key=lambda each: process(each.who, each.generation) not in growing
    )
    rows = [_process(each, trends, plays.get(each.who), wide=width >= _WIDE) for each in ordered]
    head = ["process", "plays", "memory", "a reconnection", "files", "threads", "tasks"]
    return _aligned([head, *rows], width)


def _process(
    sample: Sample, trends: Mapping[tuple[str, str], Trend], plays: int | None, *, wide: bool
) -> list[Text | str]:
    who = process(sample.who, sample.generation)
    memory = _state(trends.get((who, "rss")), wide=True)
    cells: list[Text | str] = [
        sample.who,
        "" if plays is None else f"{plays:,}",
        size(sample.rss),
        memory,
    ]
    for of in ("fds", "threads", "tasks"):
        value = getattr(sample, of)
        cell = Text(NONE if value is None else f"{value:,}")
        if value is not None:
            cell.append(" ").append_text(_state(trends.get((who, of)), wide=wide))
        cells.append(cell)
    return cells


def _state(trend: Trend | None, *, wide: bool) -> Text:
    if trend is None or trend.slope is None:
        return Text("unknown" if wide else "?", "dim")
    gained = f"{slope(trend, trend.slope)} " if wide or trend.state == "grows" else ""
    gained = "" if gained == "0 " else gained
    return Text.assemble((gained, "dim"), (trend.state, STATES[trend.state]))


def _aligned(rows: Sequence[Sequence[Text | str]], width: int) -> list[Text]:
    """The first column to the left, the others to the right; the first row is a head."""
    cells = [[each if isinstance(each, Text) else Text(each) for each in row] for row in rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
    gap = 3 if sum(widths) + 3 * len(widths) <= width else 1
    lines = []
    for number, row in enumerate(cells):
        line = Text(" ", style="dim" if number == 0 else "")
        for k, cell in enumerate(row):
            pad = " " * (widths[k] - cell.cell_len)
            if k:
                line.append(" " * gap + pad).append_text(cell)
            else:
                line.append_text(cell).append(pad)
        lines.append(line)
    return lines


def _told(told: Sequence[Told]) -> Iterator[Text]:
    for each in told:
        yield Text.assemble((f" {clock(each.t)} ", "dim"), (each.text, _TOLD[each.kind]))
