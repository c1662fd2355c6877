"""`replay bench` and `replay compare` as people use them: real processes, sockets and files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from benches import plan, play_all
from click.testing import CliRunner, Result

from replay import benchmark
from replay.audio import AudioFormat, wav_header
from replay.bench.assess import assess
from replay.bench.store import Store
from replay.cli import root
from replay.compare.comparison import ACCURACY, GATED, STABILITY

REPLAY = [sys.executable, "-m", "replay"]
WORDS = [
    {"word": "good", "start": 0.2, "end": 0.5},
    {"word": "old", "start": 0.6, "end": 0.8},
    {"word": "day", "start": 0.9, "end": 1.2},
]
QUICK = (
    *("--runs", "2", "--warmup", "0", "--concurrency", "2"),
    *("--script", "corpus/one.words.json", "--sandbox-option=--latency=partial=400ms,final=400ms"),
)
#: A pass, or on a machine that is too busy to measure anything, unknown. Never a failure.
FINE = (0, 3)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a corpus of two short recordings and what is said in them."""
    (tmp_path / "corpus").mkdir()
    fmt = AudioFormat()
    for name in ("one", "two"):
        data = os.urandom(fmt.bytes_in(1.6))
        (tmp_path / "corpus" / f"{name}.wav").write_bytes(wav_header(fmt, len(data)) + data)
        (tmp_path / "corpus" / f"{name}.words.json").write_text(json.dumps({"words": WORDS}))
    return tmp_path


