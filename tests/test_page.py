"""Pages of runs, benchmarks and comparisons: what they say, and what they keep out."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from benches import add, plan, play_all
from hypothesis import given
from hypothesis import strategies as st
from journals import Builder
from pages import EVIL, WORDS, benchmark, compared, links, page, text_of, told, write

from replay import journal as j
from replay import rundir
from replay.bench.assess import assess
from replay.bench.sides import load_side
from replay.bench.store import Store
from replay.charts.forest import forest
from replay.compare import compare
from replay.conditions import parse_condition
from replay.report.bench_files import render_files
from replay.report.page import page_of_benchmark, page_of_comparison
from replay.report.page.axes import Axis, clock, close, level, linear, logarithmic
from replay.report.page.bars import intervals
from replay.report.page.cells import short, statistic
from replay.report.page.fields import dots
from replay.report.page.provenance import bench_command
from replay.statistics import Distribution, distribution


def packed(page: str) -> list[dict[str, object]]:
    """The timelines' data in a page."""
    found = re.findall(r'<script type="text/plain" id="session-\d+">(.*?)</script>', page)
    return [json.loads(gzip.decompress(b64decode(text))) for text in found]


# ------------------------------------------------------------------ one session


def test_a_run_in_words(tmp_path: Path) -> None:
    """Verdict and validity come first, then figures, each with its n; what a sample cannot carry
    says what it would take; estimates say how far off they may be."""
    text = text_of(page(write(tmp_path, told())))
    assert text.startswith("pass: built.wav replay run, 2026-01-01 00:00 UTC pass built.wav")
    assert text.index("Verdict:") < text.index("Measurement:") < text.index("From the plan, ms")
    # The words end at 1,100, 1,700 … 4,700; the final comes at 5,100.
    assert "word final 7 400 2,200 n ≥ 36 n ≥ 72 n ≥ 368 4,000" in text
    assert "there was no recording to compare the audio with" in text
    assert "Percentiles are nearest-rank" in text
    assert "uplink (estimate)" in text
    assert re.search(r"from its own stamps, an estimate ± \d+\.\d ms", text)
    assert "connection 1 lost (reset)" not in text.split("Slowest words")[0]
    assert "the old cat sat on a mat" in text
    assert "replay run built.wav --fault 'reset @ 2s'" in text


def test_sections_are_named_once(tmp_path: Path) -> None:
    """Every entry of the bar at the top leads somewhere, and no name is given twice."""
    for made in (page(write(tmp_path / "run", told())), *pages_of_a_bench(tmp_path)):
        names = re.findall(r'\bid="([^"]+)"', made)
        assert len(names) == len(set(names))
        assert set(re.findall(r'href="#([^"]+)"', made)) <= set(names)


def pages_of_a_bench(tmp_path: Path) -> list[str]:
    """Of a benchmark with a baseline, and of the comparison with it."""
    found, base = compared(tmp_path)
    root = tmp_path / "new"
    (root / "bench.json").write_bytes(render_files(found, root, base)["bench.json"])
    base_root = tmp_path / "base"
    (base_root / "bench.json").write_bytes(render_files(base, base_root)["bench.json"])
    sides = load_side(base_root), load_side(root)
    both = compare(sides[0].side, sides[1].side)
    return [
        page_of_benchmark(root, found, base).decode(),
        page_of_comparison(both, *sides).decode(),
    ]


def test_pages_ask_for_nothing(tmp_path: Path) -> None:
    """No address of anything outside is in them where a browser would follow it, and the policy
    lets nothing in but the one style and the one script that are there."""
    for made in (page(write(tmp_path / "run", told())), *pages_of_a_bench(tmp_path)):
        assert {each for each in links(made) if not each.startswith("#")} == {"data:,"}
        policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', made)
        assert policy is not None
        allowed = policy[1].replace("&#39;", "'").split("; ")
        assert allowed[0] == "default-src 'none'"
        assert "unsafe" not in policy[1]
        for kind, pattern in (
            ("style", r"<style>(.*?)</style>"),
            ("script", r"<script>(.*?)</script>"),
        ):
            (body,) = re.findall(pattern, made, re.DOTALL)
            digest = b64encode(sha256(body.encode()).digest()).decode()
            assert f"{kind}-src 'sha256-{digest}'" in allowed
        assert " style=" not in re.sub(r"<script.*?</script>", "", made, flags=re.DOTALL)
        assert not re.search(r"\son\w+=", re.sub(r"<script.*?</script>", "", made, flags=re.DOTALL))


