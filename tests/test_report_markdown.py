"""Reports as Markdown, rendered by GitHub's own renderer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from github import TAGS, rendered, seen
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from reported import HOSTILE, benched, harmed, one_run, texts

from replay.bench.assess import compare_with
from replay.benchmark import Benchmark, Recording
from replay.checks import Checked
from replay.report import markdown, markup
from replay.report.subjects import Subject

COMMENT = 65_536  # GitHub: "Body is too long (maximum is 65536 characters)"
#: What stands between the letters of what must not become a link, and is not seen.
UNSEEN = "\u200b"


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """One that is worse than its baseline."""
    place = tmp_path_factory.mktemp("benchmarks")
    base, found = benched(place / "main"), benched(place / "branch", late=30.0)
    found.comparison = compare_with(found, base, label="bench/main")
    found.verdict, found.reasons = "fail", ["against bench/main: word_final worse"]
    return found


def document(*subjects: Subject) -> str:
    return markdown.render(subjects).decode()


# ------------------------------------------------------------------ what it says


def test_a_benchmark_says_the_verdict_first(benchmark: Benchmark) -> None:
    """Then why, whether the measurement is valid, what decides with its interval and what could
    have been found; the rest is folded."""
    page = document(benchmark)
    assert page.splitlines()[:3] == [
        "## ❌ fail: `branch`",
        "",
        "- against bench/main: word_final worse",
    ]
    order = [
        "2 recordings × 3 rounds, 1 warm-up round discarded. Measurement: ✅ **valid**",
        "### ❌ worse: `branch` against `bench/main`",
        "| change at the median of pairs | base | new | change | interval | could find |",
        "<details>",
        "Other measures and tails, which decide nothing",
        "latency, ms from the plan",
        "percentiles: nearest-rank; – takes more values: p90 36, p95 72, p99 368",
        "Recordings: 2",
    ]
    places = [page.index(what) for what in order]
    assert places == sorted(places)
    decides = next(row for row in rendered(page).rows if row[0] == "word final p50")
    assert decides[3].startswith("+30.0 ms (+2.5%)")
    assert decides[7] == "❌ worse"


def test_a_run_is_told_with_its_outage() -> None:
    """Its figures, the outage's steps, its findings and its text are there; a figure that something
    that never came decides is a lower bound."""
    page = document(one_run(harmed()))
    assert page.startswith("## ❌ fail: `built.wav` on sandbox\n")
    rows = {row[0]: row for row in rendered(page).rows}
    assert rows["final, from end of speech"][1:] == [
        *("2 (1 never)", "550", "–", "–", "–", "≥8,220", "500")
    ]
    assert rows["connection 1 (wire)"][4] == "695"
    assert "error A1: 2 bytes (0.1 ms) sent and not recorded" in page
    assert "```text\nGood morning everyone\n```" in page


def test_several_come_with_an_overview(benchmark: Benchmark) -> None:
    """A row for each with its verdict and reasons, and each below it, folded."""
    assert benchmark.comparison is not None
    page = document(one_run(harmed()), benchmark, benchmark.comparison, benchmark)
    names = [row[:2] for row in rendered(page).rows[1:5]]
    assert names == [
        ["run", "❌ fail"],
        ["branch", "❌ fail"],
        ["branch against bench/main", "❌ worse"],
        ["branch (2)", "❌ fail"],
    ]
    assert "<summary>run: fail</summary>" in page


# ------------------------------------------------------------------ whatever is said


@given(texts)
def test_a_text_stays_a_text(said: str) -> None:
    """In a cell, in a list and in a heading: nothing in it makes a column, HTML, emphasis, code, a
    link, or a name that somebody is notified by."""
    for written in (markup.text(said), markup.code(said)):
        source = "\n".join(markup.table(("a", "b"), [(written, "x")]))
        page = rendered(source)
        assert (len(page.rows[1]), page.rows[1][1]) == (2, "x")
        assert page.rows[1][0].replace(UNSEEN, "").strip() == seen(said)
        assert set(page.tags) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
        for line in (f"- {written}", f"## {written}"):
            page = rendered(line)
            assert set(page.tags) <= {"ul", "li", "h2", "code"}
            assert not re.search(r"(?<!\w)@\w|#\d|://|www\.", page.plain)


@given(texts)
def test_a_block_holds_its_text(said: str) -> None:
    """A transcript is shown as it is, whatever fences are in it."""
    source = "\n".join(markup.block(said * 3))
    page = rendered(source + "\n\nafter")
    assert page.tags == ["pre", "code", "p"]
    assert page.plain.strip() == "after"


@given(texts)
def test_what_is_folded_stays_folded(said: str) -> None:
    """A name over what can be unfolded neither ends it nor notifies anybody."""
    page = rendered("\n".join(markup.details(said, iter(["- inside"]))))
    assert page.tags == ["details", "summary", "ul", "li"]
    assert page.depth == 0
    assert not re.search(r"(?<!\w)@\w|#\d", page.plain)


def planted(found: Benchmark) -> Benchmark:
    """A benchmark in which everything that has a name has all the hostile ones."""
    names = [*HOSTILE, " ".join(HOSTILE)]
    plays = [
        replace(play, recording=name, path=f"plays/{name}", counts=False, validity_reasons=[name])
        for name in names
        for play in found.measured[0].plays[:2]
    ]
    arm = replace(found.measured[0].arm, label=names[-1], target=names[-1], faults=names)
    conditions = [
        Checked(text=n, figure="wer", statistic="", state="unknown", why=n) for n in names
    ]
    assert found.comparison is not None
    return replace(
        found,
        name=names[-1],
        reasons=names,
        validity=replace(found.validity, reasons=names, notes=names),
        recordings=[Recording(name=name, path=name, sha256=name) for name in names],
        measured=[replace(found.measured[0], arm=arm, plays=plays)],
        assertions=conditions,
        comparison=replace(
            found.comparison,
            base=names[-1],
            new=names[0],
            reasons=names,
            notes=names,
            conditions=conditions,
        ),
    )


def test_a_whole_report_stays_a_report(benchmark: Benchmark) -> None:
    """With harm in every name, reason and condition: only the tags that it is made of, every row as
    wide as its table, everything that is opened closed."""
    page = rendered(document(planted(benchmark)))
    assert set(page.tags) <= TAGS
    assert page.depth == 0
    assert not re.search(r"(?<![\w])@\w|#\d|://|www\.", page.plain)
    assert {len(row) for row in page.rows} <= {3, 5, 7, 8}


def test_the_check_finds_what_is_planted() -> None:
    """Without being escaped each of these becomes something, and the page says so."""
    assert "b" in rendered("- <b>x</b>").tags
    assert rendered("| a |\n|---|\n| `x` **y** |").tags[-2:] == ["code", "strong"]
    assert "a" in rendered("- https://evil.example").tags
    assert len(rendered("| a | b |\n|---|---|\n| c \\| d | e |").rows[1]) == 2
    assert re.search(r"(?<!\w)@\w", rendered("- @octocat").plain)


# ------------------------------------------------------------------ however much it is


@pytest.mark.parametrize("text", ["@" * 500, "word " * 100, "|`" * 400, HOSTILE[3] * 20])
def test_it_always_fits_into_a_comment(benchmark: Benchmark, text: str) -> None:
    """With thousands of recordings, reasons and conditions, and each of them long; a line says what
    is left out, and what failed is not."""
    recordings = [Recording(name=f"{n} {text}", path="", sha256="") for n in range(3000)]
    play = benchmark.measured[0].plays[-1]
    plays = [replace(play, recording=each.name) for each in recordings]
    plays[2999] = replace(plays[2999], verdict="fail", reasons=["the one that failed"])
    large = replace(
        planted(benchmark),
        recordings=recordings,
        reasons=[text] * 500,
        measured=[replace(benchmark.measured[0], plays=plays)] * 2,
        assertions=[Checked(text=text, figure="", statistic="", state="fail", why=text)] * 500,
    )
    page = document(large)
    assert 10_000 < len(page) <= COMMENT - 500
    assert re.search(r"more rows, left out here", page)
    assert re.search(r"- … and \d+ more", page)
    assert "the one that failed" in page
    assert len(document(*[large] * 20)) <= COMMENT - 500


@given(st.integers(0, 40), st.integers(1, 20))
def test_a_table_says_how_much_it_leaves_out(rows: int, most: int) -> None:
    """Of a table with too many rows the first are shown, and the rest is counted."""
    lines = list(markup.table(("a",), [(str(n),) for n in range(rows)], most))
    shown = [line for line in lines if re.fullmatch(r"\| \d+ \|", line)]
    assert len(shown) == min(rows, most)
    assert (rows > most) == (f"_… and {rows - most} more rows, left out here._" in lines)


def test_a_name_that_is_no_text_can_be_written(tmp_path: Path) -> None:
    """A file's name that is not UTF-8 does no harm to its report."""
    run = one_run(harmed(), name="caf\udce9")
    run.summary.source.name = "caf\udce9.wav"
    assert b"caf" in markdown.render([run, run])
