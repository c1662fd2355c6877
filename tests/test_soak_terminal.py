"""A soak as people and programs follow it: the summary, the dashboard, and plain lines."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace as changed

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.console import Console
from soaks import BAD, Made, facts, hostile, nothing, now, outcomes, samples, soak

from replay.endurance import growth
from replay.endurance.resources import History
from replay.endurance.summary import Death, SoakSummary
from replay.report import soak_text
from replay.report.soak_dashboard import allot, frame
from replay.report.soak_live import PlainView, TerminalView, line, make_soak_view
from replay.report.soak_now import Live, of_death, of_outcome
from replay.report.soak_words import clock, process, size, span, title
from replay.report.spark import spark


@pytest.fixture(scope="module")
def fine() -> SoakSummary:
    """Half an hour in which everything went well."""
    return soak()


@pytest.fixture(scope="module")
def bad() -> SoakSummary:
    """With a leak, two sessions that lost audio, a worker that died, and conditions that fail."""
    return soak(BAD)


def shown(found: SoakSummary, width: int = 120) -> str:
    out = io.StringIO()
    soak_text.show(found, Console(file=out, force_terminal=True, width=width, color_system=None))
    return out.getvalue()


def drawn(live: Live, width: int, height: int) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width, color_system=None)
    console.print(frame(live, width, height))
    return out.getvalue().splitlines()


# ------------------------------------------------------------------ the summary


def test_the_verdict_and_why_come_first(bad: SoakSummary) -> None:
    """Then what a release engineer asks: what was lost, how long recoveries took, what leaks, which
    sessions, and how to have them again."""
    said = shown(bad)
    lines = said.splitlines()
    assert lines[0].startswith(" FAIL  demo.flac → sandbox  30m of 30m, 20 sessions at once")
    assert lines[1].strip().startswith("2 of 60 finished sessions failed")
    for what in (
        "6,400 bytes lost",
        "worker 2 at 0:15:00: killed by SIGKILL, with 2 sessions",
        "held A2 R1 R4 T1  broken A1 (2)",
        "fail    lost_bytes == 0",
        "A1  2 in 2 sessions",
        "replay run fixtures/demo.flac --loop 10 --seed 3001 --fault 'reset @ poisson 2/min'",
    ):
        assert what in said
    assert re.search(r"^all +1,\d{3} +1,\d{3} ", said, re.MULTILINE)
    assert re.search(r"worker 1 +\+[\d.]+ KiB grows +0 flat", said)


def test_what_went_well(fine: SoakSummary) -> None:
    """Nothing is red, and no session is put in front."""
    said = shown(fine)
    assert said.startswith(" PASS  demo.flac")
    assert "0 bytes lost" in said
    assert "grows" not in said
    assert "replay run" not in said


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_it_fits_any_terminal(bad: SoakSummary, width: int) -> None:
    """No line is longer than the terminal is wide."""
    assert max(map(len, shown(bad, width).splitlines())) <= width


def test_a_soak_of_nothing() -> None:
    """It says that nothing finished, and of conditions that they cannot be told."""
    said = shown(nothing())
    assert said.startswith(" UNKNOWN  ")
    assert "no session finished" in said
    assert "no recording to compare with" in said


def test_one_fact_a_line(bad: SoakSummary) -> None:
    """Where no terminal is, with the names of the JSON; every line has one."""
    out = io.StringIO()
    soak_text.show(bad, Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    assert all(re.match(r"[\w. ]+: |verdict: |trend ", each) for each in lines)
    for what in (
        "verdict: fail",
        "sessions.failed: 2",
        "audio.lost_bytes: 6400",
        "reconnects: ",
        "recovery.reset.recover: n=",
        "condition fail: lost_bytes == 0",
        "death: worker=2 t=900 killed by SIGKILL",
        "finding: error A1 count=2 sessions=2 3,200 bytes",
    ):
        assert any(each.startswith(what) for each in lines), what
    assert any(re.match(r"trend grows rss worker 1: slope=2\d{4}", each) for each in lines)


def test_lengths_and_sizes() -> None:
    """As people say them."""
    assert [span(each) for each in (0, 45, 1800, 5400, 43_200, 187_200)] == [
        *("0s", "45s", "30m", "1h 30m", "12h", "2d 4h"),
    ]
    assert [clock(each) for each in (0, 61.9, 36_000)] == ["0:00:00", "0:01:01", "10:00:00"]
    assert [size(each) for each in (-0.2, 512, 1536, 61 << 20, 3 << 30)] == [
        *("0 B", "512 B", "1.5 KiB", "61 MiB", "3 GiB"),
    ]
    assert title({"sources": ["a/b.wav", "https://x.example/c.mp3?k", "d", "e"]}) == (
        "b.wav, c.mp3?k, d and 1 more"
    )


def test_processes_are_called_as_in_their_trends() -> None:
    """A process that was started again is found again among the trends."""
    made = Made(dead=True)
    names = {each.who for each in growth.leaks(History(samples(made)))}
    assert names == {process(each.who, each.generation) for each in samples(made)}


# ------------------------------------------------------------------ the dashboard


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60), (40, 12), (20, 5)])
def test_the_dashboard_fits(bad: SoakSummary, width: int, height: int) -> None:
    """At any size there are no more lines than that, and none is longer."""
    lines = drawn(now(BAD, bad), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_the_dashboard_of_eighty_by_twenty_four(bad: SoakSummary) -> None:
    """Everything that one asks for is on the smallest terminal there is."""
    said = "\n".join(drawn(now(BAD, bad), 80, 24))
    for what in (
        "demo.flac → sandbox   so far FAIL",
        "0:24:00 of 30m, 0:06:00 left",
        "playing 19 of 20, 18 connected   over 60: 58 passed, 2 failed, 0 unknown",
        "lost 6.25 KiB",
        "workers 1 of 2",
        "recovered, ms",
        "KiB grows",
    ):
        assert what in said, what
    assert re.search(r"faults 1,\d{3}  reset \d+  stall \d+", said)
    assert re.search(r"reconnections 1,\d{3}, \d\d(\.\d)? a minute", said)
    assert re.search(r"^ ack p95   [▁▂▃▄▅▆▇█]{30,} +p50 7.7  p95 12 ms$", said, re.MULTILINE)
    for who in ("supervisor", "worker 1", "worker 2", "sandbox", "pid 4711"):
        assert f"\n {who} " in said
    assert said.index("worker 1") < said.index("supervisor")  # what grows stands first
    assert said.splitlines()[-1].startswith(" 0:20:00 sessions/09-002: error A1")


def test_a_wide_dashboard_has_every_step(bad: SoakSummary) -> None:
    """And what happened before."""
    said = "\n".join(drawn(now(BAD, bad), 120, 40))
    assert re.search(r"noticed +waited +connecting +flushed +caught up", said)
    assert "worker 2 died: killed by SIGKILL, with 2 sessions" in said


def test_a_dashboard_at_the_beginning() -> None:
    """Before any session is over it says so, and shows what is under way."""
    live = changed(now(found=nothing()), elapsed=0.0, reconnects=0, faults={}, samples=[], told=[])
    said = "\n".join(drawn(live, 80, 24))
    assert "no session is over yet that lost its connection" in said
    assert "playing 19 of 20" in said
    assert "so far UNKNOWN" in said


def test_a_dashboard_that_is_ending(fine: SoakSummary) -> None:
    """Why is said in place of what is left."""
    served = "http://127.0.0.1:9100/metrics"
    live = changed(now(found=fine), ending="interrupted", metrics=served)
    said = "\n".join(drawn(live, 80, 24))
    assert "0:24:00 of 30m, interrupted" in said
    assert f"so far PASS  metrics at {served}" in said


def test_nothing_depends_on_colours(bad: SoakSummary) -> None:
    """Only colours of the terminal's own palette are used, none of which is black or white, and
    everything that has one is said in a word too."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, color_system="truecolor")
    console.print(frame(now(BAD, bad), 120, 40))
    codes = {
        int(code)
        for group in re.findall(r"\x1b\[([\d;]*)m", out.getvalue())
        for code in group.split(";")
        if code
    }
    assert codes <= {0, 1, 2, 31, 32, 33, 36}