def test_what_others_wrote_is_text(tmp_path: Path) -> None:
    """Words, names, configuration and faults that look like HTML are shown and nothing else."""
    words = [(EVIL, start, end) for _, start, end in WORDS]
    built = told(words)
    header = built.entries[0]
    built.entries[0] = msgspec.structs.replace(
        header,
        source=msgspec.structs.replace(header.source, name=EVIL),
        config={EVIL: EVIL},
    )
    made = page(write(tmp_path, built))
    assert made.count("<script>") == 1
    assert "<b onclick" not in made
    assert text_of(made).count(EVIL) > 5


def test_a_page_holds_no_secret(tmp_path: Path) -> None:
    """Tokens in URLs of the target are as hidden as in the journal's summary, and so are those in
    what a benchmark was called with."""
    built = told()
    header = built.entries[0]
    target = j.TargetFacts(kind="url", url="https://me:hush@api.example/x?token=hush")
    built.entries[0] = msgspec.structs.replace(header, target=target)
    made = page(write(tmp_path, built))
    assert "hush" not in made
    assert "https://api.example/x?token=***" in made
    command = bench_command(
        [
            "a b.wav",
            "--target",
            "https://me:hush@api.example/x?token=hush",
            "--versus=http://u:hush@h",
        ]
    )
    assert command == (
        "replay bench 'a b.wav' --target 'https://api.example/x?token=***' --versus=http://h"
    )


@pytest.mark.parametrize(
    "built",
    [
        Builder(),
        Builder().play(),
        Builder(speed=0).play().finish(900),
        Builder(phase="arrival").play().transcript(900, WORDS[:1], final=True),
        Builder().play().transcript(900, WORDS[:1], final=False),
        Builder(reference=WORDS, ahead_ms=5).play().finish(4600, fetched=False),
    ],
    ids=["nothing", "silence", "unpaced", "arrival", "no final", "no words"],
)
def test_every_run_has_a_page(tmp_path: Path, built: Builder) -> None:
    """Also one that was cut short, heard nothing, or had no plan."""
    made = page(write(tmp_path, built))
    assert "Verdict: unknown" in text_of(made)
    assert len(packed(made)) == 1


def test_a_run_without_its_audio(tmp_path: Path) -> None:
    """Or with audio that is not what the journal says: there is no waveform, and it says so."""
    path = write(tmp_path, told())
    (session,) = packed(page(path))
    assert session["loud"] is not None
    (path / "sent.wav").unlink()
    made = page(path)
    (session,) = packed(made)
    assert session["loud"] is None
    assert "there is no waveform" in text_of(made)


def test_what_never_came_is_shown(tmp_path: Path) -> None:
    """Chunks that were never acknowledged count, and the figures they decide are bounds."""
    built = Builder(seconds=10, reference=WORDS).play()
    built.entries = [
        each for each in built.entries if not isinstance(each, j.Ack) or each.upto <= 192_000
    ]
    text = text_of(page(write(tmp_path, built.finish(10_400))))
    # The chunks due from 6,100 to 10,000 had been waited for until the journal's end at 10,420: for
    # 420 to 4,320 ms. Of a hundred values the ninetieth is the thirtieth of these.
    assert "acknowledgement 100 (40 never came) 20 20 ≥ 3,320 ≥ 3,820 n ≥ 368 ≥ 4,320" in text
    assert "40 never came. They count in n" in text


# ------------------------------------------------------------------ benchmarks


def test_a_benchmark_in_words(tmp_path: Path) -> None:
    """Verdict, comparison and figures; the warm-up is shown and marked; what decides is named."""
    made, _ = pages_of_a_bench(tmp_path)
    text = text_of(made)
    assert text.index("Verdict:") < text.index("Against base: worse") < text.index("Comparison")
    assert "What the verdict stands on word first shown word_first.p50" in text
    assert "+60.0 ms" in text
    assert text.count("not counted") >= 1
    assert "w1" in text
    assert "latency : worse (decides); stability" not in text
    assert "Recording by recording word final" in re.sub(r" Differences of.*?first\. ", " ", text)
    labels = [str(each["name"]) for each in packed(made)]
    assert labels == ["built"] * len(labels)
    assert 1 < len(labels) <= 6


