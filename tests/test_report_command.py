"""`replay report` and `replay compare`: what they take, what they write, what they refuse."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import junitparser
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from reported import benched, harmed, stored, told

from replay import benchmark
from replay.audio import AudioFormat, wav_header
from replay.bench.sides import Loaded
from replay.benchmark import Benchmark
from replay.cli import main
from replay.compare import Comparison
from replay.rundir import Run
from replay.summary import Summary


@dataclass
class Done:
    """What came of a command."""

    code: int
    out: str
    err: str


Replay = Callable[..., Done]


@pytest.fixture
def replay(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Replay:
    """Runs a command in a directory of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str | Path) -> Done:
        capsys.readouterr()
        code = 0
        try:
            main(list(map(str, words)))
        except SystemExit as done:
            code = int(done.code or 0)
        found = capsys.readouterr()
        return Done(code, found.out, found.err)

    return call


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A stored run that lost its connection once."""
    path = tmp_path / "runs" / "one"
    path.mkdir(parents=True)
    (path / "journal.jsonl").write_bytes(harmed().lines())
    return path


FORMS = ("markdown", "junit", "openmetrics", "benchmark-json", "trace")


def read_form(name: str, text: str) -> None:
    """As whoever takes that form reads it."""
    match name:
        case "markdown":
            assert text.startswith("## ")
        case "junit":
            assert len(junitparser.JUnitXml.fromstring(text.encode())) > 0
        case "openmetrics":
            assert list(text_string_to_metric_families(text))
        case "benchmark-json":
            assert {"name", "unit", "value"} <= set(json.loads(text)[0])
        case "trace":
            assert json.loads(text)["traceEvents"]


# ------------------------------------------------------------------ forms


def test_a_run_is_written_in_every_form(replay: Replay, run: Path) -> None:
    """Several at once, each whole in its file, and shown besides."""
    done = replay("report", run, *(f"--{name}={name}.out" for name in FORMS))
    assert done.code == 0
    assert "verdict: pass" in done.out
    for name in FORMS:
        read_form(name, Path(f"{name}.out").read_text())


@pytest.mark.parametrize("name", FORMS)
def test_a_form_stands_alone_on_standard_output(replay: Replay, run: Path, name: str) -> None:
    """Then nothing else is shown there."""
    done = replay("report", run, f"--{name}", "-")
    assert (done.code, done.err) == (0, "")
    read_form(name, done.out)


def test_several_make_one_document_of_each_form(replay: Replay, run: Path, tmp_path: Path) -> None:
    """Runs and benchmarks together; one that cannot be read is told, and left out."""
    stored(tmp_path / "bench")
    done = replay("report", run, tmp_path / "nothing", "bench", "--junit", "-")
    assert done.code == 2
    assert "nothing: not a run directory" in done.err
    names = [suite.name for suite in junitparser.JUnitXml.fromstring(done.out.encode())]
    assert names == ["one", "bench", "bench, A: sandbox"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--markdown", "-", "--junit", "-"), "one alone can go to standard output"),
        (("--json", "--markdown", "-"), "--markdown - and --json: one alone"),
        (("--markdown", "no/such/place.md"), "place.md: cannot be written: no such file or dir"),
        (("other", "--trace", "x"), "--trace is of one run or benchmark: name one"),
        (("other", "--html", "x"), "--html is of one run or benchmark: name one"),
    ],
)
def test_what_cannot_be_written_is_one_line(
    replay: Replay, run: Path, words: tuple[str, ...], said: str
) -> None:
    """And the exit code is 2."""
    done = replay("report", run, *words)
    assert done.code == 2
    assert said in done.err
    assert done.err.startswith("replay: ")
    assert done.err.count("\n") == 1


def test_nothing_is_written_of_a_form_that_cannot_be_made(replay: Replay, tmp_path: Path) -> None:
    """A trace is of one run; the line names one, and the other form is not there either."""
    stored(tmp_path / "bench")
    done = replay("report", "bench", "--markdown", "x.md", "--trace", "x.json")
    assert done.code == 2
    assert "--trace is of one run: name one of the benchmark's, such as bench/plays/A/" in done.err
    assert not Path("x.md").exists()


# ------------------------------------------------------------------ benchmarks, measured again


def test_a_benchmark_is_measured_again(replay: Replay, tmp_path: Path) -> None:
    """From its journals, whatever its bench.json says."""
    (tmp_path / "b").mkdir()
    benched(tmp_path / "b" / "main")
    result = tmp_path / "b" / "main" / "bench.json"
    kept = result.read_bytes()
    result.write_text("{}")
    done = replay("report", "b/main", "--json")
    assert done.code == 0
    found, before = benchmark.decode(done.out.encode()), benchmark.decode(kept)
    assert (found.verdict, found.measured) == (before.verdict, before.measured)
    assert "warmup: 1 (played, not counted)" in replay("report", "b/main").out


def test_a_result_alone_is_shown_as_it_is(replay: Replay, tmp_path: Path) -> None:
    """A bench.json that was committed, or a directory with nothing else; a page of it there is
    none, since that shows runs."""
    benched(tmp_path / "main")
    alone = tmp_path / "ci" / "latency.json"
    alone.parent.mkdir()
    alone.write_bytes((tmp_path / "main" / "bench.json").read_bytes())
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "bench.json").write_bytes(alone.read_bytes())
    for path in (alone, tmp_path / "bare"):
        assert replay("report", path, "--markdown", "-").out.startswith("## ✅ pass: `main`")
    done = replay("report", alone, "--html", "page.html")
    assert (done.code, done.err) == (
        2,
        "replay: --html of a benchmark takes its directory: the runs are in it\n",
    )


def asked_for(path: Path, *arguments: str, **how: Any) -> Path:
    return stored(path, arguments=["corpus", *arguments], **how)


def test_it_is_compared_again_as_it_was_asked_for(replay: Replay, tmp_path: Path) -> None:
    """With the baseline, the conditions and the assertions of then."""
    benched(tmp_path / "main")
    asked_for(
        tmp_path / "branch",
        *("--baseline", "main", "--fail-on", "word_final.p50 > +2%", "--assert", "wer < 5%"),
        late=30.0,
    )
    found = benchmark.decode(replay("report", "branch", "--json").out.encode())
    assert found.comparison is not None
    assert (found.verdict, found.comparison.verdict) == ("fail", "worse")
    assert found.comparison.base == "main"
    assert [each.text for each in found.comparison.conditions] == ["word_final.p50 > +2%"]
    assert [(each.text, each.state) for each in found.assertions] == [("wer < 5%", "pass")]


def test_without_its_baseline_it_is_no_pass(replay: Replay, tmp_path: Path) -> None:
    """The comparison is left out, and that is said."""
    asked_for(tmp_path / "branch", "--baseline", "main")
    found = benchmark.decode(replay("report", "branch", "--json").out.encode())
    assert found.comparison is None
    assert found.verdict == "unknown"
    assert found.reasons[-1].startswith("not compared with its baseline: ")


def test_arguments_of_another_version_are_left_out(replay: Replay, tmp_path: Path) -> None:
    """Its figures are there all the same; whether it passed nobody can say."""
    asked_for(tmp_path / "branch", "--an-option-of-tomorrow")
    found = benchmark.decode(replay("report", "branch", "--json").out.encode())
    assert found.measured[0].figures["wer"] == 0
    assert found.verdict == "unknown"
    assert "cannot be read by this version" in found.reasons[-1]


def test_an_interrupted_benchmark_reports(replay: Replay, tmp_path: Path) -> None:
    """What was played so far, and that something is left."""
    stored(tmp_path / "bench", played=1)
    done = replay("report", "bench")
    assert done.code == 0
    assert "reason: 4 sessions are still to be played" in done.out


# ------------------------------------------------------------------ pages, and comparisons


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What pages were asked for, in place of the module that makes them."""
    asked: list[tuple[Any, ...]] = []
    module: Any = ModuleType("replay.report.page")

    def make(name: str) -> Callable[..., bytes]:
        def made(*about: object) -> bytes:
            asked.append((name, *about))
            return b"<!doctype html>"

        return made

    for name in ("page_of_run", "page_of_benchmark", "page_of_comparison"):
        setattr(module, name, make(name))
    monkeypatch.setitem(sys.modules, "replay.report.page", module)
    return asked


