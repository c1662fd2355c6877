"""A soak over time, and attempts after common cuts, as fields."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from replay.charts import soak as charts
from replay.charts.soak import Strand
from replay.endurance.outcome import Window
from replay.endurance.summary import SoakSummary, Storm
from replay.report.page.axes import Axis, Tick, linear, logarithmic
from replay.report.page.fields import WIDE, Field, Path, line
from replay.report.soak_words import kind

_HEIGHT, _LANE, _STORM = 190, 15, 160
#: When windows cover more of the time than this, shading them would shade everything.
_SHADED = 0.85
#: A window is drawn so wide at least, of `WIDE`.
_LEAST = 0.8
_MIB = 1 << 20
#: Processes beyond these have a colour again that one before has.
COLOURS = 8
#: What is drawn of a latency, each with its classes and its column; undisturbed lies on top.
_OF_LATENCY = (
    ("p95, all", "top", "{}_p95"),
    ("p50, all", "middle-all", "{}_p50"),
    ("p95, undisturbed", "clear-top", "clear_{}_p95"),
    ("p50, undisturbed", "clear", "clear_{}_p50"),
)
_LATENCIES = (
    *(
        (name, title, tuple((*how, column.format(name)) for *how, column in _OF_LATENCY))
        for name, title in (("word_final", "word final"), ("ack", "acknowledgement"))
    ),
    (
        "recover",
        "recovery",
        (("longest", "top", "recover_max"), ("p50", "middle-all", "recover_p50")),
    ),
)


@dataclass(frozen=True, slots=True)
class Line:
    """`kind`: its classes; `label`: what it is."""

    label: str
    kind: str
    strands: Sequence[Strand]


@dataclass(frozen=True, slots=True)
class Plot:
    """What was measured over time. `log`: None where nothing is above zero; `unit`: for people."""

    name: str
    title: str
    unit: str
    lines: Sequence[Line]
    linear: Field
    log: Field | None


def across(summary: SoakSummary) -> Axis:
    """The axis of time that everything shares, in ms."""
    return Axis(0.0, max(summary.elapsed, 1.0) * 1000)


def latencies(summary: SoakSummary) -> list[Plot]:
    """Latency and recovery over time."""
    found = []
    for name, title, columns in _LATENCIES:
        lines = [
            Line(label, style, charts.strands(summary, column)) for label, style, column in columns
        ]
        found.append(_plot(summary, name, title, "ms", lines))
    return [each for each in found if each is not None]


def load(summary: SoakSummary) -> list[Plot]:
    """Sessions under way, and reconnections."""
    found = []
    for name, title in (("sessions", "sessions"), ("reconnects", "reconnections")):
        strands = charts.strands(summary, name)
        unit = "under way" if name == "sessions" else f"in {summary.row_minutes} min"
        found.append(_plot(summary, name, title, unit, [Line(unit, "middle-all", strands)]))
    return [replace(each, log=None) for each in found if each is not None]


def resources(summary: SoakSummary) -> list[Plot]:
    """What every process took, and what it has gained."""
    whos = processes(summary)
    found = []
    for name, title, unit, scale in (
        ("rss", "memory", "MiB", _MIB),
        ("gained", "memory gained", "MiB", _MIB),
        ("fds", "files", "open", 1),
        ("threads", "threads", "", 1),
        ("tasks", "tasks", "", 1),
    ):
        lines = []
        for course in summary.resources:
            strand = charts.course(course, "rss" if name == "gained" else name)
            if name == "gained" and strand:
                strand = charts.gained(strand)
            strand = [(t, value / scale) for t, value in strand]
            style = f"who who-{whos.index(course.who) % COLOURS}"
            lines.append(Line(course.who, style, [strand]))
        found.append(_plot(summary, name, title, unit, lines))
    return [replace(each, log=None) for each in found if each is not None]


def processes(summary: SoakSummary) -> list[str]:
    """Who they are, each once, however often it was started again."""
    return list(dict.fromkeys(each.who for each in summary.resources))


def _plot(
    summary: SoakSummary, name: str, title: str, unit: str, lines: Sequence[Line]
) -> Plot | None:
    values = [value for each in lines for strand in each.strands for _, value in strand]
    if not values:
        return None
    low, high = min(values), max(values)
    down = linear(min(low, 0.0), high or 1.0)
    positive = [value for value in values if value > 0]
    logged = logarithmic(min(positive), max(positive)) if positive else None
    return Plot(
        name=name,
        title=title,
        unit=unit,
        lines=lines,
        linear=_field(summary, title, unit, lines, down),
        log=None if logged is None else _field(summary, title, unit, lines, logged),
    )


def _field(summary: SoakSummary, title: str, unit: str, lines: Sequence[Line], down: Axis) -> Field:
    axis = across(summary)
    drawn = Field(
        title=f"{title}, over time",
        height=_HEIGHT,
        x=axis.clock_ticks(),
        y=[Tick(1 - tick.at, tick.label) for tick in down.ticks(5)],
        axis=axis,
        across="the soak's clock" + (", logarithmic" if down.log else ""),
        down=", ".join(filter(None, (title, unit))),
        kind="soak",
        upward=down,
    )
    drawn.paths.extend(_behind(summary, axis))
    for each in lines:
        paths = [
            line(
                [axis.at(t * 1000) for t, _ in strand],
                [1 - down.at(value) for _, value in strand],
                _HEIGHT,
            )
            for strand in (_drawn(strand, down) for strand in each.strands)
            if strand
        ]
        if paths:
            drawn.paths.append(Path("".join(paths), f"over {each.kind}", each.label))
    return drawn


def _drawn(strand: Strand, down: Axis) -> Strand:
    """What can be shown: nothing below a logarithmic axis, and one point as a line of two, which
    is a dot."""
    seen = [each for each in strand if each[1] > 0] if down.log else strand
    return seen * 2 if len(seen) == 1 else seen


def _behind(summary: SoakSummary, axis: Axis) -> Iterator[Path]:
    """What was disturbed, where that is not nearly everything; and deaths."""
    if summary.windows and shaded(summary):
        yield Path(_boxes(summary.windows, axis, 0, _HEIGHT), "window")
    deaths = "".join(f"M{axis.at(each.t * 1000) * WIDE:.5g} 0V{_HEIGHT}" for each in summary.deaths)
    if deaths:
        yield Path(deaths, "death")


def shaded(summary: SoakSummary) -> bool:
    """Windows are marked in every plot, not only in their own."""
    return charts.covered(summary.windows, summary.elapsed) <= _SHADED


def _boxes(windows: Sequence[Window], axis: Axis, top: float, bottom: float) -> str:
    parts = []
    for each in windows:
        begun, over = (axis.at(t * 1000) * WIDE for t in (each.begun, each.over))
        wide = max(over - begun, _LEAST)
        parts.append(f"M{begun:.5g} {top:g}h{wide:.3g}v{bottom - top:g}h-{wide:.3g}z")
    return "".join(parts)


def lanes(summary: SoakSummary) -> Field | None:
    """When something was disturbed, by the kind of fault: a lane each, and one for deaths."""
    kinds = list(dict.fromkeys(sorted(each.kind for each in summary.windows)))
    names = [kind(each) for each in kinds] + ["died"] * bool(summary.deaths)
    if not names:
        return None
    axis, height = across(summary), _LANE * len(names)
    drawn = Field(
        title="When something was disturbed, by the kind of fault",
        height=height,
        x=axis.clock_ticks(),
        y=[Tick((k + 0.5) / len(names), name) for k, name in enumerate(names)],
        axis=axis,
        across="the soak's clock",
        down="disturbed",
        kind="soak lanes",
    )
    for k, name in enumerate(kinds):
        mine = [each for each in summary.windows if each.kind == name]
        boxes = _boxes(mine, axis, k * _LANE + 2, (k + 1) * _LANE - 2)
        drawn.paths.append(Path(boxes, "window", names[k]))
    if summary.deaths:
        top, bottom = height - _LANE + 1, height - 1
        marks = "".join(
            f"M{axis.at(each.t * 1000) * WIDE:.5g} {top}V{bottom}" for each in summary.deaths
        )
        drawn.paths.append(Path(marks, "death", "died"))
    return drawn


def storm(found: Storm) -> Field | None:
    """How many attempts came how long after their session's loss."""
    if not found.counts:
        return None
    axis = Axis(0.0, len(found.counts) * found.width_ms)
    down = linear(0.0, max(found.counts))
    drawn = Field(
        title="Attempts to connect by the time since the loss, after common cuts",
        height=_STORM,
        x=axis.ticks(7),
        y=[Tick(1 - tick.at, tick.label) for tick in down.ticks(4) if "." not in tick.label],
        axis=axis,
        across=f"ms after the loss, {found.width_ms:g} ms a bar",
        down="attempts",
        kind="storm",
    )
    for counts, style, label in (
        (found.counts, "attempts", "all attempts"),
        (found.first, "first-attempts", "first attempts"),
    ):
        drawn.paths.append(Path(_columns(counts, len(found.counts), down), style, label))
    return drawn


def _columns(counts: Sequence[int], of: int, down: Axis) -> str:
    wide = WIDE / of
    return "".join(
        f"M{k * wide + wide * 0.06:.5g} {_STORM}V{(1 - down.at(count)) * _STORM:.4g}"
        f"H{(k + 1) * wide - wide * 0.06:.5g}V{_STORM}Z"
        for k, count in enumerate(counts)
        if count
    )
