"""The grid: its cases, its search, its grades, and its tables on a fixed result."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree.ElementTree import fromstring

import msgspec
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from replay.continuity import Finding
from replay.errors import UsageError
from replay.faults import KINDS, parse
from replay.grid import material
from replay.grid.cases import BY_NAME, CASES, GridCase
from replay.grid.cell import agent_command, last_words
from replay.grid.grading import Judged, Ran, grade, grade_search
from replay.grid.limit import Search
from replay.grid.results import Agent, Cell, Grid, Note
from replay.grid.runner import facts, named_cases, parse_agent
from replay.judge import Outcome
from replay.report import grid_html, grid_json, grid_junit, grid_text

# ------------------------------------------------------------------ the cases


def test_every_case_can_be_read() -> None:
    """Each fault is one of the language, and names are for directories and reports."""
    for case in CASES:
        for text in case.faults:
            parse(text.replace("{T}", "500ms"))
        assert re.fullmatch(r"[a-z0-9.-]+", case.name)
        assert ("{T}" in "".join(case.faults)) == (case.longest is not None)
    assert len(BY_NAME) == len(CASES) > 60


def test_every_kind_of_fault_has_a_case() -> None:
    """A kind that is added to the language asks for its place in the grid."""
    used = {
        step.fault.kind
        for case in CASES
        for text in case.faults
        for step in parse(text.replace("{T}", "500ms")).steps
    }
    assert set(KINDS) == used


def test_an_outage_is_over_before_the_speech_is() -> None:
    """A long outage gets longer speech, so that it is not the stop that is lost."""
    case = BY_NAME["gives-up"].outage(12.5)
    assert case.faults == ("refuse(12500ms) @ 2s then reset after 10ms",)
    assert case.seconds == pytest.approx(18.5)
    assert case.longest is None
    assert BY_NAME["outage-32s"].seconds == 38


def test_cases_are_chosen_by_name_and_group() -> None:
    """Names and groups may be mixed, the table's order stays, and a wrong one is told."""
    chosen = named_cases(("fin", "the end"))
    assert [case.name for case in chosen][:2] == ["fin", "stop-sent"]
    assert {case.group for case in chosen[1:]} == {"The end"}
    assert named_cases(()) == CASES
    with pytest.raises(UsageError, match="no case 'finn'"):
        named_cases(("finn",))


# ------------------------------------------------------------------ agents


def test_an_agents_command_gets_what_it_asks_for() -> None:
    """Placeholders are filled in; without {url} no shell is needed."""
    wav, place = Path("/a b/x.wav"), Path("/cell")
    assert agent_command("./mine -f '{wav}' --log {dir}/log", wav, place) == [
        *("./mine", "-f", "/a b/x.wav", "--log", "/cell/log")
    ]
    assert agent_command("./mine {url}/v2 {wav}", wav, place) == [
        *("sh", "-c", """./mine "$GLADIA_API_URL"/v2 '/a b/x.wav'""")
    ]


@pytest.mark.parametrize("text", ["mine", "=x", "a/b=x", "mine=", "mine=it's"])
def test_an_agent_that_cannot_be_read_is_refused(text: str) -> None:
    """An agent needs a name that a directory can have, and a command whose quotes match."""
    with pytest.raises(UsageError, match="agent"):
        parse_agent(text)


# ------------------------------------------------------------------ the search


@given(st.floats(0.05, 80))
def test_the_search_finds_where_a_client_gives_up(limit: float) -> None:
    """Doubling, then halving: the true limit lies between the two ends, which are near."""
    search, tried = Search(64.0), []
    while (outage := search.next) is not None:
        tried.append(outage)
        search = search.told(outage, survived=outage <= limit)
    assert len(tried) <= 13
    if limit >= 64:
        assert search.failed is None
        assert str(search) == "goes on through 64 s"
    else:
        assert search.failed is not None
        assert search.survived <= limit < search.failed
        assert search.failed - search.survived <= max(0.25, 0.04 * search.failed)
        # Nobody is kept waiting for an outage much longer than what is survived.
        assert max(tried) <= max(1.0, 2 * limit)


def test_what_the_search_found_is_graded() -> None:
    """Giving up below half a minute is a failure, later is tolerable, never is fine."""
    assert grade_search(Search(64, 64.0), None).state == "ok"
    late = grade_search(Search(64, 40.0, 41.0), None)
    assert (late.state, late.headline) == ("tolerable", "gives up between 40 s and 41 s")
    assert grade_search(Search(64, 3.5, 3.75), None).state == "failed"
    unclear = grade(GridCase("x", "y", "z"), Ran(None, 1.0, "no such program"), [])
    assert grade_search(Search(64), unclear).headline == "no such program"


