"""A benchmark's corpus, order, directory, and what it comes to."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec
import pytest
from benches import WORDS, add, plan, play_all, session
from journals import ns

from replay import benchmark
from replay import journal as j
from replay.bench import corpus, soundness
from replay.bench.assess import assess, compare_with
from replay.bench.schedule import blocks
from replay.bench.sides import load_side
from replay.bench.store import Store, load_result
from replay.benchmark import Benchmark
from replay.conditions import parse_condition
from replay.errors import SourceError, UsageError

# ------------------------------------------------------------------ order


def test_two_sides_take_turns() -> None:
    """A B, B A, A B …, the warm-up first: neither side always has the fresh machine."""
    order = [(block.round, block.arm) for block in blocks(["A", "B"], runs=3, warmup=2)]
    assert order == [
        *((-1, "A"), (-1, "B")),
        *((0, "B"), (0, "A")),
        *((1, "A"), (1, "B")),
        *((2, "B"), (2, "A")),
        *((3, "A"), (3, "B")),
    ]
    assert [block.round for block in blocks(["A"], runs=2, warmup=0)] == [1, 2]


# ------------------------------------------------------------------ corpus


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two recordings of the same name, one beside a text, and what is no recording."""
    for name in ("b/call.wav", "a/call.wav", "a/notes.txt", "a/clip.FLAC"):
        path = tmp_path / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "corpus"


def test_a_directory_is_all_its_recordings(folder: Path) -> None:
    """In the order of their paths, pinned, each with a name of its own."""
    found = corpus.gather([str(folder)])
    assert [each.name for each in found] == ["call.wav", "clip.FLAC", "call.wav~2"]
    assert found[0].path == str(folder / "a" / "call.wav")
    assert found[0].sha256 == hashlib.sha256(b"a/call.wav").hexdigest()


def test_a_recording_named_twice_is_played_once(folder: Path) -> None:
    """As a file and by its directory."""
    path = str(folder / "a" / "call.wav")
    assert len(corpus.gather([path, str(folder / "a")])) == 2


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("https://radio.example/live", "a benchmark plays recordings"),
        ("-", "a benchmark plays recordings"),
        ("nothing.wav", "nothing.wav: no such file or directory"),
        ("{empty}", "no recording in"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, source: str, said: str) -> None:
    """In one line that says what it is."""
    with pytest.raises((UsageError, SourceError)) as caught:
        corpus.gather([source.format(empty=tmp_path)])
    assert said in str(caught.value)


def test_a_manifest_says_what_is_said(folder: Path) -> None:
    """Reference text and word times, in the list or in a file; paths from its place."""
    times = [{"word": "Hello", "start": 0.5, "end": 0.9}]
    (folder / "hello.words.json").write_text(json.dumps({"words": times}))
    rows = [
        {"path": "a/call.wav", "text": "Hello.", "words": times},
        {"path": "b/call.wav", "words": "hello.words.json"},
        {"path": "a/clip.FLAC", "text": "Good day."},
    ]
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({"recordings": rows}))
    first, second, third = map(corpus.spoken, corpus.gather([str(manifest)]))
    assert first is not None
    assert (first.text, first.words) == ("Hello.", (j.ReferenceWord("Hello", 0.5, 0.9),))
    assert second is not None
    assert second.words == first.words
    assert third is not None
    assert (third.text, third.words) == ("Good day.", ())
    assert corpus.spoken(corpus.gather([str(folder / "a" / "call.wav")])[0]) is None


def test_a_manifest_of_lines_as_others_write_it(folder: Path) -> None:
    """`audio_filepath`, and keys that mean nothing here."""
    manifest = folder / "manifest.jsonl"
    manifest.write_text('{"audio_filepath": "a/call.wav", "text": "hi", "duration": 1.5}\n\n')
    (found,) = corpus.gather([str(manifest)])
    assert (found.name, found.text) == ("call.wav", "hi")


def test_a_manifest_can_be_made_of_a_corpus(folder: Path) -> None:
    """And read again it is the same corpus, pinned."""
    found = corpus.gather([str(folder)])
    found[0].words = [("Hello", 0.5, 0.9, 0)]
    path = folder / "made.json"
    path.write_bytes(corpus.manifest(found))
    assert corpus.gather([str(path)]) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"recordings": [{"path": "a/call.wav", "sha256": "00ff"}]}', "is not the recording that"),
        ('{"recordings": [{"text": "x"}]}', 'a recording without "path"'),
        ('{"files": []}', "missing required field `recordings`"),
        ("nonsense", "expected"),
        ('{"recordings": [{"path": "gone.wav"}]}', "no such file"),
    ],
)
def test_a_manifest_that_does_not_hold_is_refused(folder: Path, text: str, said: str) -> None:
    """Another file than the one that was pinned is no surprise to be measured."""
    manifest = folder / "manifest.json"
    manifest.write_text(text)
    with pytest.raises((UsageError, SourceError)) as caught:
        corpus.gather([str(manifest)])
    assert said in str(caught.value)


