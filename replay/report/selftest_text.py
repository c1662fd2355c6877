"""A selftest for people: truth beside measurement on a terminal, one point a line anywhere else."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.text import Text

from replay.report.fitting import Facts, Figures
from replay.report.numbers import figure_line, fine, number
from replay.report.text import VERDICT_STYLES
from replay.selftest.result import FROM_SEND, Checked, Point, Resolution, Row, Selftest
from replay.statistics import Distribution

_VERDICTS = {
    "pass": "what is known was read back",
    "fail": "what is known was not read back",
    "unknown": "this machine was too busy to say",
}
#: Of the reasons so many are listed; the tables have them all.
_REASONS = 8
_MEDIAN = ("p50 true", "p50 read", "p50 off")
_ABOVE = ("true", "read", "off")
_TIMED = ("n", *_MEDIAN, "above", *_ABOVE, "right")
_SINGLE = (*_ABOVE, "right")


def show(found: Selftest, console: Console) -> None:
    """Print it in the form that fits the console."""
    if console.is_terminal:
        console.print(render(found))
        return
    for line in lines(found):
        console.out(line, highlight=False)


def sentence(resolution: Resolution | None) -> str:
    """What differences this machine can resolve."""
    if resolution is None:
        return "what differences can be told apart on this machine is not known"
    return (
        f"differences from about {resolution.p50_ms:g} ms at p50 and {resolution.p99_ms:g} ms at "
        "p99 can be told apart on this machine"
    )


def lines(found: Selftest) -> Iterator[str]:
    """`name: value` lines; a point has its truth, what was measured, and how far that is off."""
    yield f"verdict: {found.verdict}"
    yield from (f"reason: {reason}" for reason in found.reasons)
    yield from (f"busy: {reason}" for reason in found.busy)
    yield f"quantiles: {found.quantiles}"
    for trial in found.trials:
        yield f"{trial.name}: {trial.title}, {_played(trial)}"
        for row in trial.rows:
            for point in row.points:
                name = ".".join(filter(None, (trial.name, row.figure, point.statistic)))
                yield f"{name}: {_point_line(point)}"
    yield f"lateness: {figure_line(found.lateness)}"
    yield f"machine: {figure_line(found.machine)}"
    yield f"resolution: {sentence(found.resolution)}"


def _point_line(point: Point) -> str:
    error = "-" if point.error is None else f"{point.error:+g}"
    held = "right" if point.right else "wrong"
    return (
        f"truth={number(point.truth)} measured={number(point.measured)} error={error} "
        f"allowed={number(point.allowed)} {held}"
    )


# ------------------------------------------------------------------ terminal


def render(found: Selftest) -> RenderableType:
    """The verdict, every trial's truths beside what was read, and what that says of the machine."""
    head = Text.assemble(
        (f" {found.verdict.upper()} ", f"reverse {VERDICT_STYLES[found.verdict]}"),
        f" {_VERDICTS[found.verdict]}",
        (f"  {found.took_s:.0f} s", "dim"),
    )
    reasons = [f"   {reason}" for reason in found.reasons[:_REASONS]]
    if len(found.reasons) > _REASONS:
        reasons.append(f"   and {len(found.reasons) - _REASONS} more, marked below")
    parts: list[RenderableType] = [
        head,
        *(Text(reason, VERDICT_STYLES[found.verdict]) for reason in reasons),
        "",
    ]
    for trial in found.trials:
        parts += _trial(trial)
    machine = Facts()
    machine.add("own lateness", _late(found.lateness))
    machine.add("machine's lateness", _late(found.machine))
    busy = [
        Text(f" {reason}", VERDICT_STYLES["unknown"])
        for reason in found.busy
        if reason not in found.reasons
    ]
    told = Text(f" {sentence(found.resolution)}", "bold")
    return Group(*parts, machine, *busy, told)


def _trial(trial: Checked) -> Iterator[RenderableType]:
    """Its tables, each with a free line behind it."""
    yield Text(trial.title, "bold")
    yield Text(f" {_played(trial)}", "dim")
    timed = [row for row in trial.rows if len(row.points) > 1]
    for origin, title in (("", "ms"), (FROM_SEND, "ms, from the send")):
        rows = [row for row in timed if row.figure.startswith(FROM_SEND) == bool(origin)]
        table = Figures(title, _TIMED, ("p50 read", "read", "n", "above"), dim=("n",))
        for row in rows:
            table.add(row.title, *_values(row), "yes" if row.right else "NO")
        if rows:
            yield from (table, "")
    single = [row for row in trial.rows if len(row.points) == 1]
    if single:
        table = Figures("one number each", _SINGLE, ("off",))
        for row in single:
            (point,) = row.points
            values = (_value(row, each) for each in (point.truth, point.measured))
            off = _value(row, point.error, "+")
            table.add(row.title, *values, off, "yes" if row.right else "NO")
        yield from (table, "")


def _played(trial: Checked) -> str:
    return f"{trial.rounds} × {trial.seconds:g} s, {trial.latency}"


def _values(row: Row) -> Iterator[str]:
    """How many, the median, and the highest percentile."""
    count, median, *above = row.points
    same = count.measured == count.truth
    yield f"{count.truth:g}" if same else f"{count.measured or 0:g} of {count.truth:g}"
    yield from _three(row, median)
    if not above:
        yield from ("", "", "", "")
        return
    yield above[0].statistic
    yield from _three(row, above[0])


def _three(row: Row, point: Point) -> Iterator[str]:
    yield _value(row, point.truth)
    yield _value(row, point.measured)
    yield _value(row, point.error, "+")


def _value(row: Row, value: float | None, sign: str = "") -> str:
    if value is None:
        return "-"
    if row.unit == "ms":
        return f"{value:{sign},.2f}"
    if row.unit == "ratio":
        return f"{value:{sign}.2%}"
    return f"{value:{sign},.0f}"


def _late(found: Distribution) -> str:
    figures = (f"{name} {fine(getattr(found, name))}" for name in ("p50", "p99", "max"))
    return ", ".join(figures) + f" ms, of {found.n:,}"