# ------------------------------------------------------------------ grades

CASE = GridCase("reset", "Cuts", "Cut.", ("reset @ 2s",))
STOP = GridCase("gone", "Closes", "Over.", ("close(4403) @ 2s",), "stop")
OPEN = GridCase("odd", "Closes", "Odd.", ("twin @ 2s",), "open")
FINE = Ran(0, 45.0)


def judged(
    *findings: tuple[str, str],
    complete: bool = True,
    v1: str = "pass",
    doubts: list[str] | None = None,
) -> Judged:
    outcomes = {"V1": Outcome(state=v1, why="reset @ 2s never fired")}  # type: ignore[arg-type]
    for name, severity in findings:
        finding = Finding(invariant=name, severity=severity, detail=f"{name} broke")  # type: ignore[arg-type]
        outcomes[name] = Outcome(state="fail", findings=[finding])
    return Judged(complete=complete, outcomes=outcomes, others=[], doubts=doubts or [])


@pytest.mark.parametrize(
    ("case", "ran", "session", "state", "headline"),
    [
        (CASE, FINE, judged(), "ok", ""),
        (CASE, FINE, judged(("A2", "info")), "ok", ""),
        (CASE, FINE, judged(("R4", "warning")), "tolerable", "R4 broke"),
        (CASE, FINE, judged(("A1", "error"), ("R4", "warning")), "failed", "A1 broke"),
        (CASE, Ran(1, 45.0), judged(), "tolerable", "ended with status 1"),
        (CASE, Ran(None, 45.0), judged(), "failed", "did not end within 45 s"),
        (CASE, FINE, judged(complete=False), "failed", "its session was not complete"),
        (CASE, FINE, judged(v1="unknown"), "not run", "never fired"),
        (CASE, FINE, judged(("A1", "error"), v1="unknown"), "failed", "A1 broke"),
        (CASE, FINE, judged(doubts=["no recording was fetched"]), "not run", "no recording"),
        (STOP, Ran(1, 45.0), judged(("A1", "error"), complete=False), "ok", ""),
        (STOP, FINE, judged(("S2", "error"), complete=False), "failed", "S2 broke"),
        (STOP, Ran(None, 45.0), judged(complete=False), "failed", "did not end"),
        (OPEN, FINE, judged(), "informational", "went on to the end"),
        (OPEN, FINE, judged(("S3", "error"), complete=False), "informational", "stopped; S3"),
        (OPEN, Ran(None, 45.0), judged(), "failed", "did not end"),
        (OPEN, FINE, judged(v1="unknown"), "not run", "never fired"),
    ],
)
def test_a_cell_is_graded(
    case: GridCase, ran: Ran, session: Judged, state: str, headline: str
) -> None:
    """Each thing that can be said of a client leads to its grade, the worst first."""
    found = grade(case, ran, [session])
    assert found.state == state
    assert headline in found.headline


def test_a_cell_without_a_session_has_no_answer() -> None:
    """A program that never got so far was not put to the test; its last words say why."""
    found = grade(CASE, Ran(127, 45.0, "sh: 1: nope: not found"), [])
    assert (found.state, found.headline) == ("not run", "sh: 1: nope: not found")


def test_an_end_too_early_is_told_with_the_programs_last_words() -> None:
    """Whoever keeps the program up finds what it said itself, and not only that it failed."""
    found = grade(CASE, Ran(1, 45.0, "ended with 1006"), [judged(complete=False)])
    assert found.headline.endswith("was not complete; its last words: ended with 1006")


def test_the_injectors_lines_are_not_the_programs(tmp_path: Path) -> None:
    """What it says of the sessions stands behind all that the program said, and is left out."""
    output = tmp_path / "output.txt"
    output.write_text(
        "replay: listening on http://127.0.0.1:1\n"
        "pass: a line of the program's\n"
        "ended with 1006\n\n"
        f"unknown: {tmp_path}/cells/a/fin/sessions/001-x/\n"
        "  the final result was not fetched\n"
        "replay: the command exited with 1\n"
    )
    assert last_words(output) == "ended with 1006"
    output.write_text("replay: no session was opened\n")
    assert last_words(output) == ""


def test_the_worst_session_counts() -> None:
    """A program that opened a second session does not hide what became of the first."""
    first, second = judged(("A1", "error"), complete=False), judged()
    assert grade(CASE, FINE, [first, second]).state == "failed"


# ------------------------------------------------------------------ the material