def test_a_recording_that_changed_meanwhile_is_noticed(folder: Path) -> None:
    """A benchmark goes on with what it began with, or not at all."""
    found = corpus.gather([str(folder)])
    corpus.check(found)
    (folder / "a" / "call.wav").write_bytes(b"else")
    with pytest.raises(UsageError, match="has changed since the benchmark began"):
        corpus.check(found)


# ------------------------------------------------------------------ what was played


def test_what_is_left_is_what_was_not_played(tmp_path: Path) -> None:
    """Round by round, also after a new start; warm-ups belong to it."""
    store = Store.create(tmp_path / "made", plan(recordings=2, runs=2))
    assert store.left == 6
    add(store, "A", 0, "call0.wav", session())
    add(store, "A", 1, "call1.wav", session())
    again = Store.open(tmp_path / "made")
    assert again.left == 4
    assert [each.name for each in again.wanting("A", 1)] == ["call0.wav"]


def test_what_broke_off_or_was_invalid_has_a_second_attempt(tmp_path: Path) -> None:
    """And no third: what cannot be measured twice cannot be measured."""
    store = Store.create(tmp_path / "made", plan(recordings=1, runs=2, warmup=0))
    add(store, "A", 1, "call0.wav", None)
    play = add(store, "A", 2, "call0.wav", session())
    play.validity = "invalid"
    assert store.left == 2
    assert add(store, "A", 1, "call0.wav", None).attempt == 2
    assert add(store, "A", 2, "call0.wav", session()).path.endswith("call0.wav.attempt-2")
    assert store.left == 0


def test_a_line_cut_short_by_a_crash_is_a_session_not_played(tmp_path: Path) -> None:
    """What is not wholly on disk is played again, in an empty place."""
    store = Store.create(tmp_path / "made", plan(recordings=1, runs=1, warmup=0))
    add(store, "A", 1, "call0.wav", session())
    path = tmp_path / "made" / "plays.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    again = Store.open(tmp_path / "made")
    assert again.left == 1
    place, attempt = again.place("A", 1, "call0.wav")
    assert (list(place.iterdir()), attempt) == ([], 1)


def test_a_directory_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    """Nothing is overwritten, and the way on is named."""
    (tmp_path / "precious").write_text("x")
    with pytest.raises(UsageError, match="is not empty: give another --name"):
        Store.create(tmp_path, plan())
    with pytest.raises(UsageError, match="no benchmark"):
        Store.open(tmp_path)


