"""`replay selftest`: truths are exact where nothing disturbs, and what is wrong is named."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from msgspec import structs
from rich.console import Console
from selftests import AWAKE, TRIALS, play, selftest

from replay import (
    cadence,
    continuity,
    latency,
    network,
    stability,
    statistics,
    transcript,
    waterfall,
)
from replay.catalogue import CATALOGUE
from replay.cli.selftest import command
from replay.errors import UsageError
from replay.journal import ReferenceWord
from replay.report import selftest_text
from replay.report.json import document
from replay.sandbox.recognizers.base import Final, Partial
from replay.sandbox.recognizers.scripted import Script, ScriptWord
from replay.selftest import judge, metronome, run_selftest
from replay.selftest.measured import Measured, measure
from replay.selftest.predict import predict
from replay.selftest.resolution import resolve
from replay.selftest.result import Checked, Point, Row, Selftest
from replay.selftest.sleeper import Sleeper
from replay.selftest.trial import Trial
from replay.selftest.trials import trials
from replay.selftest.truth import Truth, work_out
from replay.simulation import Simulated
from replay.statistics import Series

NAMES = list(TRIALS)


@cache
def played(name: str) -> Simulated:
    return play(TRIALS[name])


def wrong(found: Selftest) -> dict[str, Row]:
    return {row.figure: row for trial in found.trials for row in trial.rows if not row.right}


# ------------------------------------------------------------------ the truth


def test_a_course_worked_out_by_hand() -> None:
    """Two words, chunks of 20 ms, an ack after 4 ms, speech after 32, partials after 108, finals
    after 156; silence of 40 ms ends an utterance.

    "a" ends at 127 ms, within the chunk that is due at 140: shown at 248. "b" ends at 147, with the
    chunk of 160: shown at 268. Silence is 40 ms old at 187, with the chunk of 200: noticed at 232,
    final at 356. The audio is over at 400: its stop is acknowledged at 404, and the post-processing
    takes 50 ms twice.
    """
    words = [ScriptWord("a", 0.107, 0.127), ScriptWord("b", 0.127, 0.147)]
    said = [ReferenceWord(word.word, word.start, word.end) for word in words]
    trial = replace(TRIALS["constant"], seconds=0.4, script=Script(words), said=said)
    course = predict(trial)
    kinds = [(type(each.event).__name__, round(each.at * 1e3, 6)) for each in course.said]
    assert kinds == [
        ("SpeechStarted", 152),
        ("SpeechEnded", 232),
        ("Partial", 248),
        ("Partial", 268),
        ("Final", 356),
    ]
    assert [round(at * 1e3, 6) for at in course.acked[:3]] == [24, 44, 64]
    assert round(course.over * 1e3, 6) == 504
    found = work_out(trial).series
    exact = {name: [round(each, 6) for each in values] for name, values in found.items()}
    assert exact["word_first"] == exact["word_stable"] == [121, 121]
    assert exact["word_final"] == [229, 209]
    assert exact["first_partial"] == [141]
    assert exact["final"] == [209]
    assert exact["endpointing"] == [85]
    assert exact["decoding"] == [124]
    assert exact["step_rest"] == [20, 0]
    assert exact["step_frame"] == [13, 13]
    assert exact["from_send.word_first"] == [108, 108]
    assert exact["end_of_session"] == [104]


@pytest.mark.parametrize("name", NAMES)
def test_in_virtual_time_every_truth_is_read_back(name: str) -> None:
    """Nothing is late there: times to the microsecond, everything else exactly, and what is
    estimated from stamps of whole milliseconds within the bound that is stated with it."""
    found = selftest(TRIALS[name], played(name))
    assert (found.verdict, found.reasons) == ("pass", [])
    rows = found.trials[0].rows
    assert [row.figure for row in rows] == [
        figure.removesuffix(".p50") for figure in TRIALS[name].figures
    ]
    estimated = {"clock_gain", *judge._ESTIMATES}
    off = {
        f"{row.figure}.{point.statistic}": point.error
        for row in rows
        for point in row.points
        if row.figure not in estimated and abs(point.error or 0) > 0.001
    }
    assert off == {}


@pytest.mark.parametrize("name", ["constant", "jitter", "drops"])
def test_a_way_that_takes_time_is_in_the_truth(name: str) -> None:
    """25 ms each way to the service: all that comes is 50 ms later, and nothing else changes."""
    trial = TRIALS[name]
    found = selftest(trial, way=0.025)
    off = {
        f"{row.figure}.{point.statistic}": point.error
        for row in found.trials[0].rows
        for point in row.points
        if abs(point.error or 0) > 0.001
    }
    assert off == {}


def test_every_figure_has_its_truth() -> None:
    """All that is named anywhere is judged in one trial or another, but for what a connection takes
    to open, what follows from that, and what is told of the instrument and of whole benchmarks."""
    judged = {name.removesuffix(".p50") for trial in TRIALS.values() for name in trial.figures}
    left = {name for name in CATALOGUE if name not in judged and not name.startswith("connect_")}
    assert left == {"down", "first_ack", "first_transcript", "caught_up", "failed_runs", "lateness"}


@pytest.mark.parametrize("trial", [*trials(), *TRIALS.values()], ids=lambda trial: trial.name)
def test_no_final_comes_near_the_stop(trial: Trial) -> None:
    """Behind it a final counts as forced: a machine that is a little late must not turn it."""
    course = predict(trial)
    finals = [each.at for each in course.said if isinstance(each.event, Final)]
    assert min(abs(at - course.stop) for at in finals) > 0.04


def test_the_jitter_trial_has_slips_of_both_kinds() -> None:
    """Some partials end in another word, some in the same word written otherwise."""
    facts = work_out(TRIALS["jitter"]).facts
    assert 0 < facts["erasure"] < facts["raw_erasure"]
    course = predict(TRIALS["jitter"])
    ats = [each.at for each in course.said if isinstance(each.event, Partial | Final)]
    assert any(a == b for a, b in pairwise(ats)), "and some would overtake if they could"


def test_a_script_that_tells_no_truth_is_refused() -> None:
    """A wrong word that comes later in the same utterance may as well have moved there."""
    words = [ScriptWord(text, k * 0.1, k * 0.1 + 0.05) for k, text in enumerate("abc")]
    trial = replace(TRIALS["jitter"], script=Script(words), endpointing=1.0, flicker=1.0)
    with pytest.raises(ValueError, match="another seed"):
        work_out(trial)


# ------------------------------------------------------------------ planted errors


def later(name: str, by: float) -> Callable[..., Any]:
    """`latency.series` with one measure that is off."""
    real = latency.series

    def series(*args: Any, **kwargs: Any) -> dict[str, Series]:
        found = real(*args, **kwargs)
        return {**found, name: Series(found[name].values + by, found[name].censored)}

    return series


def changed(real: Callable[..., Any], **by: float) -> Callable[..., Any]:
    """What `real` gives, with some of its fields off by so much."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        found = real(*args, **kwargs)
        values = {name: getattr(found, name) + each for name, each in by.items()}
        return (
            structs.replace(found, **values)
            if isinstance(found, msgspec.Struct)
            else replace(found, **values)
        )

    return wrapped