def test_a_benchmark_of_two_sides(tmp_path: Path) -> None:
    """Both have figures, curves from plan and from send, rounds, and a session to look into."""
    found = benchmark(tmp_path, arms=("A", "B"))
    made = page_of_benchmark(tmp_path, found).decode()
    text = text_of(made)
    assert "word final, A 72" in text
    assert "word final, B 72" in text
    for label in ("A (sandbox), from send", "B (sandbox), from plan"):
        assert f'data-label="{label}"' in made
    options = re.findall(r'<option value="session-\d">([^<]+)</option>', made)
    assert {option[0] for option in options} == {"A", "B"}
    assert "slowest session" in options[0]
    assert "played in turns" in text


def test_a_benchmark_whose_runs_are_gone(tmp_path: Path) -> None:
    """It has a page all the same, of what `bench.json` holds."""
    found = benchmark(tmp_path)
    shutil.rmtree(tmp_path / "plays")
    made = page_of_benchmark(tmp_path, found).decode()
    text = text_of(made)
    assert packed(made) == []
    assert "The runs of this benchmark are not there any more" in text
    assert "word final 72" in text
    assert 'data-label="from plan"' in made
    assert "from send" not in text.split("Distributions")[2].split("Round by round")[0].replace(
        "From the send only", ""
    )


def test_no_run_outside_of_a_benchmark_is_read(tmp_path: Path) -> None:
    """A path that leads out of its directory leads nowhere."""
    found = benchmark(tmp_path / "bench")
    write(tmp_path / "outside", told())
    for each in found.measured[0].plays:
        each.path = "../outside"
    assert packed(page_of_benchmark(tmp_path / "bench", found).decode()) == []


def test_a_benchmark_leaves_its_page(tmp_path: Path) -> None:
    """Beside `bench.json`, and both can be written again."""
    found = benchmark(tmp_path)
    files = render_files(found, tmp_path)
    assert files["report.html"].startswith(b"<!doctype html>")
    assert files == render_files(found, tmp_path)


