"""Reports for other programs: JUnit XML, OpenMetrics and github-action-benchmark's form, each read
by what reads it there."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError, fromstring

import junitparser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from reported import HOSTILE, benched, harmed, one_run, texts

from replay.bench.assess import compare_with, judge
from replay.benchmark import Benchmark
from replay.catalogue import CATALOGUE
from replay.checks import Checked
from replay.conditions import parse_condition
from replay.report import junit, openmetrics, smaller_is_better
from replay.report.bench_files import render_files
from replay.report.subjects import OneRun, Subject
from replay.report.suites import Case, Suite
from replay.report.suites import document as xml
from replay.statistics import Distribution, distribution


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """One that is worse than its baseline, with an assertion that nobody can tell."""
    place = tmp_path_factory.mktemp("benchmarks")
    base, found = benched(place / "main"), benched(place / "branch", late=30.0)
    found.comparison = compare_with(found, base, label="bench/main")
    found.assertions = [
        Checked(text="final.p95 < 1s", figure="final", statistic="p95", state="unknown", why="few")
    ]
    judge(found)
    return found


# ------------------------------------------------------------------ JUnit


def cases(*subjects: Subject) -> dict[tuple[str, str], junitparser.TestCase]:
    """Every case by its suite and its name, once the counts of its suite are checked."""
    found = {}
    for suite in junitparser.JUnitXml.fromstring(junit.render(subjects)):
        told = (suite.tests, suite.failures, suite.errors, suite.skipped)
        suite.update_statistics()
        assert told == (suite.tests, suite.failures, suite.errors, suite.skipped)
        found |= {(suite.name, case.name): case for case in suite}
    return found


def state(case: junitparser.TestCase) -> str:
    """As a CI system shows it."""
    assert len(case.result) <= 1
    return type(case.result[0]).__name__ if case.result else "Passed"


def test_a_benchmark_has_a_case_for_each_verdict(benchmark: Benchmark) -> None:
    """For itself, each assertion, each recording, and what the comparison stands on."""
    states = {name: state(case) for name, case in cases(benchmark).items()}
    assert states == {
        ("branch", "verdict"): "Failure",
        ("branch", "measurement"): "Passed",
        ("branch", "final.p95 < 1s"): "Error",
        ("branch, A: sandbox", "a.wav"): "Passed",
        ("branch, A: sandbox", "b.wav"): "Passed",
        ("branch, against bench/main", "verdict"): "Failure",
        ("branch, against bench/main", "word first shown p50"): "Failure",
        ("branch, against bench/main", "word final p50"): "Failure",
        ("branch, against bench/main", "stability"): "Passed",
        ("branch, against bench/main", "accuracy"): "Passed",
    }
    told = cases(benchmark)["branch, against bench/main", "word final p50"].result[0]
    assert told.message.startswith("worse: +30.0 ms, +29.")


@pytest.mark.parametrize("verdict", ["fail", "unknown"])
def test_a_recording_falls_with_its_sessions(benchmark: Benchmark, verdict: Any) -> None:
    """One session that failed, or that nobody knows of, is enough; its run is named."""
    plays = list(benchmark.measured[0].plays)
    plays[-1] = replace(plays[-1], verdict=verdict, reasons=["so it was"])
    found = replace(benchmark, measured=[replace(benchmark.measured[0], plays=plays)])
    mine = cases(found)["branch, A: sandbox", "b.wav"]
    assert state(mine) == {"fail": "Failure", "unknown": "Error"}[verdict]
    assert mine.result[0].message == "plays/A/round-03/b.wav: so it was"


def test_a_recording_that_was_not_measured_is_an_error(benchmark: Benchmark) -> None:
    """Not played, or never validly: nobody knows, and no CI system shows it as passed."""
    nothing = replace(benchmark, measured=[replace(benchmark.measured[0], plays=[])])
    assert state(cases(nothing)["branch, A: sandbox", "a.wav"]) == "Error"
    plays = [
        replace(play, counts=False, validity="invalid", validity_reasons=["late"])
        for play in benchmark.measured[0].plays
    ]
    invalid = replace(benchmark, measured=[replace(benchmark.measured[0], plays=plays)])
    mine = cases(invalid)["branch, A: sandbox", "a.wav"]
    assert state(mine) == "Error"
    assert mine.result[0].message.endswith("late")


def test_what_nobody_knows_is_an_error(benchmark: Benchmark) -> None:
    """An invalid measurement, and a comparison that is inconclusive; what decides nothing is
    skipped instead."""
    assert benchmark.comparison is not None
    latency = benchmark.comparison.latency
    unsure = replace(
        benchmark.comparison,
        verdict="inconclusive",
        latency=replace(latency, changes=[replace(latency.changes[0], verdict="inconclusive")]),
        stability=replace(benchmark.comparison.stability, verdict="worse"),
    )
    invalid = replace(benchmark.validity, verdict="invalid", reasons=["nothing was measured"])
    found = cases(replace(benchmark, validity=invalid, verdict="unknown", comparison=unsure))
    assert state(found["branch", "measurement"]) == "Error"
    assert state(found["branch", "verdict"]) == "Error"
    suite = "branch, against bench/main"
    assert state(found[suite, "verdict"]) == "Error"
    assert state(found[suite, "word first shown p50"]) == "Error"
    assert state(found[suite, "stability"]) == "Skipped"


def test_conditions_take_the_place_of_the_gate(benchmark: Benchmark) -> None:
    """With conditions, each is a case, and latency is one that decides nothing."""
    assert benchmark.comparison is not None
    held = replace(
        benchmark.comparison,
        verdict="same",
        conditions=[Checked(text="wer > +5%", figure="wer", statistic="", state="pass")],
    )
    found = cases(held)
    suite = "branch against bench/main"
    assert state(found[suite, "wer > +5%"]) == "Passed"
    assert state(found[suite, "latency"]) == "Skipped"
    assert state(found[suite, "verdict"]) == "Passed"


def test_a_run_has_a_case_for_each_invariant() -> None:
    """Those that do not apply are left out; one that is broken says where."""
    run = one_run(harmed())
    run.summary.invariants["A6"] = "unknown"
    found = {name: case for (_, name), case in cases(run).items()}
    assert state(found["built.wav"]) == "Failure"
    broken = next(case for name, case in found.items() if name.startswith("A1: "))
    assert state(broken) == "Failure"
    assert "2 bytes (0.1 ms) sent and not recorded" in broken.result[0].message
    assert state(next(c for name, c in found.items() if name.startswith("A6: "))) == "Skipped"
    kept = [name for name, came in run.summary.invariants.items() if came != "not applicable"]
    assert len(found) == 2 + len(kept)


@given(texts, texts)
def test_xml_holds_any_text(name: str, said: str) -> None:
    """What XML cannot carry is replaced, everything else is read back as it was."""
    made = xml("replay", [Suite(name, [Case(name, "failure", said, said, "fail")])])
    (suite,) = junitparser.JUnitXml.fromstring(made)
    (case,) = suite
    assert _readable(suite.name) == _readable(name)
    assert _readable(case.result[0].message) == _readable(said)
    assert _readable(case.result[0].text or "") == _readable(said)


def _readable(text: str) -> str:
    """Without what no XML can hold, and with one kind of ends of lines."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return re.sub("[^\t\n\u0020-\ud7ff\ue000-\ufffc\U00010000-\U0010ffff]", "", lines)


