"""Reports of a soak for other programs: OpenMetrics, JUnit XML and Markdown, each read by what
reads it there."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import replace as changed

import junitparser
import msgspec
import pytest
import soaks
from github import TAGS, rendered
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from reported import HOSTILE, texts
from soaks import Made, hostile, nothing, now, soak

from replay.endurance.histogram import Histogram
from replay.endurance.summary import SoakSummary
from replay.report import markdown_soak, soak_junit, soak_metrics
from replay.report.exposition import Exposition
from replay.report.soak_files import render_files
from replay.report.soak_now import Live

BAD = dataclasses.replace(soaks.BAD, conditions=(*soaks.BAD.conditions, "ack.p99 < 1s"))


@pytest.fixture(scope="module")
def fine() -> SoakSummary:
    return soak()


@pytest.fixture(scope="module")
def bad() -> SoakSummary:
    """With a leak, two sessions that lost audio, a worker that died, and conditions that fail."""
    return soak(BAD)


# ------------------------------------------------------------------ OpenMetrics


def families(found: SoakSummary | Live) -> dict[str, Metric]:
    """As Prometheus reads them."""
    text = (
        soak_metrics.render_live(found)
        if isinstance(found, Live)
        else soak_metrics.render(found).decode()
    )
    return {each.name: each for each in text_string_to_metric_families(text)}


def value(found: dict[str, Metric], name: str, **labels: str) -> float:
    """The one sample of that name that has these labels."""
    (only,) = (
        sample.value
        for family in found.values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
    return float(only)


def test_counters_and_states(bad: SoakSummary) -> None:
    """Totals are counters, a verdict is a state of its set, slopes have their intervals."""
    found = families(bad)
    assert value(found, "replay_soak_reconnects_total") == bad.reconnects
    assert value(found, "replay_soak_sessions_total", verdict="fail") == 2
    assert value(found, "replay_soak_audio_bytes_total", of="lost") == 6400
    assert value(found, "replay_soak_deaths_total") == 1
    assert value(found, "replay_soak_verdict", replay_soak_verdict="fail") == 1
    assert value(found, "replay_soak_verdict", replay_soak_verdict="pass") == 0
    for kind, fired in bad.faults.by_kind.items():
        assert value(found, "replay_soak_faults_total", kind=kind) == fired
    leak = {"of": "rss", "process": "worker 1"}
    low, high = (value(found, "replay_soak_growth", bound=each, **leak) for each in ("low", "high"))
    assert 4096 < low < 20_000 < high + 500
    assert value(found, "replay_soak_growth_state", replay_soak_growth_state="grows", **leak) == 1
    condition = {"condition": "lost_bytes == 0", "replay_soak_condition": "fail"}
    assert value(found, "replay_soak_condition", **condition) == 1
    assert {each.type for each in found.values()} == {
        *("info", "gauge", "counter", "stateset", "histogram"),
    }


def test_histograms_are_those_of_the_summary(bad: SoakSummary) -> None:
    """Counts at each end of a bucket are exact but for the bucket's own three digits; the sum and
    the count are exact; the kinds add up to everything."""
    found = families(bad)
    kinds = bad.recoveries[1:]
    assert len(kinds) == 5
    total = 0.0
    for each in kinds:
        whole = Histogram.decoded(each.encoded)
        labels = {"kind": each.kind}
        name = "replay_soak_recovery_seconds"
        counts = {
            float(sample.labels["le"]): sample.value
            for sample in found[name].samples
            if sample.name == f"{name}_bucket" and sample.labels["kind"] == each.kind
        }
        assert counts[math.inf] == whole.n == each.outages
        assert [*counts.values()] == sorted(counts.values())
        p50 = whole.quantile(0.5)
        assert p50 is not None
        below = max(end for end in counts if end < p50 / 1000 * 0.999)
        assert counts[below] <= whole.n / 2 <= counts[min(e for e in counts if e > below)]
        assert value(found, f"{name}_sum", **labels) == pytest.approx(each.encoded.total / 1e6)
        total += value(found, f"{name}_count", **labels)
    assert total == bad.recoveries[0].outages
    for of in ("all", "undisturbed"):
        labels = {"figure": "word_final", "of": of}
        assert value(found, "replay_soak_latency_seconds_count", **labels) == 24_000


def test_a_sum_with_what_is_negative_or_never_came_is_left_out(fine: SoakSummary) -> None:
    """As the format asks for, and since nobody knows it; all of them count."""
    made = Histogram()
    made.add([-5.0, 10.0, 4_000_000.0], censored=[100.0])
    encoded = {"ack": made.encoded()}
    found = families(replace(fine, latency=replace(fine.latency, encoded=encoded)))
    names = {each.name for each in found["replay_soak_latency_seconds"].samples}
    assert names == {"replay_soak_latency_seconds_bucket"}
    assert value(found, "replay_soak_latency_seconds_bucket", le="+Inf") == 4
    assert value(found, "replay_soak_latency_seconds_bucket", le="0.005") == 1
    assert value(found, "replay_soak_latency_seconds_bucket", le="30.0") == 2


def test_how_it_stands(bad: SoakSummary) -> None:
    """While it runs: what plays now, the newest of each process, and all of the sessions that are
    over; nothing that was there before gets smaller."""
    live = now(BAD, bad)
    found = families(live)
    assert value(found, "replay_soak_playing") == 19
    assert value(found, "replay_soak_connected") == 18
    assert value(found, "replay_soak_workers") == 1
    assert value(found, "replay_soak_elapsed_seconds") == 1440
    assert value(found, "replay_soak_late_seconds", process="worker 1") == 0.0025
    assert value(found, "replay_soak_reconnects_total") == live.reconnects
    rss = {each.who: each.rss for each in live.samples}
    for who, taken in rss.items():
        assert value(found, "replay_soak_process_rss_bytes", process=who) == taken
    tasks = {each.labels["process"] for each in found["replay_soak_process_tasks"].samples}
    assert tasks == {"supervisor", "worker 1", "worker 2"}
    assert set(families(bad)) < set(found)


def test_before_anything_is_over() -> None:
    """What is not known is left out; what is 0 is there."""
    found = families(changed(now(found=nothing()), elapsed=0.0, samples=[], workers=[]))
    assert value(found, "replay_soak_playing") == 0
    assert "replay_soak_latency_seconds" not in found
    assert "replay_soak_process_rss_bytes" not in found
    of = {each.labels["of"] for each in found["replay_soak_audio_bytes"].samples}
    assert of == {"sent", "acked"}


@pytest.mark.parametrize("text", HOSTILE)
def test_labels_are_text(fine: SoakSummary, text: str) -> None:
    """Whatever others wrote, the parser reads it, as one label's value."""
    found = families(hostile(fine, text))
    assert value(found, "replay_soak_deaths_total") == 1


