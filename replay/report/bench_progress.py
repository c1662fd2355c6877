"""A benchmark as it goes on: a line for each session, and on a terminal a bar below."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from replay.benchmark import Play
from replay.report.text import VERDICT_STYLES
from replay.summary import Summary


class BenchProgress:
    """Shows what `tell` hears. Use it in a `with` block."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("sessions", total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def tell(self, play: Play, summary: Summary | None, left: int) -> None:
        """A session was played."""
        self._console.print(_line(play, summary), soft_wrap=True, highlight=False)
        self._bar.update(self._task, advance=1, total=None, completed=None)
        self._bar.update(self._task, total=(self._bar.tasks[0].completed + left))


def make_progress(console: Console, total: int) -> BenchProgress:
    """The progress of so many sessions."""
    return BenchProgress(console, total)


def _line(play: Play, summary: Summary | None) -> Text:
    where = f"round {play.round}" if play.round > 0 else "warm-up"
    line = Text(f"{where:>8}  {play.arm}  {play.recording}  ")
    if summary is None:
        return line.append(f"not played: {play.error}", style="red")
    line.append(summary.verdict, style=VERDICT_STYLES[summary.verdict])
    plan = summary.latency.from_plan
    for name, dist in (("first", plan.word_first), ("final", plan.word_final)):
        if dist.p50 is not None:
            line.append(f"  {name} {dist.p50:,.0f} ms", style="dim")
    if summary.validity.verdict == "invalid":
        line.append(f"  not valid: {summary.validity.reasons[0]}", style="red")
    return line
