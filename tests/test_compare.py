"""Two sides held against each other: what is called a change, and what is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sides import World, sample

from replay.catalogue import CATALOGUE
from replay.compare import Side, Take, compare
from replay.compare.changes import TIMES, change
from replay.compare.effects import at_quantile, of_counts, of_pairs
from replay.compare.levels import correlation, levels
from replay.compare.pairs import Counts, Pairs, pair
from replay.conditions import parse_condition
from replay.samples import BY_RUN, BY_UTTERANCE, BY_WORD, RATES

QUIET = {"between_rounds": 0.002, "within": 0.01}


def verdicts(count: int, slower: float) -> Counter[str]:
    """Of so many comparisons with 100 utterances and six rounds a side."""
    found: Counter[str] = Counter()
    for seed in range(1000, 1000 + count):
        world = World(seed=seed)
        found[compare(world.side("base"), world.side("new", slower)).verdict] += 1
    return found


# Over 4,000 seeds 1.9 % of comparisons of a thing with itself are called worse and as many better,
# and 82 % of changes by 10 % are found. Of 200 at a time 0 to 9 were called worse: the level is
# 2 %, and the most that six rounds a side can give when whole rounds differ by 5 %.


# ------------------------------------------------------------------ what the gate is worth


def test_a_thing_compared_with_itself_is_rarely_called_worse(
    tell: Callable[[str], None],
) -> None:
    """Of 200 comparisons of a service with itself at most 2 % raise an alarm, though whole rounds
    are up to a tenth slower than others."""
    found = verdicts(200, 0.0)
    tell(f"A/A, 200 comparisons: {found['worse']} worse, {found['better']} better")
    assert found["worse"] <= 4


def test_a_tenth_slower_is_found(tell: Callable[[str], None]) -> None:
    """Of 200 services that became 10 % slower at least 80 % are called worse, and none better."""
    found = verdicts(200, 0.1)
    tell(f"+10 %, 200 comparisons with 100 utterances: {found['worse']} found")
    assert found["worse"] >= 160
    assert found["better"] == 0


# ------------------------------------------------------------------ what is said


def test_a_shift_is_told_in_its_size() -> None:
    """30 ms more on everything: worse, by 30 ms, and as a share of what it was."""
    world = World(seed=3, **QUIET)
    found = compare(world.side("main"), world.side("branch", added=30))
    assert (found.verdict, found.latency.verdict) == ("worse", "worse")
    first, final = found.latency.changes
    assert first.change == pytest.approx(30, abs=2)
    assert final.change == pytest.approx(30, abs=4)
    assert first.low < 30 < first.high
    assert first.change_share == pytest.approx(first.change / first.base, abs=1e-3)
    assert found.reasons[0].startswith("word_first worse: p50 +")


def test_what_got_better_is_better() -> None:
    """A fifth faster."""
    world = World(seed=3)
    assert compare(world.side("main"), world.side("branch", -0.2)).verdict == "better"


def test_without_noise_the_same_is_the_same() -> None:
    """And it says how small a change would have been found."""
    world = World(seed=4, **QUIET)
    found = compare(world.side("main"), world.side("branch"))
    assert (found.verdict, found.reasons) == ("same", found.reasons)
    assert all(each.detectable_share < 0.02 for each in found.latency.changes)


def test_too_much_noise_is_no_verdict() -> None:
    """Rounds that differ by a third tell nothing of a tenth, and that is not called the same."""
    world = World(seed=5, between_rounds=0.33)
    found = compare(world.side("main"), world.side("branch", 0.1))
    assert found.verdict == "inconclusive"
    assert "could have been found" in found.reasons[0]


def test_a_change_too_small_to_matter_is_the_same() -> None:
    """One millisecond more, seen beyond doubt: nobody is to be woken for it."""
    world = World(seed=6, between_rounds=0.0, within=0.0)
    found = compare(world.side("main"), world.side("branch", added=1))
    assert found.verdict == "same"
    assert found.latency.changes[0].change == pytest.approx(1)


def test_one_round_has_no_noise_to_compare_with() -> None:
    """A single run against a single run shows nothing, however many words it has."""
    world = World(seed=7, rounds=1)
    found = compare(world.side("main"), world.side("branch", 0.5))
    assert found.verdict == "inconclusive"
    assert found.reasons == [
        "word_first: main has one round only: its noise is not known",
        "word_final: main has one round only: its noise is not known",
    ]


# ------------------------------------------------------------------ fail-closed


def test_recordings_that_are_gone_are_no_pass() -> None:
    """A benchmark that lost half of its corpus says so instead of passing."""
    world = World(seed=8, **QUIET)
    whole, half = world.side("main"), world.side("branch")
    half = Side("branch", [take for take in half.takes if take.recording < "recording5"])
    found = compare(whole, half)
    assert found.verdict == "inconclusive"
    assert found.reasons[-1] == "5 of 10 recordings of main were not measured in branch"
    # The other way round there is only more than before.
    more = compare(half, whole)
    assert more.verdict == "same"
    assert more.notes == ["5 recordings of main are not in branch, and left out"]


def test_a_measure_that_is_gone_is_no_pass() -> None:
    """No partials any more: their latency cannot have stayed the same."""
    world = World(seed=9, **QUIET)
    base, new = world.side("main"), world.side("branch")
    for take in new.takes:
        take.sample.words["word_first"] = [None] * 10
    found = compare(base, new)
    assert found.verdict == "inconclusive"
    assert "word_first was not measured in branch" in found.reasons


def test_few_items_on_both_sides_are_no_pass() -> None:
    """Most words of the baseline are not heard any more: what is left is another measurement."""
    world = World(seed=10, **QUIET)
    base, new = world.side("main"), world.side("branch")
    for take in new.takes:
        for values in take.sample.words.values():
            values[4:] = [None] * 6
    found = compare(base, new)
    assert found.verdict == "inconclusive"
    assert "word_first: only 40 of 100 items are on both sides" in found.reasons


def test_nothing_in_common_is_no_pass() -> None:
    """Other recordings altogether, or none at all."""
    world = World(seed=11)
    base = world.side("main")
    other = Side("branch", [replace(take, recording=take.recording + "b") for take in base.takes])
    for new in (other, Side("branch", [])):
        found = compare(base, new)
        assert found.verdict == "inconclusive"
        assert "no recording was measured on both sides" in found.reasons


def test_other_word_times_are_no_pass() -> None:
    """Latencies against true times and against the service's own are two things."""
    world = World(seed=12, **QUIET)
    base, new = world.side("main"), world.side("branch")
    for take in new.takes:
        take.sample.anchor = "service"
    found = compare(base, new)
    assert "the sides are measured against different word times" in found.reasons
    assert found.verdict == "inconclusive"