def test_pages_are_asked_for_what_they_are_about(
    replay: Replay, run: Path, tmp_path: Path, page: list[tuple[Any, ...]]
) -> None:
    """A run with its summary, a benchmark with its place, a comparison with its two sides."""
    benched(tmp_path / "main")
    benched(tmp_path / "branch", late=30.0)
    assert replay("report", run, "--html", "-").out == "<!doctype html>"
    replay("report", "main", "--html", "page.html")
    replay("compare", "main", "branch", "--html", "page.html")
    one, two, three = page
    assert [type(each) for each in one[1:]] == [Run, Summary]
    assert (two[0], str(two[1]), type(two[2])) == ("page_of_benchmark", "main", Benchmark)
    assert [type(each) for each in three[1:]] == [Comparison, Loaded, Loaded]


def test_a_comparison_is_written_in_every_form(replay: Replay, tmp_path: Path) -> None:
    """That there is of one; the exit code stays the verdict's."""
    benched(tmp_path / "main")
    benched(tmp_path / "branch", late=30.0)
    words = [f"--{name}={name}.out" for name in ("markdown", "junit", "openmetrics")]
    done = replay("compare", "main", "branch", *words)
    assert done.code == 1
    assert "comparison: worse" in done.out
    for name in ("markdown", "junit", "openmetrics"):
        read_form(name, Path(f"{name}.out").read_text())
    alone = replay("compare", "main", "main", "--markdown", "-")
    assert (alone.code, alone.out.splitlines()[0]) == (0, "## ✅ same: `main` against `main`")
    assert replay("compare", "main", "branch", "--trace", "x").code == 2


def test_a_comparison_of_single_runs_is_inconclusive(replay: Replay, tmp_path: Path) -> None:
    """They have no rounds; its forms say so."""
    for name, late in (("a", 0.0), ("b", 30.0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "journal.jsonl").write_bytes(told(late).lines())
    done = replay("compare", "a", "b", "--markdown", "-")
    assert done.code == 3
    assert done.out.startswith("## ❔ inconclusive: `b` against `a`")
    assert "one round only" in done.out


def test_a_benchmark_tells_no_secret(replay: Replay, tmp_path: Path) -> None:
    """What reports say of a side: a target's password and a callback's token are hidden."""
    fmt = AudioFormat()
    audio = bytes(fmt.bytes_in(0.5))
    (tmp_path / "a.wav").write_bytes(wav_header(fmt, len(audio)) + audio)
    done = replay(
        *("bench", "a.wav", "--name", "x", "--target", "http://me:hush@127.0.0.1:1"),
        *("--callback-url", "http://127.0.0.1:9/?token=hush"),
    )
    assert done.code == 2
    (arm,) = json.loads((tmp_path / "bench" / "x" / "plan.json").read_text())["arms"]
    assert "hush" not in json.dumps(arm)
    assert (arm["label"], arm["target"]) == ("http://127.0.0.1:1", "http://127.0.0.1:1")
    assert arm["config"]["callback_config"]["url"] == "http://127.0.0.1:9/?token=***"