def test_the_check_of_xml_finds_what_is_planted() -> None:
    """A control character that nobody replaced is no XML."""
    made = xml("replay", [Suite("suite", [Case("case", detail="x")])])
    fromstring(made)
    with pytest.raises(ParseError):
        fromstring(made.replace(b">pass", b">").replace(b"case", b"ca\x1bse"))


# ------------------------------------------------------------------ OpenMetrics


def families(*subjects: Subject) -> dict[str, Any]:
    """As a scraper has them."""
    text = openmetrics.render(subjects).decode()
    assert text.endswith("\n# EOF\n")
    return {each.name: each for each in text_string_to_metric_families(text)}


def sample(family: Any, **labels: str) -> float | None:
    """The value that has these labels among its own; None where there is none."""
    found = [
        each.value for each in family.samples if set(labels.items()) <= set(each.labels.items())
    ]
    assert len(found) <= 1
    return found[0] if found else None


def test_figures_are_in_base_units(benchmark: Benchmark) -> None:
    """Seconds, ratios and bytes, with a type, a unit and a text; what is not known is not there."""
    found = families(benchmark)
    final = found["replay_final_seconds"]
    figure = benchmark.measured[0].figures["final"]
    assert isinstance(figure, Distribution)
    assert figure.p50 is not None
    assert (final.type, final.unit) == ("gauge", "seconds")
    assert final.documentation
    assert sample(final, arm="A", statistic="p50") == pytest.approx(figure.p50 / 1000)
    assert figure.p95 is None
    assert sample(final, statistic="p95") is None
    assert sample(found["replay_values"], figure="final") == figure.n
    assert found["replay_wer_ratio"].unit == "ratio"
    assert "replay_unstable_partial_word_ratio" in found
    assert sample(found["replay_benchmark"], recordings="2", rounds="3") == 1
    assert sample(found["replay_verdict"], replay_verdict="fail") == 1
    assert sample(found["replay_verdict"], replay_verdict="pass") == 0
    assert sample(found["replay_condition"], replay_condition="unknown") == 1