def test_an_invalid_side_is_no_pass_and_no_excuse() -> None:
    """It takes a pass away, not an alarm."""
    world = World(seed=13, **QUIET)
    base = world.side("main")
    invalid = ["branch: the player was late"]
    assert compare(base, world.side("branch"), invalid=invalid).verdict == "inconclusive"
    assert compare(base, world.side("branch", 0.5), invalid=invalid).verdict == "worse"


# ------------------------------------------------------------------ stability and accuracy


def churn(label: str, erased: list[int]) -> Side:
    """Ten recordings of twenty words, four rounds; so many words erased in each of them."""
    values = {"word_first": [300.0] * 20, "word_final": [900.0] * 20}
    return Side(
        label,
        [
            Take(f"recording{k}", number, sample(values, rates={"erasure": (count, 20)}))
            for number in range(4)
            for k, count in enumerate(erased)
        ],
    )


def test_more_flicker_is_worse_stability_and_the_same_latency() -> None:
    """Each is judged on its own, and the verdict is latency's."""
    found = compare(churn("main", [2] * 10), churn("branch", [7, 9] * 5))
    assert (found.verdict, found.stability.verdict) == ("same", "worse")
    (erasure,) = found.stability.changes
    assert (erasure.base, erasure.new, erasure.change) == (0.1, 0.4, 0.3)


