"""Single words, single recordings and single changes, as charts pick them out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import Builder, Cut
from sides import World, sample

from replay import waterfall
from replay.charts import falls, slowest
from replay.charts.falls import Fall
from replay.charts.forest import forest
from replay.charts.pooled import of_runs, of_samples
from replay.charts.recordings import differences, rows
from replay.charts.slowest import Slow
from replay.compare import Side, Take, compare
from replay.conditions import parse_condition
from replay.reading import Reading, read
from replay.statistics import Series

SAID = [("Good", 200, 500), ("morning", 550, 1000), ("everyone", 1100, 1650)]
LOW = ("good", 200, 500)


def reading(built: Builder) -> Reading:
    return read(built.timeline())


def told() -> Reading:
    """Good is shown at 600, morning at 1300, everyone only by the final at 2600; the connection is
    gone from 2010 to 2400."""
    built = Builder(reference=SAID, ahead_ms=0).play([Cut(2010, 2400)])
    built.transcript(600, [LOW], final=False)
    built.transcript(1150, [LOW, ("warning", 550, 1000)], final=False)
    built.transcript(1300, [LOW, SAID[1]], final=False)
    built.speech_end(1800, 1650, created=1790)
    built.transcript(2600, SAID, final=True, connection=2, created=2590)
    return reading(built.finish(4600, connection=2))


# ------------------------------------------------------------------ slowest


def test_the_slowest_words_in_their_place() -> None:
    """The latest first, each with its sentence, which version first had it, and what was wrong
    meanwhile."""
    first, second, third = slowest.slowest(told(), "first", 5)
    assert (first.word, first.before, first.after) == ("everyone", "Good morning", "")
    assert (first.at, first.first, first.stable, first.final) == (1650, 950, 950, 950)
    assert (first.shown_by, first.versions, first.shown_at) == (4, 4, 2600)
    assert (second.word, second.first, second.shown_by) == ("morning", 300, 3)
    assert (third.word, third.before, third.after) == ("Good", "", "morning everyone")
    assert [each.during for each in (first, second, third)] == [["connection 1 lost (wire)"]] * 3


def test_the_slowest_by_another_measure() -> None:
    """By the final it is the first word, which waited for all others."""
    assert [each.word for each in slowest.slowest(told(), "final", 2)] == ["Good", "morning"]


def test_a_guessed_word_is_not_among_the_first_shown() -> None:
    """It was shown before it was spoken, which earns no time; of finals it has one."""
    built = Builder(reference=SAID[:1]).play().transcript(450, [LOW], final=False)
    found = reading(built.transcript(900, SAID[:1], final=True))
    assert slowest.slowest(found, "first", 5) == []
    (only,) = slowest.slowest(found, "final", 5)
    assert (only.first, only.final, only.during) == (None, 400, [])


def slow(word: str, at: float, late: float | None) -> Slow:
    return Slow(
        word=word,
        before="",
        after="",
        channel=0,
        at=at,
        first=late,
        stable=late,
        final=late,
        shown_by=1,
        versions=1,
        shown_at=0,
        during=[],
    )


def test_of_several_runs_each_word_once() -> None:
    """A word of a recording stands for its slowest session; the same time in another recording is
    another word."""
    runs = [
        ("a", [slow("x", 1, 50), slow("y", 2, 10), slow("z", 3, None)]),
        ("a", [slow("x", 1, 70)]),
        ("b", [slow("x", 1, 60)]),
    ]
    found = slowest.merge(runs, "first", 3)
    assert [(run, each.word, each.first) for run, each in found] == [
        (1, "x", 70),
        (2, "x", 60),
        (0, "y", 10),
    ]


# ------------------------------------------------------------------ steps


def test_a_word_falls_through_all_its_steps() -> None:
    """They add up to its latency: everyone ends at 1650 and is final at 2600."""
    found = falls.falls(told())
    (everyone,) = [each for each in found if each.word == "everyone"]
    assert (everyone.at, everyone.total) == (1650, 950)
    took = dict(zip(waterfall.STEPS, everyone.took, strict=True))
    assert (took["rest"], took["frame"], took["downlink"]) == (0, 50, 10)
    assert [each.total for each in found] == [2100, 1600, 950]


def test_words_that_cannot_be_taken_apart() -> None:
    """Without stamps of the service there is nothing to show."""
    built = Builder(reference=SAID).play().transcript(2600, SAID, final=True)
    assert falls.falls(reading(built)) == []


def test_some_words_all_along() -> None:
    """The slowest first; of the others as many as are wanted, evenly, by when they were said."""
    words = [(f"w{k}", 100.0 * k, 100.0 * k + 50) for k in range(60)]
    built = Builder(seconds=8, reference=words, ahead_ms=0).play()
    for k, word in enumerate(words):
        at = word[2] + (500 if k in (7, 30) else 200)
        built.transcript(at, [word], final=True, name=str(k), created=at)
    found = falls.falls(reading(built.finish(8500)), slow=2, sample=5)
    assert [(each.word, each.slow) for each in found[:2]] == [("w7", True), ("w30", True)]
    rest = [int(each.word[1:]) for each in found[2:]]
    assert rest == sorted(rest)
    assert (len(rest), rest[0], rest[-1]) == (5, 0, 59)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.integers(1, 99))))
@settings(max_examples=60)
def test_falls_of_several_runs(parts: list[tuple[str, int, int]]) -> None:
    """Each word once, where it was slowest, and none that was not there."""
    runs = [
        (name, [Fall(word="x", at=at, total=total, took=[], slow=total > 50)])
        for name, at, total in parts
    ]
    found = falls.merge(runs, slow=3, sample=4)
    keys = [(runs[run][0], each.at) for run, each in found]
    assert len(set(keys)) == len(keys)
    slowest_of = {key: max(t for n, a, t in parts if (n, a) == key) for key in keys}
    assert all(each.total == slowest_of[key] for key, (_, each) in zip(keys, found, strict=True))


# ------------------------------------------------------------------ changes


def test_what_decides_stands_apart() -> None:
    """Without conditions the two gated medians; stability and accuracy have verdicts of their own,
    and all else decides nothing."""
    world = World(seed=3)
    found = forest(compare(world.side("main"), world.side("branch", added=30)))
    assert [each.change.figure for each in found.deciding] == ["word_first", "word_final"]
    assert all(each.decides for each in found.deciding)
    assert {each.change.statistic for each in found.advisory} <= {"p50", "p95", "p99"}
    assert not any(each.decides for each in (*found.judged, *found.advisory))


def test_least_is_what_matters() -> None:
    """A hundredth of the base, but two milliseconds at least."""
    world = World(seed=3)
    found = forest(compare(world.side("main"), world.side("branch")))
    for row in found.deciding:
        assert row.least == max(2.0, 0.01 * row.change.base)


def test_conditions_decide_instead() -> None:
    """What they name stands with what decides, with the line that each draws in the figure's own
    unit; the usual gate is then only judged."""
    world = World(seed=3)
    conditions = [
        parse_condition(text)
        for text in ("word_final.p95 > +10%", "word_first.p50 > +20ms", "word_first.p50 > 5s")
    ]
    result = compare(world.side("main"), world.side("branch"), conditions=conditions, figures={})
    found = forest(result)
    first, tail = found.deciding
    assert (first.change.figure, first.limits) == ("word_first", [20.0])
    assert (tail.change.figure, tail.change.statistic) == ("word_final", "p95")
    assert tail.limits == [pytest.approx(0.1 * tail.change.base)]
    assert ("word_final", "p50") in [
        (each.change.figure, each.change.statistic) for each in found.judged
    ]


# ------------------------------------------------------------------ recordings


def test_recordings_one_by_one() -> None:
    """All sessions of each together; medians of finals session by session; errors over words."""
    plays = [
        (
            name,
            sample(
                {"word_first": [1.0, None, 3.0], "word_final": final}, rates={"wer": (wrong, 3)}
            ),
        )
        for name, final, wrong in (
            ("a", [10.0, 20.0, 30.0], 0),
            ("b", [50.0, 50.0, 50.0], 3),
            ("a", [11.0, 21.0, 31.0], 1),
        )
    ]
    a, b = rows(plays)
    assert (a.recording, a.sessions, a.words, a.rounds) == ("a", 2, 3, [20, 21])
    assert (a.word_first.n, a.word_final.n, a.word_final.p50) == (4, 6, 20)
    assert a.wer == pytest.approx(1 / 6)
    assert (b.recording, b.rounds, b.wer) == ("b", [50], 1)


def side(label: str, by_recording: dict[str, list[list[float | None]]]) -> Side:
    """`by_recording`: its finals, round by round."""
    return Side(
        label,
        [
            Take(name, number, sample({"word_final": finals}))
            for name, listed in by_recording.items()
            for number, finals in enumerate(listed, 1)
        ],
    )


def test_differences_recording_by_recording() -> None:
    """Of the same words on both sides, each the mean over its rounds; what rose most first."""
    base = side("base", {"a": [[10.0, 20.0], [12.0, 22.0]], "b": [[5.0, 5.0]], "gone": [[1.0]]})
    new = side("new", {"a": [[11.0, 31.0]], "b": [[25.0, 27.0], [None, 27.0]], "more": [[1.0]]})
    found = differences(base, new, "word_final")
    assert [(each.recording, each.n, each.p50) for each in found] == [("b", 2, 21), ("a", 2, 5)]
    assert (found[1].p10, found[1].p90) == (0, 10)
    assert differences(base, new, "word_first") == []


# ------------------------------------------------------------------ pooled


def test_values_of_many_sessions() -> None:
    """All of them together, with what never came."""
    first = sample({"word_first": [1.0, None], "word_final": [3.0, 4.0]})
    second = sample({"word_final": [5.0, None]})
    second.censored = [9.0]
    found = of_samples([first, second])
    assert found["word_first"].distribution().n == 1
    assert found["word_final"].distribution().n == 3
    assert (found["final"].distribution().n, found["final"].distribution().censored) == (4, 1)


def test_series_of_many_sessions() -> None:
    """Measure by measure, also where a run lacks one."""
    one, two = Series(np.array([1.0])), Series(np.array([2.0]), np.array([3.0]))
    found = of_runs([{"ack": one}, {"ack": two, "final": one}])
    assert found["ack"].values.tolist() == [1, 2]
    assert found["ack"].censored.tolist() == [3]
    assert found["final"].values.tolist() == [1]