@given(counts=st.lists(st.tuples(st.floats(0.001, 1e3), st.integers(0, 99)), max_size=5))
def test_a_histogram_of_any_buckets(counts: list[tuple[float, int]]) -> None:
    """The parser checks that ends and counts rise."""
    made, below = Exposition(), 0
    buckets = []
    for end, count in sorted({round(end, 3): count for end, count in counts}.items()):
        below += count
        buckets.append((end, below))
    made.histogram("a_seconds", "About.", {"b": "c"}, buckets, below + 1, 1.5, "seconds")
    (family,) = text_string_to_metric_families(made.text())
    assert len(family.samples) == len(buckets) + 3


# ------------------------------------------------------------------ JUnit


def cases(found: SoakSummary) -> dict[tuple[str, str], junitparser.TestCase]:
    """Every case by its suite and its name, once the counts of its suite are checked."""
    made = {}
    for suite in junitparser.JUnitXml.fromstring(soak_junit.render(found)):
        told = (suite.tests, suite.failures, suite.errors, suite.skipped)
        suite.update_statistics()
        assert told == (suite.tests, suite.failures, suite.errors, suite.skipped)
        made |= {(suite.name, case.name): case for case in suite}
    return made


def state(case: junitparser.TestCase) -> str:
    return type(case.result[0]).__name__ if case.result else "Passed"


