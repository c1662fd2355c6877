"""What people see: the live views, the summary on a terminal and elsewhere, `replay report`."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from journals import Builder, Cut, ns
from rich.console import Console

from replay import journal as j
from replay.cli.report import command
from replay.continuity import compare
from replay.errors import UsageError
from replay.report import text
from replay.report.live import LiveView, PlainView, frame, make_view
from replay.report.progress import Progress
from replay.summary import Summary, summarise

SAID = [("Good", 200, 500), ("morning", 550, 1000), ("everyone", 1100, 1650)]


def told() -> Builder:
    """A partial, an outage, a final, over twelve seconds."""
    built = Builder(seconds=12, reference=SAID).play([Cut(3210, 3905)])
    built.transcript(1300, SAID[:2], final=False)
    built.transcript(2200, SAID, final=True)
    built.transcript(5000, [("and", 4000, 4500)], final=False, name="2", connection=2)
    return built.finish(12_600, connection=2)


def terminal(width: int = 100) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=True, width=width, color_system=None), out


def plain() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=40), out


def until(ms: float) -> Progress:
    progress = Progress()
    for entry in told().ordered():
        if entry.t <= ns(ms):
            progress.add(entry)
    return progress


def drawn(progress: Progress, width: int = 100) -> list[str]:
    console, out = terminal(width)
    console.print(frame(progress, width))
    return out.getvalue().splitlines()


# ------------------------------------------------------------------ while it runs


def test_the_plain_view_tells_each_event_once() -> None:
    """One line for each final and event and every ten seconds, never wrapped."""
    console, out = plain()
    view = make_view(console)
    assert isinstance(view, PlainView)
    for entry in told().ordered():
        view.add(entry)
        view.refresh()
    view.refresh()
    assert out.getvalue().splitlines() == [
        "00:02.2  final       Good morning everyone",
        "00:03.2  trouble     down: connection lost (wire, 1006)",
        "00:03.9  connection  back after 0.69 s, 3,200 bytes to repeat",
        "00:03.9  connection  caught up after 0.01 s",
        "00:10.0  note        10.0 of 12.0 s played, 4.5 s understood, lag 500 ms, connected",
    ]


def test_an_outage_is_shown_until_it_is_made_up_for() -> None:
    """Between the new connection and the last byte repeated, the state says what goes on."""
    progress, seen = Progress(), [""]
    for entry in told().ordered():
        progress.add(entry)
        if seen[-1] != progress.connection:
            seen.append(progress.connection)
    at = seen.index("lost")
    assert seen[at - 1 : at + 1] == ["connected", "lost"]
    assert seen[seen.index("catching up") :][:2] == ["catching up", "connected"]


def test_adding_draws_nothing() -> None:
    """The recorder may add whenever it likes; only a refresh writes."""
    console, out = terminal()
    view = make_view(console)
    assert isinstance(view, LiveView)
    for entry in told().ordered():
        view.add(entry)
    assert out.getvalue() == ""
    view.refresh()
    assert "Good morning everyone" in out.getvalue()


def test_the_terminal_is_given_back_at_the_end() -> None:
    """The cursor that was hidden is shown again after the last entry."""
    console, out = terminal()
    view = LiveView(console)
    for entry in told().ordered():
        view.add(entry)
        view.refresh()
    assert out.getvalue().count("\x1b[?25l") == out.getvalue().count("\x1b[?25h") == 1
    assert "12.6" not in out.getvalue().rpartition("\x1b[?25h")[2]


def test_the_running_partial_and_both_cursors_are_shown() -> None:
    """What is being said, how far audio and transcript are, the state, the lag."""
    said, bar, state = drawn(until(1400))
    assert said.strip() == "Good morning"
    assert bar.endswith(" 00:01.4 / 00:12.0")
    cells = 100 - len(" 00:01.4 / 00:12.0")
    assert bar.count("━") == round(cells * 1.4 / 12)
    assert bar.count("━") + bar.count("─") == cells
    assert state.startswith("● connected   lag 300 ms   0 finals   built.wav → sandbox")


def test_an_outage_is_seen_while_it_lasts() -> None:
    """The state says so, and the audio's cursor goes on."""
    _, bar, state = drawn(until(3700))
    assert state.startswith("○ connecting")
    assert "00:03.2" in bar or "00:03.7" in bar