def test_a_comparison_has_its_interval(benchmark: Benchmark) -> None:
    """A change, both ends of its interval, and what could have been found."""
    assert benchmark.comparison is not None
    found = families(benchmark.comparison)
    change = benchmark.comparison.latency.changes[1]
    of = {"figure": "word_final", "statistic": "p50"}
    seconds = found["replay_change_seconds"]
    for bound, value in (("estimate", change.change), ("low", change.low), ("high", change.high)):
        assert sample(seconds, bound=bound, **of) == pytest.approx(value / 1000, abs=1e-6)
    assert sample(found["replay_change_detectable_seconds"], **of) == pytest.approx(
        change.detectable / 1000, abs=1e-6
    )
    assert sample(found["replay_comparison"], replay_comparison="worse") == 1


def test_several_reports_are_told_apart(benchmark: Benchmark) -> None:
    """No sample comes twice, also of two runs of the same recording."""
    run = one_run(harmed())
    found = families(run, run, benchmark)
    acks = found["replay_ack_seconds"]
    assert {each.labels["report"] for each in acks.samples} == {"run", "run (2)", "branch"}
    for family in found.values():
        keys = [(each.name, *sorted(each.labels.items())) for each in family.samples]
        assert len(keys) == len(set(keys))


@given(
    st.lists(st.floats(-1e5, 1e6), max_size=400),
    st.lists(st.floats(0, 1e6), max_size=5),
    texts,
)
def test_any_figure_and_any_name_can_be_scraped(
    values: list[float], never: list[float], name: str
) -> None:
    """Exactly the figures that are known come back, none of them as NaN, under the name as it is
    written."""
    run = one_run(harmed())
    dist = distribution(values, never)
    run = OneRun(name, run.summary, {"word_final": dist, "wer": None, "lost_bytes": 0})
    run.summary.source.name = name
    found = families(run)
    assert "replay_wer_ratio" not in found
    assert sample(found["replay_lost_bytes"]) == 0
    samples = found["replay_word_final_seconds"].samples if dist.min is not None else []
    known = {s: getattr(dist, s) for s in ("min", "p50", "p90", "p95", "p99", "max", "mean")}
    known = {s: value for s, value in known.items() if value is not None}
    assert {each.labels["statistic"] for each in samples} == set(known) if samples else True
    for each in samples:
        assert math.isclose(each.value, known[each.labels["statistic"]] / 1000, abs_tol=1e-6)
        assert each.labels["source"] == re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", name)


