"""The page of a soak: what it says, and as people have it, in a browser, on a telephone, in the
dark."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from browser import FAINT, MOST_BYTES, opened, running_browser, tab
from msgspec.structs import replace
from pages import EVIL, links, text_of
from soaks import BAD, hostile, long, nothing, soak

from replay.charts import soak as charts
from replay.endurance.histogram import Histogram
from replay.endurance.outcome import Window
from replay.endurance.summary import SoakSummary
from replay.report.page import page_of_soak


@pytest.fixture(scope="module")
def bad() -> SoakSummary:
    """With a leak, two sessions that lost audio, a worker that died, and conditions that fail."""
    return soak(BAD)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, bad: SoakSummary) -> dict[str, Path]:
    """A page of each: of a bad soak, one of which every text is hostile, one of nothing, and one
    of twelve hours."""
    root = tmp_path_factory.mktemp("pages")
    made = {"bad": bad, "evil": hostile(bad, EVIL), "nothing": nothing(), "long": long(bad, 12)}
    for name, each in made.items():
        (root / f"{name}.html").write_bytes(page_of_soak(each))
    return {name: root / f"{name}.html" for name in made}


@pytest.fixture(scope="module")
def browser() -> Iterator[str]:
    with running_browser() as address:
        yield address


# ------------------------------------------------------------------ what it says


def test_the_verdict_first(files: dict[str, Path]) -> None:
    """Then why, then everything that a release engineer asks, in this order."""
    page = files["bad"].read_text()
    said = text_of(page)
    order = [
        "fail demo.flac into sandbox",
        "Verdict: fail 2 of 60 finished sessions failed",
        "worker 1 leaks memory",
        "What must be true",
        "Over time",
        "What a recovery is made of",
        "Attempts after common cuts",
        "Leaks and drifts",
        "The worst sessions",
        "replay run fixtures/demo.flac --loop 10 --seed 3001 --fault 'reset @ poisson 2/min'",
        "What held, and what did not",
        "Configuration and provenance",
        "restart @ every 20m",
    ]
    at = 0
    for each in order:
        at = said.index(each, at)
    assert links(page) <= {"data:,"} | {
        f"#{name}"
        for name in ("asserted", "course", "recovery", "storm", "growth", "latency", "worst")
    } | {"#judged", "#provenance"}


def test_what_there_is_nothing_of_is_left_out(files: dict[str, Path]) -> None:
    """A soak in which nothing finished has no charts, and says why it is unknown."""
    said = text_of(files["nothing"].read_text())
    assert "Verdict: unknown no session finished" in said
    for missing in ("Over time", "What a recovery is made of", "The worst sessions"):
        assert missing not in said


# ------------------------------------------------------------------ what is drawn


def test_a_line_is_broken_where_nothing_was_measured(bad: SoakSummary) -> None:
    """In the middle of each stretch, of the last one as far as it goes; what lies beyond the end is
    left out."""
    rows = [replace(bad.rows[0], at=at, ack_p50=value) for at, value in (
        (0, 1.0), (1, 2.0), (2, None), (3, 4.0), (5, 6.0), (6, 7.0)
    )]  # fmt: skip
    found = charts.strands(replace(bad, rows=rows, elapsed=330.0), "ack_p50")
    assert found == [[(30.0, 1.0), (90.0, 2.0)], [(210.0, 4.0)], [(315.0, 6.0)]]
    half = replace(bad.rows[0], at=5, sessions=10.0)
    (line,) = charts.strands(replace(bad, rows=[half], elapsed=330.0), "sessions")
    assert line == [(315.0, 20.0)]


def test_the_share_of_the_time_that_was_disturbed() -> None:
    """What overlaps counts once; what goes on beyond the end as far as that."""
    windows = [Window(0, 10, "a"), Window(5, 15, "b"), Window(6, 7, "a"), Window(90, 200, "a")]
    assert charts.covered(windows, 100) == pytest.approx(0.25)
    assert charts.covered([], 100) == 0
    assert charts.covered(windows, 0) == 0


def test_what_a_recovery_is_made_of(bad: SoakSummary) -> None:
    """Steps follow each other without a gap; of those that go on side by side after the opening,
    each only as far as it reaches beyond the one before."""
    found = bad.recoveries[0]
    steps = charts.budget(found)
    assert [name for name, *_ in steps] == [*charts.BUDGET]
    assert all(one[2] == other[1] for one, other in pairwise(steps))
    opened_at = sum(getattr(found, name).p50 for name in ("detect", "backoff", "connect"))
    assert steps[-1][2] == pytest.approx(opened_at + found.caught_up.p50)
    quick = replace(found, first_ack=replace(found.first_ack, p50=0.0))
    (_, begun, until), *_ = [each for each in charts.budget(quick) if each[0] == "first_ack"]
    assert begun == until


def test_the_curve_of_a_histogram() -> None:
    """Shares rise to one, but for what never came, which the upper edge has."""
    made = Histogram()
    made.add([float(each) for each in range(1, 2001)], censored=[1000.0] * 500)
    curve = charts.curve(made.encoded())
    assert len(curve.x) <= 500
    assert curve.share == sorted(curve.share)
    assert curve.share[-1] == pytest.approx(0.8)
    assert curve.most[-1] == pytest.approx(1.0)
    at = max(k for k, x in enumerate(curve.x) if x <= 500)
    assert curve.share[at] == pytest.approx(0.2, abs=0.01)
    assert curve.most[at] == curve.share[at]
    assert curve.x[-1] == 2000.0


# ------------------------------------------------------------------ in a browser


@pytest.mark.parametrize("name", ["bad", "evil", "nothing", "long"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_on_a_telephone(browser: str, files: dict[str, Path], name: str, scheme: str) -> None:
    """At a width of 390 pixels nothing sticks out, nothing is asked for, and every text stands out
    from what is behind it."""
    async with opened(browser, files[name], width=390, scheme=scheme, timeline=False) as made:
        await made.value(
            "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
        )
        assert await made.value("document.documentElement.scrollWidth") == 390
        assert await made.value(FAINT) == []


async def test_what_others_wrote_is_not_run(browser: str, files: dict[str, Path]) -> None:
    """It is text, in tables, titles and plots."""
    async with opened(browser, files["evil"], timeline=False) as made:
        assert await made.value("document.querySelectorAll('b[onclick], script').length") == 1
        assert EVIL in await made.value("document.querySelector('h1').innerText")


async def test_without_scripts(browser: str, files: dict[str, Path]) -> None:
    """Everything is drawn, and one plot of each kind can be asked for."""
    async with tab(browser) as made:
        await made.call("Emulation.setScriptExecutionDisabled", value=True)
        await made.goto(files["bad"].as_uri())
        shown = "document.querySelector('#took-{} + label + .panel').offsetHeight > 100"
        assert await made.value(shown.format("rss"))
        assert not await made.value(shown.format("fds"))
        await made.value("document.querySelector('#took-fds').click()")
        assert await made.value(shown.format("fds"))
        assert not await made.value("document.querySelector('.read').offsetHeight")
        assert made.complaints == []


async def test_one_axis_of_time(browser: str, files: dict[str, Path]) -> None:
    """Windows, latency and resources lie one above the other, to the pixel; under the pointer all
    of them are read at once."""
    async with opened(browser, files["bad"], timeline=False) as made:
        await made.until("document.querySelector('.read').offsetHeight > 0")
        spans = await made.value(
            """[...document.querySelectorAll("#course svg.field")]
              .filter((field) => field.checkVisibility())
              .map((field) => field.getBoundingClientRect())
              .map(({ x, width }) => `${x} ${width}`)"""
        )
        assert len(spans) == 4
        assert len(set(spans)) == 1
        told = await made.value(
            """(() => {
              const field = document.querySelector("#took-rss + label + .panel svg.field");
              const box = field.getBoundingClientRect();
              const clientX = box.left + 0.95 * box.width;
              field.dispatchEvent(new PointerEvent("pointermove", { clientX }));
              return document.querySelector(".read").innerText;
            })()"""
        )
        assert told.startswith("0:28:30 · word final: p95, all ")
        assert "sessions: under way 20" in told
        # 120 MiB, and 20,000 bytes for each of some 580 reconnections.
        assert "worker 1 13" in told
        lines = "[...document.querySelectorAll('#course .cross')].length"
        assert await made.value(lines) == 4


async def test_twelve_hours(browser: str, files: dict[str, Path]) -> None:
    """Of twenty sessions, with as many rows and windows as a tally leaves: one page of less than
    6 MB, which is painted at once and has few elements."""
    assert files["long"].stat().st_size < MOST_BYTES
    async with opened(browser, files["long"], timeline=False) as made:
        await made.until("performance.getEntriesByName('first-contentful-paint').length == 1")
        assert await made.value("document.querySelectorAll('*').length") < 6000
        assert (
            await made.value("document.querySelector('#course .lanes path').getBBox().width") > 900
        )