def one_less(real: Callable[..., Any]) -> Callable[..., Any]:
    """A series without its last value."""
    return lambda *args, **kwargs: Series(real(*args, **kwargs).values[:-1])


def largest(ordered: Any, q: float) -> float:
    """The median, and for every other quantile the largest value."""
    return float(ordered[-1] if q > 0.5 else ordered[len(ordered) // 2])


PLANTED = [
    pytest.param("constant", latency, "series", later("word_final", 2.0), "word_final", id="2 ms"),
    pytest.param("constant", latency, "series", later("ack", -1.1), "ack", id="too early"),
    pytest.param("constant", cadence, "gaps", one_less(cadence.gaps), "partial_gap", id="one gone"),
    pytest.param("jitter", latency, "series", later("endpointing", 4), "endpointing", id="4 ms"),
    pytest.param("jitter", statistics, "quantile", largest, "word_first", id="rank"),
    pytest.param(
        "jitter", stability, "_count", changed(stability._count, erased=1), "erasure", id="erased"
    ),
    pytest.param(
        "jitter",
        stability,
        "_count",
        changed(stability._count, unstable=-1),
        "unstable_partial_word_ratio",
        id="unstable",
    ),
    pytest.param(
        "losses",
        transcript,
        "measure",
        changed(transcript.measure, lost=-1),
        "lost_words",
        id="a lost word swallowed",
    ),
    pytest.param(
        "losses", transcript, "measure", changed(transcript.measure, errors=1), "wer", id="wer"
    ),
    pytest.param(
        "clock",
        network,
        "measure",
        changed(network.measure, offset_ms=3.0),
        "clock_ahead",
        id="offset",
    ),
    pytest.param(
        "clock",
        network,
        "measure",
        changed(network.measure, skew_ppm=-2000),
        "clock_gain",
        id="skew",
    ),
]


@pytest.mark.parametrize(("name", "module", "function", "spoilt", "figure"), PLANTED)
def test_an_error_of_the_measuring_code_fails(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    module: Any,
    function: str,
    spoilt: Callable[..., Any],
    figure: str,
) -> None:
    """Planted: each is named, and on a machine that is not busy there is no excuse."""
    done = played(name)
    monkeypatch.setattr(module, function, spoilt)
    found = selftest(TRIALS[name], done)
    assert found.verdict == "fail"
    assert figure in wrong(found)
    title = wrong(found)[figure].title
    assert any(f": {title}" in reason for reason in found.reasons)


def test_a_step_that_is_off_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: two milliseconds of an utterance's rest are counted as waiting for the frame."""
    real = waterfall.steps

    def steps(*args: Any) -> Any:
        found = real(*args)
        return replace(found, took=found.took + np.array([[-2.0, 2.0, 0, 0, 0, 0]]))

    done = played("clock")
    monkeypatch.setattr("replay.reading.waterfall.steps", steps)
    assert {"step_rest"} <= set(wrong(selftest(TRIALS["clock"], done)))


def test_a_byte_too_few_fails() -> None:
    """Planted: the comparison of the audio misses a byte that was lost."""
    done = played("losses")
    assert done.recorded is not None
    audio = continuity.compare(done.sent, done.recorded, 2)
    short = structs.replace(audio, lost_bytes=audio.lost_bytes - 1)
    measured = measure([(done.timeline, short)])
    found = judge.check(TRIALS["losses"], work_out(TRIALS["losses"]), measured)
    assert [row.figure for row in found.rows if not row.right] == ["lost_bytes"]


# ------------------------------------------------------------------ the verdict


def row(*, timed: bool, error: float | None, allowed: float = 1.0) -> Checked:
    point = Point(
        statistic="p50",
        truth=4.0,
        measured=None if error is None else 4.0 + error,
        error=error,
        allowed=allowed,
    )
    held = Row(figure="ack", title="ack", unit="ms", timed=timed, right=point.right, points=[point])
    return Checked(name="t", title="trial", rounds=1, seconds=1.0, latency="", rows=[held])


@pytest.mark.parametrize(
    ("timed", "error", "busy", "verdict"),
    [
        (True, 0.9, [], "pass"),
        (True, -0.9, ["late"], "pass"),
        (True, 1.1, [], "fail"),
        (True, -1.1, [], "fail"),
        (True, 1.1, ["late"], "unknown"),
        (False, 1.1, ["late"], "fail"),
        (True, None, [], "fail"),
    ],
)
def test_only_what_hangs_on_time_is_excused_by_a_busy_machine(
    timed: bool, error: float | None, busy: list[str], verdict: str
) -> None:
    """And only where it was off; what was not measured at all is off."""
    found, reasons = judge.verdict([row(timed=timed, error=error)], busy)
    assert found == verdict
    assert bool(reasons) == (verdict != "pass")


def test_a_busy_machine_is_told_by_its_latest_wake_ups() -> None:
    """One in four hundred may be two milliseconds late; setting sessions aside says so too."""
    quiet, late = np.full(800, 0.1), np.full(800, 0.1)
    late[:2] = 9.0
    assert judge.too_busy(quiet, late, []) == []
    late[2] = 2.5
    assert judge.too_busy(quiet, late, []) == [
        "one in 400 wake-ups of a sleeper was 2.5 ms late or more"
    ]
    assert judge.too_busy(late, quiet, ["it was invalid"])[0] == "it was invalid"
    assert judge.too_busy(np.empty(0), np.empty(0), []) == []


def test_a_trial_whose_machine_slept_is_unknown() -> None:
    """The same error that fails on a quiet machine is no answer on a busy one."""
    late = latency.series
    done = played("constant")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latency, "series", later("ack", 2.0))
        assert latency.series is not late
        found = selftest(TRIALS["constant"], done, woken=[*AWAKE, *[30.0] * 10])
    assert found.verdict == "unknown"
    assert found.reasons[: len(found.busy)] == found.busy != []


# ------------------------------------------------------------------ the resolution


def rounds(*errors: list[float]) -> tuple[Truth, Measured]:
    true = Truth({name: [100.0] * 100 for name in ("ack", "word_first", "endpointing", "final")})
    answers = [np.resize(np.array(each), 400) + 100.0 for each in errors]
    return true, Measured({}, answers, np.zeros(10), [])


def test_the_resolution_is_what_rounds_of_the_same_differ_by() -> None:
    """Medians of 0.5, 0.6 and 0.7 ms: a standard deviation of 0.1, times √2, times 4.303 for two
    degrees of freedom, is 0.61, and is told as 0.7."""
    found = resolve(*rounds([0.5], [0.6], [0.7]), np.zeros(400))
    assert found is not None
    assert (found.p50_ms, found.p99_ms) == (0.7, 0.7)


def test_what_all_rounds_are_off_by_cancels() -> None:
    """A constant error hides no difference; our own lateness does."""
    late = np.zeros(400)
    late[:8] = 0.42
    found = resolve(*rounds([5.0], [5.0]), late)
    assert found is not None
    assert (found.p50_ms, found.p99_ms) == (0.0, 0.5)


def test_one_round_or_a_missing_answer_resolves_nothing() -> None:
    """Then it is said that it is not known."""
    assert resolve(*rounds([0.5]), np.zeros(4)) is None
    true, found = rounds([0.5], [0.5])
    short = replace(found, answers=[found.answers[0], found.answers[1][:-1]])
    assert resolve(true, short, np.zeros(4)) is None
    assert "is not known" in selftest_text.sentence(None)


# ------------------------------------------------------------------ for real


def test_the_metronome_counts_until_its_input_is_closed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tick every 5 ms, each held against its own instant: after one that was slept through for
    12 ms two more are late."""
    now, slept = [0.0], iter([0.0, 0.012, 0.0, 0.0, 0.0])

    def sleep(_read: Any, _write: Any, _error: Any, seconds: float) -> tuple[list[int], ...]:
        late = next(slept, None)
        now[0] += seconds + (late or 0.0)
        return ([0] if late is None else [], [], [])

    monkeypatch.setattr(metronome.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(metronome.select, "select", sleep)
    metronome.main()
    ticks = json.loads(capsys.readouterr().out)
    assert [late for _, late in ticks] == [0, 12, 7, 2, 0]
    assert [round(due, 6) for due, _ in ticks] == [0.005, 0.01, 0.015, 0.02, 0.025]


def test_only_what_was_listened_to_counts() -> None:
    """While programs start, nobody measures."""
    sleeper = Sleeper()
    ticks = [(time.monotonic() - 1, 50.0)]
    with sleeper.listening():
        ticks.append((time.monotonic(), 0.1))
    ticks.append((time.monotonic() + 1, 70.0))
    sleeper.heard(ticks)
    assert sleeper.late == [0.1]


def test_the_metronome_ends_with_whoever_started_it() -> None:
    """As a program it says nothing when its input is closed from the beginning."""
    done = subprocess.run(
        [sys.executable, "-m", "replay.selftest.metronome"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"[]"


def test_a_real_run_reads_back_what_does_not_hang_on_time(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """Words lost, stability and audio exactly, and every figure of every trial has its row; how far
    the times are off on this machine is only told. Its sessions are runs like any other."""
    said: list[str] = []
    found = run_selftest(tmp_path, said.append, seconds=2.0, rounds=2)
    assert [trial.name for trial in found.trials] == NAMES
    for trial in found.trials:
        assert len(trial.rows) == len(TRIALS[trial.name].figures)
        assert [row.figure for row in trial.rows if not row.timed and not row.right] == []
    exact = {row.figure for trial in found.trials for row in trial.rows if not row.timed}
    assert exact >= {"lost_words", "wer", "erasure", "raw_erasure", "lost_bytes", "words"}
    assert found.verdict in (("pass", "unknown") if found.busy else ("pass", "fail"))
    chunks = [len(predict(trial).due) * trial.rounds for trial in TRIALS.values()]
    assert found.lateness.n == sum(chunks)
    assert found.machine.n > 0
    assert found.resolution is not None
    kept = {path.name for path in tmp_path.iterdir() if (path / "journal.jsonl").exists()}
    assert kept == {"constant-1", "constant-2", "jitter", "clock", "drops", "losses"}
    assert "constant latency, round 2 of 2" in said
    ack = found.trials[0].rows[0].points[1]
    tell(f"selftest: {found.verdict}; ack p50 {ack.error:+.2f} ms; machine {found.machine.p99} ms")


# ------------------------------------------------------------------ the command


@pytest.fixture
def canned(monkeypatch: pytest.MonkeyPatch) -> Callable[[Selftest], None]:
    def put(found: Selftest) -> None:
        monkeypatch.setattr("replay.selftest.run_selftest", lambda *_args, **_kwargs: found)

    return put


@cache
def passed() -> Selftest:
    return selftest(TRIALS["constant"], played("constant"))


@pytest.mark.parametrize(("verdict", "code"), [("pass", 0), ("fail", 1), ("unknown", 3)])
def test_the_exit_code_is_the_verdict(
    canned: Callable[[Selftest], None], verdict: str, code: int
) -> None:
    """0 pass, 1 fail, 3 unknown; who did not keep the sessions is told how."""
    canned(structs.replace(passed(), verdict=verdict))
    done = CliRunner().invoke(command, [])
    assert done.exit_code == code
    assert f"verdict: {verdict}" in done.stdout.splitlines()
    assert ("--out DIR" in done.stderr) == bool(code)


def test_json_is_all_of_it(canned: Callable[[Selftest], None], tmp_path: Path) -> None:
    """Alone on standard output, and in the directory that was asked for."""
    canned(passed())
    done = CliRunner().invoke(command, ["--json", "--out", str(tmp_path / "kept")])
    assert done.stdout.encode() == document(passed())
    assert (tmp_path / "kept" / "selftest.json").read_bytes() == document(passed())
    assert msgspec.json.decode(done.stdout, type=Selftest) == passed()


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    """Nothing of somebody else's is mixed with it."""
    (tmp_path / "there").touch()
    done = CliRunner().invoke(command, ["--out", str(tmp_path)])
    assert isinstance(done.exception, UsageError)


def test_lines_have_every_point() -> None:
    """One a line, by the names of the JSON."""
    told = list(selftest_text.lines(passed()))
    assert "constant.ack.p50: truth=4 measured=4 error=+0 allowed=1 right" in told
    assert "constant.words: truth=78 measured=78 error=+0 allowed=0 right" in told
    assert told[-1] == f"resolution: {selftest_text.sentence(passed().resolution)}"
    points = sum(len(row.points) for row in passed().trials[0].rows)
    assert sum(line.startswith("constant.") for line in told) == points


@pytest.mark.parametrize("width", [30, 60, 80, 120])
def test_the_table_fits(width: int) -> None:
    """No number is cut, however narrow the terminal is."""
    console = Console(width=width, force_terminal=True, color_system=None, record=True)
    with console.capture() as capture:
        selftest_text.show(passed(), console)
    text = capture.get()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert " PASS " in text


def test_what_is_wrong_is_marked_and_the_list_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row that is off says NO; of many reasons the first are listed."""
    done = played("constant")
    monkeypatch.setattr(latency, "series", later("word_first", 5.0))
    found = selftest(TRIALS["constant"], done)
    found = structs.replace(found, reasons=found.reasons * 10)
    console = Console(width=100, force_terminal=True, color_system=None)
    with console.capture() as capture:
        selftest_text.show(found, console)
    assert "NO" in capture.get()
    assert "more, marked below" in capture.get()


def test_it_takes_less_than_a_minute_of_audio() -> None:
    """What is played one after the other, and then the longest of what is side by side."""
    alone = [trial for trial in trials() if trial.rounds > 1]
    beside = [trial for trial in trials() if trial.rounds == 1]
    seconds = sum(trial.rounds * trial.seconds for trial in alone)
    assert seconds + max(trial.seconds for trial in beside) < 40
    acks = sum(trial.rounds * trial.seconds / float(trial.chunk) for trial in alone)
    assert acks >= statistics.smallest_sample(0.99)