def test_the_scraper_finds_what_is_planted(benchmark: Benchmark) -> None:
    """Cut short, with a family in two pieces or with a value that is no number, it is refused."""
    text = openmetrics.render([benchmark]).decode()
    for broken in (
        text.removesuffix("# EOF\n"),
        text.replace("# EOF", text.splitlines()[2] + "\n# EOF"),
        text.replace(" 1\n", " one\n", 1),
    ):
        with pytest.raises(ValueError, match=r"."):
            list(text_string_to_metric_families(broken))


# ------------------------------------------------------------------ customSmallerIsBetter


def entries(*subjects: OneRun | Benchmark) -> dict[str, dict[str, Any]]:
    """By name, once each is what github-action-benchmark documents: an array of objects with name,
    unit and value, and range and extra as texts where they are there."""
    found = json.loads(smaller_is_better.render(subjects))
    assert isinstance(found, list)
    for each in found:
        assert {"name", "unit", "value"} <= set(each) <= {"name", "unit", "value", "range", "extra"}
        assert type(each["value"]) in (int, float)
        assert math.isfinite(each["value"])
        assert all(type(text) is str for key, text in each.items() if key != "value")
    assert len({each["name"] for each in found}) == len(found)
    return {each["name"]: each for each in found}


def test_entries_are_figures_of_which_less_is_better(benchmark: Benchmark) -> None:
    """Named as in conditions; no estimate, nothing of ourselves, nothing that is not known."""
    found = entries(benchmark)
    figure = benchmark.measured[0].figures["word_final"]
    assert isinstance(figure, Distribution)
    assert found["word_final.p50"]["value"] == figure.p50
    assert found["word_final.p50"]["unit"] == "ms"
    assert "n=18" in found["word_final.p50"]["extra"]
    assert "word_final.p99" not in found
    assert found["wer"]["value"] == 0
    assert not {"uplink.p50", "round_trip.p95", "step_rest.p50", "lateness.p50"} & set(found)
    for name in found:
        assert not CATALOGUE[name.partition(".")[0]].more
        parse_condition(f"{name} < {'1ms' if found[name]['unit'] == 'ms' else 1}")


def test_entries_of_several_are_told_apart(benchmark: Benchmark) -> None:
    """By what they are of, then by the side."""
    both = replace(
        benchmark,
        measured=[
            benchmark.measured[0],
            replace(benchmark.measured[0], arm=replace(benchmark.measured[0].arm, name="B")),
        ],
    )
    assert {"A word_final.p50", "B word_final.p50"} <= set(entries(both))
    run = one_run(harmed())
    assert {"run: ack.p50", "run (2): ack.p50", "branch: A wer"} <= set(entries(run, run, both))


@given(st.lists(st.floats(-1e5, 1e6), max_size=400), st.lists(st.floats(0, 1e6), max_size=5))
def test_only_known_figures_are_entries(values: list[float], never: list[float]) -> None:
    """A percentile that is too rare, or that something decides that never came, is left out."""
    dist = distribution(values, never)
    found = entries(OneRun("run", one_run(harmed()).summary, {"word_final": dist, "wer": None}))
    known = [s for s in ("p50", "p95", "p99") if getattr(dist, s) is not None]
    assert list(found) == [f"word_final.{statistic}" for statistic in known]


# ------------------------------------------------------------------ all of them


def test_a_benchmark_leaves_all_of_them(benchmark: Benchmark, tmp_path: Path) -> None:
    """Each under its name, and none of them empty."""
    files = render_files(benchmark, tmp_path)
    assert set(files) == {
        *("bench.json", "report.html", "report.md", "junit.xml", "metrics.txt", "benchmark.json"),
    }
    assert all(files.values())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_read_back(benchmark: Benchmark, name: str) -> None:
    """By every one of these readers."""
    arm = replace(benchmark.measured[0].arm, label=name)
    found = replace(benchmark, name=name, measured=[replace(benchmark.measured[0], arm=arm)])
    assert cases(found)
    assert families(found)
    assert entries(found)
