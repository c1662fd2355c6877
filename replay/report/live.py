"""A run as it happens: a moving view on a terminal, plain lines anywhere else.

`add` only folds; everything is drawn in `refresh`, whose caller decides where and how often.
Finals and events go into the terminal's history; below them a few lines move: the bar with the
transcript's and the audio's cursor, the state, and what is being said.
"""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from replay import journal
from replay.report.progress import Line, Progress

_STYLES = {"final": "", "connection": "green", "trouble": "bold red", "note": "yellow"}
_REPORT_EVERY = 10.0
#: The bar of a source without a known end spans at least so much, in seconds.
_OPEN_SPAN = 30.0


class LiveView:
    """The moving view. It begins with the first `refresh` and goes with the end of the journal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress()
        self._lines: list[Line] = []
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            # Other people's output is not ours to catch.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._drawn = False

    def add(self, entry: journal.AnyEntry) -> None:
        """Take an entry; draws nothing."""
        self._lines += self._progress.add(entry)

    def refresh(self) -> None:
        """Draw what has changed."""
        if not self._drawn:
            self._drawn = True
            self._live.start()
        lines, self._lines = self._lines, []
        if lines:
            self._console.print(_history(lines))
        if self._progress.over:
            self._live.stop()
        else:
            self._live.update(frame(self._progress, self._console.width), refresh=True)


class PlainView:
    """One line for each final and event, and one every ten seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress()
        self._lines: list[Line] = []
        self._next = _REPORT_EVERY

    def add(self, entry: journal.AnyEntry) -> None:
        """Take an entry; prints nothing."""
        self._lines += self._progress.add(entry)
        if self._progress.clock >= self._next:
            self._next += _REPORT_EVERY
            self._lines.append(Line("note", self._progress.clock, _state(self._progress)))

    def refresh(self) -> None:
        """Print what has happened since the last time."""
        lines, self._lines = self._lines, []
        for line in lines:
            self._console.out(f"{_clock(line.t)}  {line.kind:<10}  {line.text}", highlight=False)


def make_view(console: Console) -> LiveView | PlainView:
    """The view that fits where the console writes to."""
    return LiveView(console) if console.is_terminal else PlainView(console)


def frame(progress: Progress, width: int) -> RenderableType:
    """The lines that move, for a terminal `width` cells wide."""
    state = Text(no_wrap=True, overflow="ellipsis")
    state.append("● " if progress.up else "○ ", style="green" if progress.up else "red")
    state.append(progress.connection)
    if progress.lag is not None:
        state.append(f"   lag {progress.lag * 1000:,.0f} ms", style="cyan")
    state.append(f"   {progress.finals} final" + "s" * (progress.finals != 1), style="dim")
    state.append(f"   {progress.title}", style="dim")
    said = Text(" ".join(progress.partials.values()), style="dim italic", no_wrap=True)
    # The end of a long partial is what is new about it.
    if said.cell_len > width:
        said = Text("…", style="dim italic") + said[-(width - 1) :]
    return Group(said, _bar(progress, width), state)


def _bar(progress: Progress, width: int) -> Text:
    clock = f" {_clock(progress.spoken)}"
    if progress.total is not None:
        clock += f" / {_clock(progress.total)}"
    if width < 2 * len(clock):
        return Text(clock.strip(), no_wrap=True)
    cells = width - len(clock)
    span = progress.total or max(progress.spoken, _OPEN_SPAN)
    played = round(cells * min(progress.spoken / span, 1)) if span else cells
    heard = min(round(cells * min(progress.heard / span, 1)) if span else 0, played)
    return Text.assemble(
        ("━" * heard, "green"),
        ("━" * (played - heard), "cyan"),
        ("─" * (cells - played), "dim"),
        (clock, ""),
        no_wrap=True,
    )


def _history(lines: list[Line]) -> Table:
    """Long lines go on below themselves, beside the clock."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row(_clock(line.t), Text(line.text, _STYLES[line.kind]))
    return table


def _state(progress: Progress) -> str:
    lag = "" if progress.lag is None else f", lag {progress.lag * 1000:.0f} ms"
    whole = "" if progress.total is None else f" of {progress.total:.1f}"
    played = f"{progress.spoken:.1f}{whole} s played, {progress.heard:.1f} s understood"
    return f"{played}{lag}, {progress.connection}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(seconds, 0.0), 60)
    return f"{int(minutes):02d}:{rest:04.1f}"