def test_a_plan_or_list_that_is_none_is_refused(tmp_path: Path) -> None:
    """A file that was spoilt is named, with the line."""
    store = Store.create(tmp_path / "made", plan())
    add(store, "A", 0, "call0.wav", session())
    with (store.path / "plays.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(UsageError, match=r"plays\.jsonl, line 2"):
        Store.open(store.path)
    (store.path / "plan.json").write_text("{}")
    with pytest.raises(UsageError, match=r"plan\.json: cannot be read"):
        Store.open(store.path)


# ------------------------------------------------------------------ what it comes to


def test_only_counted_rounds_count(tmp_path: Path) -> None:
    """The warm-up's latencies are in no figure: 150 ms in three rounds, 900 in the warm-up."""
    store = play_all(
        Store.create(tmp_path / "made", plan()), lambda _arm, number, _k: 900 if number < 1 else 150
    )
    found = assess(store)
    (measured,) = found.measured
    final = measured.figures["word_final"]
    assert (final.n, final.min, final.max) == (3 * 3 * len(WORDS), 150, 150)
    assert [play.counts for play in measured.plays] == [False] * 3 + [True] * 9
    assert (found.verdict, found.reasons, found.left) == ("pass", [], 0)
    assert (measured.figures["wer"], measured.figures["lost_bytes"]) == (0, 0)
    assert found.recordings[0].seconds == 4


def test_it_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    """`bench.json` is all of it, also as a file by itself somewhere else."""
    store = play_all(Store.create(tmp_path / "made", plan()))
    found = assess(store, assertions=[parse_condition("final.p50 < 1s")])
    store.write({"bench.json": benchmark.encode(found)})
    (tmp_path / "baseline.json").write_bytes((store.path / "bench.json").read_bytes())
    for path in (store.path, store.path / "bench.json", tmp_path / "baseline.json"):
        assert load_result(path) == found
    assert load_side(tmp_path / "baseline.json").side.rounds == [1, 2, 3]


def test_a_session_that_was_late_itself_does_not_count(tmp_path: Path) -> None:
    """Its second attempt does; what is left out is said."""
    store = Store.create(tmp_path / "made", plan(runs=3, warmup=0))
    for number in (1, 2, 3):
        for name in ("call0.wav", "call1.wav", "call2.wav"):
            if (number, name) == (2, "call1.wav"):
                add(store, "A", number, name, session(own_lateness=90))
            add(store, "A", number, name, session())
    found = assess(store)
    late = [play for play in found.measured[0].plays if play.validity == "invalid"]
    assert [(play.round, play.recording, play.counts) for play in late] == [(2, "call1.wav", False)]
    assert found.measured[0].figures["lateness"].max == 0
    assert found.validity.verdict == "suspect"
    assert "A: 1 of 9 sessions took a second attempt" in found.validity.reasons


def test_too_many_invalid_sessions_are_no_measurement(tmp_path: Path) -> None:
    """Never a pass: unknown, and why."""
    store = Store.create(tmp_path / "made", plan(runs=2, warmup=0))
    for number in (1, 2):
        for k in range(3):
            late = 90 if (number, k) in ((1, 0), (2, 1)) else 0
            for _ in range(2 if late else 1):
                add(store, "A", number, f"call{k}.wav", session(own_lateness=late))
    found = assess(store)
    assert (found.validity.verdict, found.verdict) == ("invalid", "unknown")
    assert found.reasons[0].startswith("A: 2 of 6 sessions were not measured validly")
    assert "A: 2 of 6 sessions are left out" in found.validity.reasons


def test_a_recording_without_a_valid_session_is_no_measurement(tmp_path: Path) -> None:
    """However good the others are."""
    store = Store.create(tmp_path / "made", plan(recordings=12, runs=1, warmup=0))
    for k in range(12):
        for _ in range(1 if k else 2):
            add(store, "A", 1, f"call{k}.wav", session() if k else None)
    found = assess(store)
    assert found.validity.reasons[0] == "A: no valid session of call0.wav"
    assert found.verdict == "unknown"


def test_a_session_that_failed_fails_the_benchmark(tmp_path: Path) -> None:
    """Its figures stay in; the reason says which it was."""
    store = play_all(Store.create(tmp_path / "made", plan(runs=2, warmup=0)))
    journal = store.path / "plays/A/round-02/call1.wav/journal.jsonl"
    lost = j.Observation(t=ns(9), invariant="A3", severity="error", detail="acks went back")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:-1], j.encode(lost), lines[-1]]))
    found = assess(store)
    assert found.verdict == "fail"
    assert found.reasons == [
        "A: 1 of 6 sessions failed, the first plays/A/round-02/call1.wav: acks went back"
    ]
    assert found.measured[0].figures["failed_runs"] == 1


def test_an_unfinished_benchmark_is_unknown(tmp_path: Path) -> None:
    """What is there is measured, and it says how much is not."""
    store = Store.create(tmp_path / "made", plan(recordings=1, runs=2, warmup=0))
    add(store, "A", 1, "call0.wav", session())
    found = assess(store)
    assert (found.verdict, found.left) == ("unknown", 1)
    assert found.reasons == ["1 sessions are still to be played"]


@pytest.mark.parametrize(
    ("text", "verdict", "said"),
    [
        ("word_final.p50 < 200ms", "pass", ""),
        ("word_final.p50 < 100ms", "fail", "word_final.p50 < 100ms: measured 150"),
        ("word_final.p99 < 1s", "unknown", "word_final.p99 < 1s: p99 needs 368 values"),
        ("caught_up.p50 < 3s", "unknown", "caught_up.p50 < 3s: not measured"),
        ("wer <= 2%", "pass", ""),
        ("lost_bytes == 0", "pass", ""),
    ],
)
def test_assertions_decide(tmp_path: Path, text: str, verdict: str, said: str) -> None:
    """One that does not hold fails, one that cannot be told leaves it open."""
    store = play_all(Store.create(tmp_path / "made", plan(runs=2, warmup=0)))
    found = assess(store, assertions=[parse_condition(text)])
    assert found.verdict == verdict
    assert (found.reasons or [""])[0].startswith(said)


def test_two_sides_in_turns_are_compared(tmp_path: Path) -> None:
    """B answers 40 ms later: worse, whatever both have in common in a round."""
    store = play_all(
        Store.create(tmp_path / "made", plan(runs=4, arms=("A", "B"))),
        lambda arm, number, _k: 150 + 70 * (number % 2) + (40 if arm == "B" else 0),
    )
    found = assess(store)
    assert found.comparison is not None
    assert (found.comparison.verdict, found.comparison.interleaved) == ("worse", True)
    assert found.comparison.base == "A (sandbox)"
    assert found.comparison.latency.changes[0].change == 40
    assert found.verdict == "fail"
    assert found.reasons[0].startswith("against A (sandbox): word_first worse: p50 +40.0 ms")