@given(
    room=st.integers(-3, 60),
    wanted=st.lists(st.integers(0, 30), min_size=3, max_size=3),
    least=st.lists(st.integers(0, 6), min_size=3, max_size=3),
)
def test_lines_are_given_out(room: int, wanted: list[int], least: list[int]) -> None:
    """Never more than there are, or than are wanted; and none is left while one is wanted."""
    shown = allot(room, wanted, least)
    assert sum(shown) <= max(room, 0)
    assert all(0 <= got <= want for got, want in zip(shown, wanted, strict=True))
    assert sum(shown) == min(max(room, 0), sum(wanted))


def test_bars_of_a_line() -> None:
    """What is usual is half as high as there is room, twice that all of it; a gap is a blank."""
    every = [(0, 1, 4.0), (1, 2, 4.0), (2, 3, 9.0), (3, 4, None), (4, 5, 0.0), (5, 6, 4.0)]
    assert spark(every, 6, 6) == "▅▅█ ▁▅"
    assert spark(every, 6, 12) == "▅▅▅▅██  ▁▁▅▅"
    assert spark(every, 6, 3) == "▅█▅"
    assert spark([], 10, 4) == "    "
    assert spark([(0, 1, -3.0)], 1, 2) == "▁▁"


# ------------------------------------------------------------------ views


