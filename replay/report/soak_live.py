"""A soak as it goes on: a dashboard on a terminal, lines for programs anywhere else.

A line is `key=value` pairs apart by blanks; a value with anything but plain characters in it is a
JSON string.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live as Screen

from replay.endurance.summary import SoakSummary
from replay.report.soak_dashboard import frame
from replay.report.soak_now import Live, Told

#: How often a view wants to be told how things stand, in seconds.
REFRESH_SECONDS = 1.0
_LINE_EVERY = 60.0
_PLAIN = re.compile(r"[^\s\"=\\]+")


class SoakView(Protocol):
    """Follows a soak. Use it in a `with` block."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def show(self, live: Live) -> None:
        """How it stands; to be called every `REFRESH_SECONDS`, and once at the end."""

    def tell(self, told: Told) -> None:
        """Something has happened. A dashboard has it from `Live.told` in place of this."""


def make_soak_view(console: Console) -> SoakView:
    """The view that fits where the console writes to."""
    return TerminalView(console) if console.is_terminal else PlainView(console)


class TerminalView:
    """The dashboard, on a screen of its own: each picture is written over the one before, so that
    nothing flickers, and the terminal is as it was when it is over."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._screen = Screen(
            console=console,
            auto_refresh=False,
            screen=True,
            # Other people's output is not ours to catch.
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._screen.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._screen.stop()

    def show(self, live: Live) -> None:
        size = self._console.size
        self._screen.update(frame(live, size.width, size.height), refresh=True)

    def tell(self, told: Told) -> None:
        """Nothing: the next picture has it."""


class PlainView:
    """A line a minute of the soak's clock, and one at once for whatever is to be told."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = 0.0
        self._ending = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing was taken."""

    def show(self, live: Live) -> None:
        """The line of this minute, if it has not been written."""
        if live.elapsed >= self._next or live.ending != self._ending:
            self._ending = live.ending
            minute = (live.elapsed // _LINE_EVERY + 1) * _LINE_EVERY
            self._next = min(minute, live.asked) if live.elapsed < live.asked else math.inf
            self._write(status(live))

    def tell(self, told: Told) -> None:
        self._write({"event": told.kind, "t": round(told.t, 1), **told.values})

    def _write(self, values: Mapping[str, str | int | float | None]) -> None:
        self._console.out(line(values), highlight=False)


def status(live: Live) -> dict[str, str | int | float | None]:
    """How it stands, by name; what is not known yet is left empty."""
    summary, sessions = live.summary, live.summary.sessions
    recover = summary.recoveries[0].recover if summary.recoveries else None
    values: dict[str, str | int | float | None] = {
        "event": "status",
        "t": round(live.elapsed),
        "left": round(max(live.asked - live.elapsed, 0)),
        "verdict": summary.verdict,
        "playing": live.playing,
        "connected": live.connected,
        "slots": live.slots,
        "finished": sessions.finished,
        "failed": sessions.failed + sessions.cut_failed,
        "unknown": sessions.unknown,
        "cut": sessions.cut,
        "reconnects": live.reconnects,
        "faults": sum(live.faults.values()),
        "lost_bytes": summary.audio.lost_bytes if summary.audio.compared else None,
        "recover_p50_ms": None if recover is None else recover.p50,
        "recover_p95_ms": None if recover is None else recover.p95,
        "ack_p95_ms": _p95(summary, "ack"),
        "word_final_p95_ms": _p95(summary, "word_final"),
        "late_ms": max((each.late_ms for each in live.workers), default=0.0),
        "findings": sum(each.count for each in summary.findings),
        "deaths": len(summary.deaths),
    }
    for each in live.samples:
        who = each.who.replace(" ", "_")
        values |= {f"{who}.rss": each.rss, f"{who}.fds": each.fds}
    growing = [f"{each.who} {each.of}" for each in summary.trends if each.state == "grows"]
    return {**values, "grows": ",".join(growing), "ending": live.ending}


def _p95(summary: SoakSummary, figure: str) -> float | None:
    dist = summary.latency.all.get(figure)
    return None if dist is None else dist.p95


def line(values: Mapping[str, str | int | float | None]) -> str:
    """`key=value` pairs; a value that is not known is nothing."""
    return " ".join(f"{name}={_written(value)}" for name, value in values.items())


def _written(value: str | int | float | None) -> str:
    if value is None or value == "":
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    if _PLAIN.fullmatch(text) and text.isprintable():
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())
