"""Recovery times by kind of fault, over many runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from rich.console import Console

from replay.recoveries import Recovery
from replay.report.fitting import Figures
from replay.report.sentences import STEPS
from replay.statistics import Distribution

_STEPS = {**STEPS, "resent_bytes": "resent, bytes"}
_RAREST = ("1st ack", "waited", "connecting", "flushed", "noticed", "1st text", "resent, bytes")


def render(found: Sequence[Recovery], runs: int) -> bytes:
    """A JSON document of its own, with a newline at the end."""
    document = {"runs": runs, "recoveries": found}
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def show(found: Sequence[Recovery], runs: int, console: Console) -> None:
    """A table on a terminal, `name: value` lines anywhere else."""
    if not console.is_terminal:
        for line in lines(found, runs):
            console.out(line, highlight=False)
        return
    title = f"recoveries of {runs} runs, p50 / p95 in ms"
    table = Figures(title, ("n", *_STEPS.values()), _RAREST)
    for each in found:
        steps = [_pair(getattr(each, step)) for step in _STEPS]
        table.add(each.fault or "no fault", str(each.outages), *steps)
    console.print()
    console.print(table)


def lines(found: Sequence[Recovery], runs: int) -> Iterator[str]:
    """`recovery.KIND.STEP: figure=value` pairs, the same names as in the JSON."""
    yield f"recoveries: {runs} runs"
    for each in found:
        name = each.fault or "none"
        yield f"recovery.{name}.outages: {each.outages}"
        for step in _STEPS:
            dist: Distribution = getattr(each, step)
            figures = f"n={dist.n} p50={_plain(dist.p50)} p95={_plain(dist.p95)}"
            yield f"recovery.{name}.{step}: {figures}"


def _pair(dist: Distribution) -> str:
    return f"{_figure(dist.p50)} / {_figure(dist.p95)}"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.15g}"