def test_the_screen_is_written_over(fine: SoakSummary) -> None:
    """Each picture begins at the top, erases nothing first, and has as many lines as there are; at
    the end the terminal is as it was."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, height=24, color_system=None)
    with TerminalView(console) as view:
        live = now(found=fine)
        view.show(live)
        begun = out.tell()
        view.show(changed(live, elapsed=live.elapsed + 1))
        picture = out.getvalue()[begun:]
        view.tell(of_death(Death(worker=1, t=3.0)))
    assert picture.startswith("\x1b[H")
    assert "\x1b[2J" not in picture
    assert "\x1b[2K" not in picture
    assert picture.count("\n") == 23
    assert "\x1b[?1049h" in out.getvalue()
    assert "\x1b[?1049l" in out.getvalue()


def read(text: str) -> dict[str, str]:
    """A line as a program reads it."""
    pairs = re.findall(r'(\S+?)=("(?:[^"\\]|\\.)*"|\S*)', text)
    return {name: json.loads(value) if value[:1] == '"' else value for name, value in pairs}


def test_a_line_a_minute(bad: SoakSummary) -> None:
    """However often it is asked: one for each minute of the soak's clock, one when it begins to
    end, and one at the end; all of them the same keys."""
    out = io.StringIO()
    live = now(BAD, bad)
    with PlainView(Console(file=out, width=40)) as view:
        for second in range(200):
            view.show(changed(live, elapsed=float(second), asked=199.0))
        view.show(changed(live, elapsed=199.0, asked=199.0))
    lines = [read(each) for each in out.getvalue().splitlines()]
    assert [each["t"] for each in lines] == ["0", "60", "120", "180", "199"]
    assert len({tuple(each) for each in lines}) == 1
    first = lines[0]
    assert (first["event"], first["verdict"], first["failed"]) == ("status", "fail", "2")
    assert (first["playing"], first["connected"], first["slots"]) == ("19", "18", "20")
    assert first["grows"] == "worker 1 rss"
    assert int(first["worker_1.rss"]) > 0


def test_a_line_when_it_begins_to_end(fine: SoakSummary) -> None:
    """At once, not with the next minute."""
    out = io.StringIO()
    live = changed(now(found=fine), elapsed=61.0)
    with PlainView(Console(file=out)) as view:
        view.show(live)
        view.show(changed(live, elapsed=62.0, ending="interrupted"))
        view.show(changed(live, elapsed=63.0, ending="interrupted"))
    endings = [read(each)["ending"] for each in out.getvalue().splitlines()]
    assert endings == ["", "interrupted"]


def test_what_happens_is_told_at_once() -> None:
    """A failed session with its reason, each of its findings, and a death; a session that passed,
    or was only cut off, is nothing to tell."""
    out = io.StringIO()
    view = PlainView(Console(file=out, width=40))
    failed = next(each for each in outcomes(BAD) if each.verdict == "fail")
    for told in of_outcome(failed):
        view.tell(told)
    view.tell(of_death(facts(BAD).deaths[0]))
    first, second, third = map(read, out.getvalue().splitlines())
    assert first == {
        "event": "session",
        "t": "600",
        "session": "sessions/03-001",
        "slot": "3",
        "worker": "2",
        "verdict": "fail",
        "reason": "A1: 3,200 bytes of audio were lost",
    }
    assert (second["event"], second["invariant"], second["severity"]) == ("finding", "A1", "error")
    assert (third["event"], third["worker"], third["why"]) == ("death", "2", "killed by SIGKILL")
    passed = next(each for each in outcomes(BAD) if each.verdict == "pass")
    cut = replace(passed, verdict="unknown", place=replace(passed.place, cut=True))
    assert [*of_outcome(passed), *of_outcome(cut)] == []
    unsure = replace(passed, verdict="unknown", doubts=["no recording"])
    assert [told.kind for told in of_outcome(unsure)] == ["session"]
    vacuous = replace(failed.findings[0], invariant="V1", severity="warning")
    assert [*of_outcome(replace(passed, findings=[vacuous]))] == []
    assert of_death(Death(worker=0, t=1.0, why="gone")).text == "the sandbox died: gone"


@given(text=st.text())
def test_a_line_is_read_back(text: str) -> None:
    """Whatever a value is, the line is one line, and a program has it back."""
    written = line({"a": 1, "what": text, "b": None})
    assert "\n" not in written
    assert read(written) == {"a": "1", "what": text, "b": ""}


def test_the_view_that_fits(fine: SoakSummary) -> None:
    """A dashboard on a terminal; lines anywhere else."""
    assert isinstance(make_soak_view(Console(force_terminal=True)), TerminalView)
    assert isinstance(make_soak_view(Console(file=io.StringIO())), PlainView)
    with make_soak_view(Console(file=io.StringIO())) as view:
        view.show(now(found=fine))


def test_what_others_wrote_stays_text(fine: SoakSummary) -> None:
    """Neither colours nor control characters get out of it."""
    evil = hostile(fine, "[bold]x[/] \x1b[31m\x07")
    assert "[bold]x[/]" in shown(evil)
    for said in (shown(evil), "\n".join(drawn(now(found=evil), 80, 24))):
        assert "\x07" not in said
        assert "\x1b[31m" not in said