def test_sessions_as_far_as_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One timeline is always there, the others only where they fit."""
    found = benchmark(tmp_path)
    monkeypatch.setattr("replay.report.page.bench_sessions._ROOM", 10)
    made = page_of_benchmark(tmp_path, found).decode()
    assert len(packed(made)) == 1
    assert text_of(made).count("Timeline of a session") == 1


def test_sessions_that_failed_are_listed(tmp_path: Path) -> None:
    """With why they do not count."""
    store = Store.create(tmp_path, plan(recordings=1, runs=1, warmup=0))
    add(store, "A", 1, "call0.wav", None)
    play_all(store)
    text = text_of(page_of_benchmark(tmp_path, assess(store)).decode())
    assert (
        "A, round 1, call0.wav plays/A/round-01/call0.wav no unknown unknown connection refused"
        in text
    )


# ------------------------------------------------------------------ comparisons


def test_a_comparison_in_words(tmp_path: Path) -> None:
    """The verdict, each measure with its interval, and where both sides come from."""
    _, made = pages_of_a_bench(tmp_path)
    text = text_of(made)
    assert text.startswith(f"worse: {tmp_path}/new against {tmp_path}/base replay compare worse")
    assert "latency: worse (decides)" in text
    assert re.search(r"worse \+60\.0 ms \(\+\d+\.\d%\) \+[\d.]+ ms to \+[\d.]+ ms could find", text)
    assert text.count("machine Z80") == 2


def test_conditions_in_a_comparison(tmp_path: Path) -> None:
    """What was asked for decides, its lines are drawn, and each is told with what came of it."""
    pages_of_a_bench(tmp_path)
    sides = load_side(tmp_path / "base"), load_side(tmp_path / "new")
    conditions = [
        parse_condition("word_final.p50 > +50%"),
        parse_condition("word_first.p50 > +5ms"),
    ]
    found = compare(sides[0].side, sides[1].side, conditions=conditions, figures=sides[1].figures)
    made = page_of_comparison(found, *sides).decode()
    assert made.count('class="limit"') == 2
    assert "word_first.p50 > +5ms fail" in text_of(made)


def test_two_runs_compared(tmp_path: Path) -> None:
    """Single runs show a change, and that there are no rounds to tell it from noise."""
    sides = [load_side(write(tmp_path / name, told())) for name in ("a", "b")]
    found = compare(sides[0].side, sides[1].side)
    text = text_of(page_of_comparison(found, *sides).decode())
    assert text.count("has no rounds to tell it from noise") == 2


def test_a_change_far_off_does_not_squeeze_the_others(tmp_path: Path) -> None:
    """Where one measure moved a hundred times as much it runs off the axis, and says so."""
    found, _ = compared(tmp_path)
    assert found.comparison is not None
    rows = forest(found.comparison)
    (usual,) = intervals("", rows.deciding)
    assert [each.off for each in usual.rows] == ["", ""]
    far = rows.deciding[0]
    far.change.change, far.change.low, far.change.high = 9000.0, 8990.0, 9010.0
    (squeezed,) = intervals("", [*rows.deciding, rows.deciding[1], rows.deciding[1]])
    assert [each.off for each in squeezed.rows] == ["high", "", "", ""]
    assert squeezed.rows[1].high - squeezed.rows[1].low == pytest.approx(
        usual.rows[1].high - usual.rows[1].low, rel=0.5
    )


def test_the_check_finds_what_is_planted() -> None:
    """Planted: whatever would make a browser ask for something is found."""
    planted = (
        '<img src="https://a/b.png"><link href=//c/d.css><style>x { background: url(e.png) }'
        "</style><form action='f'>"
    )
    assert links(planted) == {"https://a/b.png", "//c/d.css", "e.png", "f"}


# ------------------------------------------------------------------ axes and cells


@given(st.integers(-1_000_000, 1_000_000), st.integers(0, 1_000_000))
def test_axes_hold_what_they_are_for(low: int, size: int) -> None:
    """Whatever the values, they lie on the axis, and there are a few ticks in order on it."""
    high = low + size
    for axis in (linear(low, high), close(low, high), level([low, high])):
        assert -1e-9 <= axis.at(low) <= axis.at(high) <= 1 + 1e-9
        ticks = axis.ticks()
        assert 2 <= len(ticks) <= 13
        assert [tick.at for tick in ticks] == sorted(tick.at for tick in ticks)


@given(st.floats(1e-2, 1e6), st.floats(1, 1e4))
def test_logarithmic_axes(low: float, factor: float) -> None:
    """The same in powers of ten."""
    axis = logarithmic(low, low * factor)
    assert -1e-9 <= axis.at(low) <= axis.at(low * factor) <= 1 + 1e-9
    assert 1 <= len(axis.ticks()) <= 10


def test_ticks_are_round() -> None:
    """Numbers that people count in, and times of a clock."""
    assert [tick.label for tick in linear(0, 2300).ticks()] == [
        "0",
        "500",
        "1,000",
        "1,500",
        "2,000",
        "2,500",
    ]
    assert [tick.label for tick in Axis(0, 90_000).clock_ticks()] == [
        *("0:00", "0:15", "0:30", "0:45", "1:00", "1:15", "1:30"),
    ]
    assert [clock(t) for t in (0, 4_230, 61_000, 3_723_400, -300)] == [
        *("0:00.0", "0:04.2", "1:01.0", "1:02:03.4", "-0:00.3"),
    ]


def test_an_axis_makes_no_mountains() -> None:
    """Values within a twentieth of themselves are drawn as what they are: much the same."""
    axis = level([1000, 1001])
    assert axis.at(1001) - axis.at(1000) < 0.03


def test_cells_say_why_there_is_no_figure() -> None:
    """Too few values, or decided by what never came; negative figures stand out."""
    few = distribution([1.0, 2.0])
    assert (statistic(few, "p95").text, statistic(few, "p95").kind) == ("n ≥ 72", "need")
    never = distribution([1.0] * 3, [50.0] * 7)
    assert (statistic(never, "p50").text, statistic(never, "p50").kind) == ("≥ 50", "bound")
    assert (statistic(never, "max").text, statistic(Distribution(), "p50").text) == ("≥ 50", "–")
    early = distribution([-5.0, -0.01])
    assert [statistic(early, name).kind for name in ("min", "max")] == ["early", ""]
    assert statistic(early, "min", estimated=True).kind == ""
    assert statistic(early, "max").text == "0.0"
    assert short(few) == "p50 1.0 ms, p95 takes n ≥ 72"


def test_points_at_one_place_are_drawn_once() -> None:
    """And those off the field not at all."""
    assert dots([0.5, 0.5, 0.5, 2.0], [0.5, 0.5, 0.7, 0.5], 100) == "M500 50h0M500 70h0"


def test_damage_leaves_the_waveform_out(tmp_path: Path) -> None:
    """Audio that is shorter than what was played cannot be laid along the plan."""
    path = write(tmp_path, told())
    data = (path / "sent.wav").read_bytes()
    (path / "sent.wav").write_bytes(data[:1000])
    assert rundir.load(path).damage
    (session,) = packed(page(path))
    assert session["loud"] is None