def test_the_material_is_what_is_said(tmp_path: Path) -> None:
    """Longer speech goes on saying the same, and no two seconds of it are alike."""
    made = material.make(tmp_path, 12.0)
    samples, rate = soundfile.read(made.wav, dtype="int16")
    assert (len(samples), rate) == (12 * 16000, 16000)
    assert not np.array_equal(samples[:16000], samples[88000:104000])
    words = json.loads(made.words.read_bytes())["words"]
    assert words[0] | {"start": words[0]["start"] + 5.5, "end": words[0]["end"] + 5.5} == words[11]
    assert max(word["end"] for word in words) <= 12
    before = made.wav.stat().st_mtime_ns
    assert material.make(tmp_path, 12.0) == made
    assert made.wav.stat().st_mtime_ns == before


# ------------------------------------------------------------------ tables


def fixed() -> Grid:
    """Two agents, four cases, every state; names and words that need escaping."""
    agents = [
        Agent(name="replay", command="replay run {wav} --target {url}"),
        Agent(name="other", command="./other '<x>' | tee {dir}/log"),
    ]
    cases = [facts(BY_NAME[name]) for name in ("undisturbed", "reset", "fin", "close-1008")]
    broken = Note(invariant="A1", severity="error", detail="3200 bytes (100 ms) <lost> & gone\x1b")
    cells = [
        cell("replay", "undisturbed", "ok"),
        cell("replay", "reset", "tolerable", Note(severity="warning", detail="a | b")),
        cell("replay", "fin", "not run"),
        cell("replay", "close-1008", "informational", Note(severity="info", detail="went on")),
        cell("other", "undisturbed", "ok"),
        cell("other", "reset", "failed", broken),
    ]
    return Grid(replay_version="1", agents=agents, cases=cases, cells=cells, seconds=12.5)


def cell(agent: str, case: str, state: str, *notes: Note) -> Cell:
    return Cell(
        agent=agent,
        case=case,
        command="",
        faults=[],
        state=state,  # type: ignore[arg-type]
        headline=notes[0].detail if notes else "",
        notes=list(notes),
        repeat=f"replay proxy --fault 'x' -- {agent}",
        seconds=7.5,
        exit_status=0,
    )


def test_json_can_be_read_back() -> None:
    """What is written is the grid."""
    assert msgspec.json.decode(grid_json.render(fixed()), type=Grid) == fixed()


def test_markdown_has_every_cell_and_finding() -> None:
    """Tables by group, then each finding with the command that repeats it."""
    text = grid_text.markdown(fixed())
    assert "- ✘ failed: something was lost, or the program did not do what it must" in text
    assert "| reset | The TCP connection is reset. | ~ tolerable | ✘ failed |" in text
    assert r"`./other '<x>' \| tee {dir}/log`" in text
    assert "### other, reset: failed\n\n- A1: 3200 bytes (100 ms) <lost> & gone" in text
    assert "```sh\nreplay proxy --fault 'x' -- other\n```" in text
    assert "### replay, undisturbed" not in text


def test_junit_counts_as_ci_does() -> None:
    """Failures fail, what has no answer is skipped, the rest passes; any text can be carried."""
    root = fromstring(grid_junit.render(fixed()))
    ours, other = root.findall("testsuite")
    assert (ours.get("tests"), ours.get("failures"), ours.get("skipped")) == ("4", "0", "1")
    assert (other.get("tests"), other.get("failures"), other.get("skipped")) == ("4", "1", "2")
    failure = other.find("testcase[@name='reset']/failure")
    assert failure is not None
    assert failure.get("message") == "3200 bytes (100 ms) <lost> & gone�"
    assert "replay proxy" in (failure.text or "")
    assert len(root.findall(".//skipped")) == 3
    assert len(root.findall(".//testcase")) == 8


def test_html_stands_alone() -> None:
    """One file: nothing is fetched, nothing runs, and what programs say is shown as text."""
    page = grid_html.render(fixed())
    assert "<script" not in page
    assert re.findall(r"(?:src|href|url)\s*[=(]", page) == []
    assert "&lt;lost&gt; &amp; gone" in page
    assert "<lost>" not in page
    assert page.count('<span class="state failed">failed</span>') == 3  # count, legend, cell
    assert page.count("<details>") == 6
    assert "</span> something was lost, or the program did not do what it must</li>" in page


def test_the_terminals_table_ends_in_totals(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each case, and the number of each state for each agent."""
    from rich.console import Console

    grid_text.show(fixed(), Console(width=200))
    out = capsys.readouterr().out
    assert "other: 1 ok, 1 failed" in out
    assert "replay: 1 ok, 1 tolerable, 1 informational, 1 not run" in out
