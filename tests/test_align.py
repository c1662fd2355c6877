"""Which words stand for which."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from replay import align as module
from replay.align import align, common_prefix, fold, shown

WORDS = st.lists(st.sampled_from("abcd"), max_size=14)


def test_folding_leaves_the_word() -> None:
    """Case, blanks and punctuation go, apostrophes inside stay, pure punctuation is no word."""
    assert [fold(w) for w in (" Hello,", "don’t", "“So”", "—", "U.S.", "3:00")] == [
        "hello",
        "don't",
        "so",
        "",
        "us",
        "300",
    ]


@given(WORDS, WORDS)
def test_an_alignment_has_the_fewest_edits(a: list[str], b: list[str]) -> None:
    """Pairs are equal words, rise in both texts, and leave no more edits than must be."""
    pairs = align(a, b)
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(x < y and u < v for (x, u), (y, v) in itertools.pairwise(pairs))
    # Between matched pairs, words of both sides pair up as substitutions.
    edits = 0
    for (i, j), (i2, j2) in zip([(-1, -1), *pairs], [*pairs, (len(a), len(b))], strict=True):
        edits += max(i2 - i, j2 - j) - 1
    assert edits == Levenshtein.distance(a, b)


def test_unbroken_runs_win_among_equals() -> None:
    """An inserted word does not take the place of its double next to it."""
    assert align(["go", "on"], ["go", "go", "on"]) == [(0, 1), (1, 2)]
    assert align(["a", "b"], ["a", "b", "x", "b"]) == [(0, 0), (1, 1)]


@given(st.integers(0, 5000))
def test_long_texts_align_between_anchors(seed: int) -> None:
    """Beyond the exact table, an alignment of texts with one change pairs all the rest."""
    text = [f"{(k * 7919 + seed) % 997}" for k in range(400)]
    other = [*text[:200], "changed", *text[201:]]
    assert len(text) * len(other) > module._TABLE
    assert align(text, other) == [(k, k) for k in range(400) if k != 200]


def test_a_partial_stands_at_the_beginning_of_its_final() -> None:
    """The last word of a partial is the one that comes next, not its double further on."""
    final = ["the", "cat", "sat", "on", "the", "mat", "by", "the", "door"]
    assert shown(final[:5], final) == {0, 1, 2, 3, 4}
    assert shown(["the", "bat", "sat", "on", "the"], final) == {0, 2, 3, 4}
    assert shown(["cat", "sat"], final) == {1, 2}
    assert shown([], final) == set()
    assert shown(final, final[:2]) == {0, 1}


def test_a_common_beginning_ends_where_one_ends() -> None:
    """Also when one text is the beginning of the other, or either is empty."""
    assert [common_prefix(a, b) for a, b in (("ab", "abc"), ("abc", "abd"), ("", "a"))] == [2, 2, 0]