def test_a_ratio_is_over_all_recordings_together() -> None:
    """One of ten, and three of ninety, are four of a hundred; by hand."""
    counts = Counts(
        base_top=np.array([[1.0, 1.0], [3.0, 3.0]]),
        base_bottom=np.array([[10.0, 10.0], [90.0, 90.0]]),
        new_top=np.array([[1.0, 2.0], [3.0, 6.0]]),
        new_bottom=np.array([[10.0, 10.0], [90.0, 90.0]]),
    )
    found = of_counts(counts, paired=False)
    assert found is not None
    # The new side has 4 of 100, then 8 of 100: six on average, off by two each way.
    assert (found.base, found.new, found.change) == pytest.approx((0.04, 0.06, 0.02))
    assert found.offsets.tolist() == pytest.approx([0, 0, -0.02, 0.02])
    # Pooled variance 0.0008 / 2, over two rounds and two rounds.
    assert found.round_error == pytest.approx((0.0004 * (1 / 2 + 1 / 2)) ** 0.5)


# ------------------------------------------------------------------ the estimate, by hand


def test_the_estimate_by_hand() -> None:
    """Three words, two rounds a side, worked out on paper.

    Means of the base 110, 200, 300; of the new side 125, 230, 315: differences 15, 30, 15, their
    median 15. Off its mean the base's rounds lie at (-10, 0, 0) and (10, 0, 0), at the median 0
    and 0; the new side's at (-5, -10, -15) and (5, 10, 15), at the median -10 and 10. Pooled
    variance (0 + 0 + 100 + 100) / 2 = 100; error 10 * sqrt(1/2 + 1/2) = 10.
    """
    pairs = Pairs(
        base=np.array([[100.0, 120], [200, 200], [300, 300]]),
        new=np.array([[120.0, 130], [220, 240], [300, 330]]),
        cluster=np.array([0, 0, 0]),
        items=3,
    )
    found = of_pairs(pairs, paired=False)
    assert found is not None
    assert (found.base, found.new, found.change) == (200, 230, 15)
    assert found.offsets.tolist() == [0, 0, -10, 10]
    assert (found.round_error, found.sample_error, found.freedom) == (10, 0, 2)


def test_rounds_in_turns_are_compared_in_pairs() -> None:
    """What makes a round slow on both sides is no noise: here all of it."""
    rng = np.random.default_rng(1)
    drift = rng.normal(0, 50, 8)
    words = rng.normal(500, 100, (40, 1))
    noise = rng.normal(0, 1, (2, 40, 8))
    pairs = Pairs(words + drift + noise[0], words + drift + 20 + noise[1], np.arange(40), 40)
    apart, paired = (of_pairs(pairs, paired=each) for each in (False, True))
    assert apart is not None
    assert paired is not None
    assert apart.change == paired.change == pytest.approx(20, abs=1)
    assert paired.round_error < 1 < 15 < apart.round_error


def test_rounds_in_turns_without_a_partner_are_left_out() -> None:
    """What was played on one side alone is compared with nothing."""
    world = World(seed=17, **QUIET)
    base, new = world.side("a"), world.side("b")
    short = Side("b", [take for take in new.takes if take.round != 2])
    found = compare(base, short, interleaved=True)
    assert found.rounds == (5, 5)
    assert compare(base, short).rounds == (6, 5)


def test_values_that_are_missing_in_some_rounds_are_left_out() -> None:
    """A word that was not heard in one round is compared by the others."""
    base = np.array([[100.0, np.nan], [200, 210]])
    found = of_pairs(Pairs(base, base + 5, np.array([0, 1]), 2), paired=False)
    assert found is not None
    assert found.change == 5