@pytest.mark.parametrize("width", [4, 12, 20, 33, 80])
def test_narrow_terminals_get_less(width: int) -> None:
    """No line is wider than the terminal, and there are always three."""
    progress = until(5500)
    progress.partials[0] = "a very long partial that goes on and on " * 5
    lines = drawn(progress, width)
    assert len(lines) == 3
    assert all(len(line) <= width for line in lines)
    assert "on and on"[-min(width - 1, 3) :] in lines[0] or width == 4


def test_unexpected_things_get_a_line() -> None:
    """Sources that stall, findings, refusals and interruptions are told in words."""
    progress = Progress()
    entries = [
        j.SourceNote(t=1, event="stalled", detail="for 3 s"),
        j.Observation(t=2, invariant="A3", severity="error", detail="acks went back"),
        j.Observation(t=2, invariant="A2", severity="info", detail="a repeat"),
        j.ConnectRefused(t=3, connection=1, attempt=1, error="refused"),
        j.Interrupted(t=4, how="graceful"),
        j.Ended(t=5, outcome="gave_up", detail="after 2 min"),
    ]
    assert [line.text for entry in entries for line in progress.add(entry)] == [
        "source stalled: for 3 s",
        "A3: acks went back",
        "no connection: refused",
        "stopping; once more to stop at once",
        "session gave_up: after 2 min",
    ]


# ------------------------------------------------------------------ afterwards


def judged() -> Summary:
    audio = bytes(384_000)
    return summarise(told().timeline(), compare(audio, audio[2:], 2))


def test_the_terminal_sees_the_verdict_first() -> None:
    """Then its reasons, the figures, the outages, the findings, the text."""
    console, out = terminal(120)
    text.show(judged(), console)
    shown = out.getvalue()
    assert shown.splitlines()[0].startswith(" FAIL  built.wav → sandbox")
    order = [
        "2 bytes (0.1 ms) sent and not recorded",
        "word first shown",
        "outage, ms",
        "A1",
        "Good morning everyone",
    ]
    places = [shown.rindex(what) if what == "A1" else shown.index(what) for what in order]
    assert places == sorted(places)


def numbers(summary: Summary, width: int) -> set[str]:
    """Every number of the summary as a terminal of this width shows it."""
    console, out = terminal(width)
    text.show(summary, console)
    assert "…" not in out.getvalue()
    assert all(len(line) <= width for line in out.getvalue().splitlines())
    return set(re.findall(r"\d[\d,.]*", out.getvalue()))


def test_no_terminal_is_too_narrow_for_a_whole_number() -> None:
    """Columns are given up, from the right ones on; what is shown is shown as on a wide one."""
    summary = judged()
    every = numbers(summary, 200)
    for width in (30, 40, *range(55, 115, 2)):
        shown = numbers(summary, width)
        assert shown <= every
        assert {"1,700", "1,100", "384,000", "3,200", "695", "725"} <= shown
    assert "500" in every - numbers(summary, 80)  # from the send


def test_elsewhere_every_line_is_a_name_and_a_value() -> None:
    """Whatever the width, so that grep and cut can read it."""
    console, out = plain()
    text.show(judged(), console)
    lines = out.getvalue().splitlines()
    assert all(": " in line for line in lines)
    assert lines[:2] == [
        "verdict: fail",
        "reason: 2 bytes (0.1 ms) sent and not recorded, from 12.000 s",
    ]
    assert "latency.from_plan.final: n=2" in "\n".join(lines)
    assert {"pacing.phase: live", "pacing.chunk_ms: 100", "pacing.speed: 1"} <= set(lines)


def test_report_makes_the_figures_anew(tmp_path: Path) -> None:
    """`replay report` needs nothing but the journal; --json prints the document alone."""
    (tmp_path / "journal.jsonl").write_bytes(told().lines())
    found = CliRunner().invoke(command, [str(tmp_path), "--json"], catch_exceptions=False)
    assert found.exit_code == 0
    summary = json.loads(found.stdout)
    assert (summary["verdict"], summary["transcript"]["finals"]) == ("pass", 1)
    assert "verdict: pass" in CliRunner().invoke(command, [str(tmp_path)]).stdout


def test_report_refuses_what_is_no_run(tmp_path: Path) -> None:
    """In one line, which the command line prints before it exits with 2."""
    with pytest.raises(UsageError, match="not a run directory"):
        CliRunner().invoke(command, [str(tmp_path)], catch_exceptions=False)