def replay(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `replay` to its end."""
    return subprocess.run(
        [*REPLAY, *arguments], capture_output=True, text=True, timeout=90, cwd=cwd
    )


def ask(*arguments: object) -> Result:
    return CliRunner().invoke(root, [str(each) for each in arguments])


def said(error: Exception | None) -> str:
    """What the command line would print of an error, in front of its exit code."""
    assert error is not None
    return str(error)


def test_a_corpus_is_measured_and_compared(place: Path) -> None:
    """Every session is told, the figures stand in the file, and nothing is left running."""
    done = replay("bench", "corpus", *QUICK, "--name", "main", cwd=place)
    assert done.returncode in FINE, done.stdout + done.stderr
    assert done.stderr == ""
    found = benchmark.decode((place / "bench/main/bench.json").read_bytes())
    (measured,) = found.measured
    for name in ("one.wav", "two.wav"):
        assert done.stdout.count(f"  {name}  ") == sum(p.recording == name for p in measured.plays)
    assert f"verdict: {found.verdict}\n" in done.stdout
    assert "quantiles: nearest-rank\n" in done.stdout
    counted = [play for play in measured.plays if play.counts]
    assert measured.figures["word_final"].n == 3 * len(counted)
    assert measured.figures["wer"] == 0
    finished = replay("bench", "corpus", *QUICK, "--name", "main", cwd=place)
    assert finished.returncode == 2
    assert finished.stderr.startswith("replay: bench/main: is finished: give another --name")
    # Two rounds on a busy machine may be too little to say, but there is no change to be seen.
    same = replay("compare", "bench/main", "bench/main/bench.json", cwd=place)
    assert same.returncode in (0, 3)
    changes = [line for line in same.stdout.splitlines() if line.startswith("change ")]
    assert all(" change=0 " in line for line in changes)
    assert len(changes) == len((*GATED, *STABILITY, *ACCURACY))


def test_an_interrupted_benchmark_goes_on(place: Path) -> None:
    """Ctrl-C ends it with everything it started; what was finished is not played again."""
    begun = subprocess.Popen(
        [*REPLAY, "bench", "corpus", *QUICK, "--name", "main"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=place,
    )
    assert begun.stdout is not None
    while "round 1" not in begun.stdout.readline():
        pass
    started = psutil.Process(begun.pid).children(recursive=True)
    begun.send_signal(signal.SIGINT)
    _, error = begun.communicate(timeout=60)
    assert begun.returncode == 3, error
    assert "sessions are left: replay bench --resume" in error
    assert "Traceback" not in error
    _, alive = psutil.wait_procs(started, timeout=20)
    assert alive == []
    kept = (place / "bench/main/plays.jsonl").read_bytes().splitlines()
    assert len(kept) >= 1
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    done = replay("bench", "--resume", "../bench/main", "--json", cwd=elsewhere)
    assert done.returncode in FINE, done.stderr
    found = benchmark.decode(done.stdout.encode())
    plays = {(play.round, play.recording) for play in found.measured[0].plays}
    assert (found.left, len(plays)) == (0, 4)
    assert (place / "bench/main/plays.jsonl").read_bytes().splitlines()[: len(kept)] == kept


def test_what_does_not_hold_fails(place: Path) -> None:
    """An assertion in the exit code, and in words; the benchmark's files are there all the same."""
    done = replay(
        *("bench", "corpus/one.wav", *QUICK, "--name", "x"),
        *("--assert", "word_final.p50 < 1ms", "--assert", "wer < 5%"),
        cwd=place,
    )
    assert done.returncode == 1, done.stderr
    assert "condition fail: word_final.p50 < 1ms\n" in done.stdout
    assert "condition pass: wer < 5%\n" in done.stdout
    assert (place / "bench/x/bench.json").exists()


def test_a_target_that_is_not_there_is_one_line(place: Path) -> None:
    """And nothing counts as played: with the target back, the same command goes on."""
    down = ("--target", "http://127.0.0.1:9", "--runs", "1", "--warmup", "0", "--name", "x")
    done = replay("bench", "corpus/one.wav", *down, cwd=place)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert Store.open(place / "bench/x").left == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no source: name recordings"),
        (("gone.wav",), "gone.wav: no such file"),
        (("--fail-on", "uplink.p50 > +1%"), "changes are told of pairs, none of it"),
        (("x.wav",), "x.wav: "),
        (("--assert", "word_final.p50 > +8%"), "is about a change: that is what --fail-on is for"),
        (("--assert", "word_finl.p50 < 8ms"), "no figure 'word_finl'; did you mean word_final"),
        (("--assert", "final < 8ms"), "final is a distribution; use final.p50"),
        (("--assert", "final.p95 < 800"), "800 has no unit: write 800ms or 800s"),
        (("--assert", "final.p95 below 800ms"), "cannot be read: write FIGURE.STATISTIC"),
        (("x.wav", "--fail-on", "wer > 5%"), "--fail-on is about a comparison"),
        (("x.wav", "--baseline", "gone", "--versus", "sandbox"), "--baseline is an earlier"),
        (("x.wav", "--name", "a/b"), "--name 'a/b': use letters"),
        (("x.wav", "--resume", "."), "--resume goes on with what was begun: no sources"),
        (("--resume", "gone"), "gone: no benchmark: it has no plan.json"),
        (("x.wav", "--versus", "ftp://x"), "ftp://x"),
    ],
)
def test_wrong_arguments_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    """Before anything is played, in one line that says what to do."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.wav").write_bytes(b"no recording")
    done = ask("bench", *arguments)
    assert done.exit_code != 0
    assert words in (said(done.exception) + done.output)
    assert not (tmp_path / "bench").exists()


def stored(path: Path, late: float, runs: int = 3) -> Path:
    """A benchmark on disk, with each word final after so many ms."""
    store = Store.create(path, plan(runs=runs, warmup=0))
    play_all(store, lambda _arm, number, k: late + number + k)
    store.write({"bench.json": benchmark.encode(assess(store))})
    return path


def test_compare_says_it_in_its_exit_code(tmp_path: Path) -> None:
    """0 for the same and for better, 1 for worse, 3 for inconclusive."""
    main, slow = stored(tmp_path / "main", 150), stored(tmp_path / "slow", 250)
    assert ask("compare", main, main).exit_code == 0
    assert ask("compare", slow, main).exit_code == 0
    worse = ask("compare", main, slow)
    assert worse.exit_code == 1
    assert "comparison reason: word_first worse: p50 +100.0 ms" in worse.output
    one = ask("compare", main / "plays/A/round-01/call0.wav", main)
    assert one.exit_code == 3
    limit = ask("compare", main, slow, "--fail-on", "word_final.p50 > +200ms")
    assert limit.exit_code == 0
    assert "condition pass: word_final.p50 > +200ms (+100" in limit.output
    document = json.loads(ask("compare", main, slow, "--json").output)
    assert (document["verdict"], document["latency"]["verdict"]) == ("worse", "worse")


def test_compare_refuses_what_is_none(tmp_path: Path) -> None:
    """Something unfinished, or something else."""
    Store.create(tmp_path / "begun", plan())
    main = stored(tmp_path / "main", 150)
    for path, words in ((tmp_path / "begun", "is not finished"), (tmp_path, "no benchmark")):
        done = ask("compare", main, path)
        assert words in said(done.exception)