def test_against_a_baseline_the_same_is_a_pass(tmp_path: Path) -> None:
    """The baseline may be any earlier benchmark of the same recordings."""
    one, other = (
        assess(play_all(Store.create(tmp_path / name, plan(runs=3, warmup=0))))
        for name in ("one", "other")
    )
    found = compare_with(other, one, label="main")
    assert (found.verdict, found.base, found.interleaved) == ("same", "main", False)


def test_an_invalid_baseline_is_no_baseline(tmp_path: Path) -> None:
    """It could say anything."""
    found = assess(play_all(Store.create(tmp_path / "made", plan(runs=3, warmup=0))))
    base = msgspec.json.decode(msgspec.json.encode(found), type=Benchmark)
    base.validity = benchmark.Validity(verdict="invalid", reasons=["too late"], notes=[])
    compared = compare_with(found, base)
    assert compared.verdict == "inconclusive"
    assert compared.reasons[-1] == "made is no valid measurement: too late"


def test_a_run_that_lies_elsewhere_is_not_read(tmp_path: Path) -> None:
    """A list that was tampered with leads nowhere."""
    store = Store.create(tmp_path / "made", plan(recordings=1, runs=1, warmup=0))
    add(store, "A", 1, "call0.wav", session())
    store.plays[0].path = "../../etc"
    with pytest.raises(UsageError, match="names a run outside of it"):
        assess(store)


# ------------------------------------------------------------------ soundness


def test_a_first_round_unlike_the_others_was_a_warm_up(tmp_path: Path) -> None:
    """30 ms more in the first counted round, though the warm-up was over: suspect."""
    store = play_all(
        Store.create(tmp_path / "made", plan(runs=5)),
        lambda _arm, number, k: 150 + k + (30 if number == 1 else number % 2),
    )
    found = assess(store)
    said = "A: in the first round final words came +30 ms off the others: give it more --warmup"
    assert found.validity.reasons[0] == said
    assert found.validity.verdict == "suspect"


def test_rounds_that_go_one_way_are_told(tmp_path: Path) -> None:
    """A machine that gets slower from round to round is not one machine."""
    store = play_all(
        Store.create(tmp_path / "made", plan(runs=6)), lambda _arm, number, _k: 150 + 10 * number
    )
    reasons = assess(store).validity.reasons
    assert "A: final words went from round to round, by +40 ms in all" in reasons


def test_the_same_doubt_in_many_sessions_is_told_once(tmp_path: Path) -> None:
    """With how many, and an example; that a session has few words is none, for they are pooled."""
    store = Store.create(tmp_path / "made", plan(runs=2, warmup=0))
    for number in (1, 2):
        for k in range(3):
            early = session(-20.0 - k)
            add(store, "A", number, f"call{k}.wav", early)
    found = assess(store)
    doubts = [why for why in found.validity.reasons if "word times lie before" in why]
    assert doubts == ["A: in 6 of 6 sessions, as: 24 word times lie before true end of the word"]
    assert not any("only" in why for why in found.validity.reasons)


def test_nothing_measured_is_invalid() -> None:
    """A benchmark without a session says nothing."""
    found = Benchmark(
        replay_version="0",
        name="none",
        created_at="",
        verdict="pass",
        reasons=[],
        validity=benchmark.Validity(verdict="valid", reasons=[], notes=[]),
        machine=plan().machine,
        recordings=[],
        runs=1,
        warmup=0,
        concurrency=1,
        left=0,
        measured=[benchmark.Measured(arm=plan().arms[0], plays=[], figures={}, recoveries=[])],
        assertions=[],
    )
    soundness.judge(found)
    assert (found.validity.verdict, found.validity.reasons) == (
        "invalid",
        ["A: nothing was measured"],
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "not a benchmark"),
        (b"[]", "not a benchmark"),
        (b'{"schema": 99, "replay_version": "9.9"}', "written by replay 9.9 in form 99"),
        (b'{"schema": 1}', "not a benchmark: Object missing required field"),
    ],
)
def test_a_file_that_is_no_benchmark_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    """Also one of a newer form: it is to be measured again, not guessed at."""
    path = tmp_path / "bench.json"
    path.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        load_result(path)
    assert said in str(caught.value)
    with pytest.raises(UsageError, match="no such file"):
        load_result(tmp_path / "other.json")
    with pytest.raises(UsageError, match=r"there is no bench\.json"):
        load_result(tmp_path / "..")
