"""A search for a capacity, for people: a line for each step, then the answer."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from msgspec import UNSET
from rich.console import Console
from rich.status import Status
from rich.text import Text

from replay.capacity.judge import Step
from replay.capacity.records import Asked
from replay.capacity.result import Capacity
from replay.report.numbers import cell, figure_line, number
from replay.report.text import VERDICT_STYLES

_STYLES = {
    "held": "green",
    "missed": "red",
    "lost": "red",
    "refused": "red",
    "strained": "yellow",
    "unknown": "yellow",
}


class Progress:
    """Shows what `tell` hears, for as long as the block."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status = self._console.status("starting …")
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def tell(self, news: int | Step) -> None:
        """So many sessions are tried next, or a step was judged."""
        if isinstance(news, Step):
            self._console.print(_step(news), soft_wrap=True, highlight=False)
        elif self._status is not None:
            self._status.update(f"{news} sessions …")


def introduce(asked: Asked, console: Console) -> None:
    """What will be done, and on which cores."""
    for line in _introduction(asked):
        console.print(line, style="dim", highlight=False, soft_wrap=True)


def _introduction(asked: Asked) -> Iterator[str]:
    options = " ".join(asked.sandbox)
    yield f"target: {asked.target}" + (f" ({options})" if options else "")
    yield f"source: {asked.source}, chunks of {asked.chunk_ms:g} ms"
    yield f"must hold: {', '.join(asked.slo)}, for {asked.hold_s:g} s at each step"
    plural = "es" if asked.processes > 1 else ""
    cores = asked.cores
    told = f"client: {asked.processes} process{plural} on {_cores(cores.client)}"
    if cores.shared:
        told += ", shared with the target"
    elif cores.target:
        told += f"; target: on {_cores(cores.target)}"
    yield told


def _cores(numbers: list[int]) -> str:
    return f"core{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _step(step: Step) -> Text:
    line = Text(f"{step.sessions:>6} sessions  ")
    line.append(f"{step.state:9}", style=_STYLES[step.state])
    for checked in step.checks:
        dist = step.figures.get(checked.figure)
        value = cell(dist, checked.statistic) if dist is not None else "–"
        unit = "" if checked.statistic in ("n", "censored") else " ms"
        line.append(f"  {checked.figure}.{checked.statistic} {value}{unit}")
    if step.lateness.n:
        needed = step.lateness.needed
        name = "p99" if needed is UNSET or "p99" not in needed else "max"
        line.append(f"  own lateness {name} {cell(step.lateness, name)} ms", style="dim")
        line.append(f"  client {step.cpu:.0%} CPU", style="dim")
    if step.target_cpu is not None:
        line.append(f"  target {step.target_cpu:.0%}", style="dim")
    for reason in step.reasons[:1]:
        line.append(f"  {reason}", style="dim")
    return line


def show(found: Capacity, console: Console) -> None:
    """The answer, and what it stands on."""
    if not console.is_terminal:
        for line in lines(found):
            console.out(line, highlight=False)
        return
    head = Text.assemble(
        (f" {found.verdict.upper()} ", f"reverse {VERDICT_STYLES[found.verdict]}"),
        f" {found.answer}",
    )
    console.print(head)
    for reason in found.reasons:
        console.print(Text(f"   {reason}"))
    if found.per_core is not None and found.cpu_ms is not None:
        console.print(
            Text(
                f"   {found.per_core:g} sessions a core of the client, "
                f"{found.cpu_ms:g} ms of it for a second of one session"
            )
        )


def lines(found: Capacity) -> Iterator[str]:
    """`name: value` lines, with the same names as in the JSON."""
    yield f"verdict: {found.verdict}"
    yield f"answer: {found.answer}"
    yield from (f"reason: {reason}" for reason in found.reasons)
    yield f"sessions: {number(found.sessions)}"
    yield f"limit: {number(found.limit)}"
    yield f"above: {number(found.above)}"
    yield f"per_core: {number(found.per_core)}"
    yield f"cpu_ms: {number(found.cpu_ms)}"
    at = [s for s in found.steps if s.sessions == found.sessions and s.state == "held"]
    for step in at[-1:]:
        for name, dist in step.figures.items():
            yield f"{name}: {figure_line(dist)}"
        yield f"lateness: {figure_line(step.lateness)}"