def test_a_tail_needs_its_sample() -> None:
    """No p95 of 71 words; of 72 there is one, and it moves with the words."""
    rng = np.random.default_rng(2)
    base = rng.lognormal(6, 0.5, (72, 4))
    whole = Pairs(base, base * 1.2, np.arange(72) // 8, 72)
    short = Pairs(base[:71], base[:71] * 1.2, np.arange(71) // 8, 71)
    assert at_quantile(short, 0.95, paired=False) is None
    found = at_quantile(whole, 0.95, paired=False)
    assert found is not None
    assert found.new == pytest.approx(found.base * 1.2)


@given(st.integers(0, 10_000), st.floats(-500, 500), st.integers(2, 6), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_a_constant_shift_is_read_back(seed: int, shift: float, rounds: int, files: int) -> None:
    """Whatever the words, their noise and their recordings: the shift, and no noise from it."""
    rng = np.random.default_rng(seed)
    base = rng.lognormal(6, 0.5, (30, rounds))
    cluster = rng.integers(0, files, 30)
    found = of_pairs(Pairs(base, base + shift, cluster, 30), paired=False)
    assert found is not None
    assert found.change == pytest.approx(shift, abs=1e-6)
    assert found.sample_error == pytest.approx(0, abs=1e-6)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_sides_can_be_exchanged(seed: int) -> None:
    """What is so much slower one way round is as much faster the other."""
    world = World(seed=seed, utterances=5, recordings=4, rounds=3)
    base, new = world.side("a"), world.side("b", 0.05)
    there, back = compare(base, new), compare(new, base)
    for one, other in zip(there.latency.changes, back.latency.changes, strict=True):
        assert one.change == -other.change
        assert (one.base, one.new) == (other.new, other.base)
        assert one.noise == other.noise


# ------------------------------------------------------------------ pairs


def test_words_are_paired_by_their_place_in_the_reference() -> None:
    """A word that one run heard and another did not does not shift its neighbours."""
    base = Side("a", [Take("x", 0, sample({"word_final": [1.0, 2.0, 3.0]}, truth=[0, 1, 2]))])
    new = Side("b", [Take("x", 0, sample({"word_final": [10.0, 30.0]}, truth=[0, 2]))])
    found = pair(base, new)["word_final"]
    assert (found.base.tolist(), found.new.tolist()) == ([[1.0], [3.0]], [[10.0], [30.0]])
    assert (found.count, found.items) == (2, 3)


def test_without_a_reference_words_are_paired_by_what_was_heard() -> None:
    """Alignment finds the same words, whatever was heard between them."""
    heard = ["good", "morning", "everybody"]
    base = Side("a", [Take("x", 0, sample({"word_final": [1.0, 2.0, 3.0]}, text=heard))])
    other = ["good", "old", "morning", "everyone"]
    new = Side("b", [Take("x", 0, sample({"word_final": [5.0, 6.0, 7.0, 8.0]}, text=other))])
    found = pair(base, new)["word_final"]
    assert (found.base.tolist(), found.new.tolist()) == ([[1.0], [2.0]], [[5.0], [7.0]])


def test_utterances_are_paired_by_their_words() -> None:
    """A final belongs to its last word, so that a service that cuts elsewhere is not mispaired."""
    one = sample({"word_final": [1.0, 2.0, 3.0, 4.0]})
    one.first_word, one.last_word, one.utterances = [0, 2], [1, 3], {"final": [70.0, 80.0]}
    two = sample({"word_final": [1.0, 2.0, 3.0, 4.0]})
    two.first_word, two.last_word, two.utterances = [0, 3], [2, 3], {"final": [75.0, 85.0]}
    found = pair(Side("a", [Take("x", 0, one)]), Side("b", [Take("x", 0, two)]))["final"]
    assert (found.base.tolist(), found.new.tolist(), found.items) == ([[80.0]], [[85.0]], 3)


def test_words_of_a_single_recording_are_clustered_by_utterance() -> None:
    """There is nothing else that could be drawn again."""
    one = sample({"word_final": [1.0, 2.0, 3.0, 4.0]})
    one.first_word, one.last_word, one.utterances = [0, 2], [1, 3], {"final": [70.0, 80.0]}
    side = Side("a", [Take("x", 0, one)])
    assert pair(side, side)["word_final"].cluster.tolist() == [0, 0, 1, 1]
    assert pair(side, side)["final"].cluster.tolist() == [0, 1]


def test_the_catalogue_says_of_what_changes_are_told() -> None:
    """The figures that samples hold are those that conditions may name changes of."""
    told = {name: figure.changes for name, figure in CATALOGUE.items() if figure.changes}
    assert set(told) == {*BY_WORD, *BY_UTTERANCE, *BY_RUN, *RATES}
    assert {told[name] for name in RATES} == {("",)}
    assert {told[name] for name in BY_RUN} == {("p50",)}


# ------------------------------------------------------------------ conditions


@pytest.mark.parametrize(
    ("text", "slower", "state", "verdict"),
    [
        ("word_final.p50 > +8%", 0.12, "fail", "worse"),
        ("word_final.p50 > +8%", 0.05, "pass", "same"),
        ("word_final.p50 > +8%", 0.0, "pass", "same"),
        ("word_final.p50 > +20ms", 0.12, "fail", "worse"),
        ("word_first.p50 > +500ms", 0.12, "pass", "same"),
        ("word_final.p95 > +8%", 0.12, "fail", "worse"),
        ("word_final.p50 < -8%", -0.12, "fail", "worse"),
    ],
)
def test_conditions_take_the_gates_place(
    text: str, slower: float, state: str, verdict: str
) -> None:
    """What is named is what is judged: a change beyond it fails, one within it passes."""
    world = World(seed=14, **QUIET)
    found = compare(world.side("a"), world.side("b", slower), conditions=[parse_condition(text)])
    assert (found.conditions[0].state, found.verdict) == (state, verdict)


def test_a_condition_that_noise_could_hide_is_unknown() -> None:
    """Nothing seen beyond 2 %, but 2 % could not have been seen."""
    world = World(seed=15, between_rounds=0.1)
    limit = [parse_condition("word_final.p50 > +2%")]
    found = compare(world.side("a"), world.side("b"), conditions=limit)
    assert (found.conditions[0].state, found.verdict) == ("unknown", "inconclusive")
    assert "%" in found.conditions[0].why


def test_a_condition_on_what_is_not_there_is_unknown() -> None:
    """Nobody measured callbacks or caught anything up: that is no pass."""
    world = World(seed=16, **QUIET)
    limits = [parse_condition("caught_up.p50 > +5%"), parse_condition("wer > 0.1")]
    found = compare(world.side("a"), world.side("b"), conditions=limits, figures={"wer": None})
    assert [each.state for each in found.conditions] == ["unknown", "unknown"]
    assert found.verdict == "inconclusive"


def test_a_share_of_nothing_is_unknown() -> None:
    """A baseline without a single erased word has no per cent."""
    found = compare(
        churn("a", [0] * 10), churn("b", [1] * 10), conditions=[parse_condition("erasure > +5%")]
    )
    assert found.conditions[0].state == "unknown"
    assert "no share of it" in found.conditions[0].why


# ------------------------------------------------------------------ levels


def test_more_looks_ask_for_more() -> None:
    """Two measures that move on their own need more than one; two that move together do not."""
    one = levels(10, np.eye(1)).critical
    apart = levels(10, np.eye(2)).critical
    together = levels(10, np.ones((2, 2))).critical
    # Of Student's t with ten degrees of freedom, 98 % lie below 2.359, and 99 % below 2.764.
    assert one == pytest.approx(2.359, abs=0.02)
    assert apart == pytest.approx(2.764, abs=0.04)
    assert together == pytest.approx(one, abs=0.03)
    assert levels(10, np.eye(1)).detectable == pytest.approx(2.359 + 0.879, abs=0.03)


def test_what_never_varies_moves_on_its_own() -> None:
    """There is no correlation with a constant, and none with rounds of another number."""
    found = correlation([np.array([1.0, -1.0]), np.zeros(2), np.array([2.0, -2.0]), np.ones(3)])
    assert found.round(9).tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]


def test_a_verdict_asks_for_sureness_and_size() -> None:
    """The same change is worse, the same or inconclusive by how well it is known."""
    pairs = Pairs(np.full((4, 2), 100.0), np.full((4, 2), 110.0), np.arange(4), 4)
    estimate = of_pairs(pairs, paired=False)
    assert estimate is not None
    limits = levels(10, np.eye(1))
    found = [
        change("word_first", "p50", replace(estimate, round_error=error), limits, TIMES).verdict
        for error in (1.0, 4.2, 6.0)
    ]
    assert found == ["worse", "worse", "inconclusive"]
    tiny = replace(estimate, change=0.9, round_error=4.5)
    assert change("word_first", "p50", tiny, limits, TIMES).verdict == "same"