def test_a_case_for_everything_that_is_judged(bad: SoakSummary) -> None:
    """The verdict, each condition, the processes' lives, each invariant, each process's growth and
    each drift."""
    found = {name: state(case) for name, case in cases(bad).items()}
    suite = "soak of demo.flac"
    assert found[suite, "verdict"] == "Failure"
    assert found[suite, "lost_bytes == 0"] == "Failure"
    assert found[suite, "ack.p99 < 1s"] == "Passed"
    assert found[suite, "no process died"] == "Failure"
    broken = f"{suite}, invariants"
    assert sum(each == "Failure" for (where, _), each in found.items() if where == broken) == 1
    assert found[f"{suite}, processes", "worker 1 memory"] == "Failure"
    assert found[f"{suite}, processes", "worker 1 files"] == "Passed"
    assert found[f"{suite}, drifts", "acknowledgement"] == "Passed"
    told = cases(bad)[suite, "verdict"].result[0]
    assert told.message.startswith("2 of 60 finished sessions failed")
    assert "60 sessions finished, 58 passed" in told.text
    invariants = [name for where, name in found if where == broken]
    assert not any(name.startswith("C1") for name in invariants)  # it applies to no session


def test_what_went_well_is_green(fine: SoakSummary) -> None:
    """A trend of which nothing is known decides nothing; it is skipped, with why."""
    found = cases(fine)
    assert {state(each) for each in found.values()} == {"Passed", "Skipped"}
    skipped = [each for each in found.values() if state(each) == "Skipped"]
    assert all(each.result[0].message for each in skipped)


def test_what_nobody_knows_is_an_error() -> None:
    """Nothing finished, and a condition that cannot be told."""
    found = cases(nothing())
    assert state(found["soak of demo.flac", "verdict"]) == "Error"
    assert state(found["soak of demo.flac", "ack.p95 < 1s"]) == "Error"


# ------------------------------------------------------------------ Markdown


def markdown(found: SoakSummary) -> str:
    return markdown_soak.render(found).decode()


def test_a_comment_on_a_pull_request(bad: SoakSummary) -> None:
    """Verdict and why first, then what decides; the rest is folded, but what grows."""
    said = markdown(bad)
    order = [
        "## ❌ fail: `demo.flac` on sandbox",
        "- 2 of 60 finished sessions failed",
        "Soaked for 30m of 30m, 20 sessions at once.",
        "- audio: ❌ 10h played, 6,400 bytes lost",
        "| `lost_bytes == 0` | ❌ fail |",
        "| recovered, ms | losses | p50 |",
        "<summary>Latency</summary>",
        "<details open>",
        "| worker 1 memory | +",
        "<summary>Findings: 2</summary>",
        "replay run fixtures/demo.flac --loop 10 --seed 3001 --fault",
    ]
    places = [said.index(each) for each in order]
    assert places == sorted(places)
    page = rendered(said)
    assert page.depth == 0
    assert set(page.tags) <= TAGS
    assert {len(row) for row in page.rows} <= {3, 5, 6, 13}


def test_what_others_wrote_is_text(fine: SoakSummary) -> None:
    """No link, no HTML, no column more."""
    for text in HOSTILE:
        said = markdown(hostile(fine, text))
        page = rendered(said)
        assert set(page.tags) <= TAGS, text
        assert page.depth == 0, text


@given(text=texts)
def test_any_text(text: str) -> None:
    """The same, of whatever there is; and it fits into a comment."""
    said = markdown(hostile(_small(), text))
    assert set(rendered(said).tags) <= TAGS
    assert len(said) <= 65_000


_MADE: list[SoakSummary] = []


def _small() -> SoakSummary:
    """Made once for all the examples of a property."""
    if not _MADE:
        _MADE.append(soak(Made(hours=0.1, slots=2, length=120.0)))
    return _MADE[0]


def test_however_much_there_was(fine: SoakSummary) -> None:
    """Of very many findings and sessions a few are shown, and it is said that there are more."""
    many = replace(
        fine,
        worst=[replace(fine.worst[0], reasons=["x" * 150], repeat="y" * 3000)] * 300,
        checks=[],
    )
    said = markdown(many)
    assert len(said) <= 65_000
    assert "more rows, left out here" in said


# ------------------------------------------------------------------ all of them


def test_every_file(bad: SoakSummary) -> None:
    """All of them from the summary alone; the JSON is read back as what it was."""
    made = render_files(bad)
    assert set(made) == {"summary.json", "report.html", "report.md", "junit.xml", "metrics.txt"}
    again = msgspec.json.decode(made["summary.json"], type=SoakSummary)
    assert again == bad
    for name in ("report.html", "report.md", "junit.xml"):
        assert render_files(again)[name] == made[name]


def test_every_file_of_nothing() -> None:
    """A soak that was stopped at once has its reports too."""
    assert b"no session finished" in render_files(nothing())["report.md"]
