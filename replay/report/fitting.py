"""Tables that fit any terminal: a number is left out as a whole, never cut."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

#: A label may be folded down to so many cells before a column is given up.
_LABEL = 24
#: Facts stand in two columns from this width on.
_TWO_COLUMNS = 60
#: Wider than any table, to learn how wide one would like to be.
_ENDLESS = 10_000


#: What a terminal takes as an order: control characters, but for the end of a line.
_ORDERS = re.compile("[\u0000-\u0009\u000b-\u001f\u007f-\u009f]")


def harmless(text: str) -> str:
    """A text in which a terminal finds no orders, of the same length."""
    return _ORDERS.sub("�", text)


@dataclass(frozen=True, slots=True)
class Harmless:
    """What is shown of texts that others wrote: their characters, and nothing that these do."""

    shown: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for text, style, control in console.render(self.shown, options):
            yield Segment(text if control else harmless(text), style, control)


@dataclass(slots=True)
class Figures:
    """Rows of numbers behind a label.

    Attributes:
        title: heads the labels.
        columns: names of the numbers.
        rarest: the columns to give up where there is no room, the first one first.
        dim: columns of less weight.
    rows: a label with its numbers; a heading has none.
    """

    title: str
    columns: Sequence[str]
    rarest: Sequence[str]
    dim: Sequence[str] = ()
    rows: list[tuple[str, Sequence[str]]] = field(default_factory=list)

    def add(self, label: str, *values: str) -> None:
        """One row; `values` in the order of the columns."""
        self.rows.append((label, values))

    def head(self, label: str) -> None:
        """A heading over the rows that follow."""
        self.rows.append((label, ()))

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        labels = max(len(text) for text in (self.title, *(label for label, _ in self.rows)))
        spare = max(0, labels - _LABEL)
        for given_up in range(len(self.rarest) + 1):
            table = self._table([c for c in self.columns if c not in self.rarest[:given_up]])
            wide = Measurement.get(console, options.update_width(_ENDLESS), table).maximum
            if wide - spare <= options.max_width:
                yield table
                return
        yield from self._listed()

    def _table(self, columns: Sequence[str]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        table.add_column(self.title, overflow="fold")
        for name in columns:
            style = "dim" if name in self.dim else ""
            table.add_column(name, justify="right", no_wrap=True, style=style)
        shown = [self.columns.index(name) for name in columns]
        for label, values in self.rows:
            if values:
                table.add_row(label, *(values[k] for k in shown))
            else:
                table.add_row(Text(label, "bold"))
        return table

    def _listed(self) -> Iterator[Text]:
        """Each row in lines of its own: its label, and its numbers wrapped between them."""
        yield Text(self.title, style="bold", overflow="fold")
        kept = [(k, name) for k, name in enumerate(self.columns) if name not in self.rarest]
        for label, values in self.rows:
            yield Text(label, style="" if values else "bold", overflow="fold")
            if not values:
                continue
            figures = " ".join(f"{name.replace(' ', '_')}={values[k]}" for k, name in kept)
            yield Text(f" {figures}", style="dim", overflow="fold")


@dataclass(slots=True)
class Facts:
    """Labels and what is to be said of each, beside or under each other."""

    rows: list[tuple[str, Text]] = field(default_factory=list)

    def add(self, label: str, value: str | Text) -> None:
        self.rows.append((label, Text(value) if isinstance(value, str) else value))

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        if options.max_width < _TWO_COLUMNS:
            for label, value in self.rows:
                yield Text.assemble((f" {label}: ", "dim"), value, overflow="fold")
            return
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for label, value in self.rows:
            grid.add_row(f" {label}", value)
        yield grid
