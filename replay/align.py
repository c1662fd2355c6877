"""Which words of one text stand for which of another.

Of all alignments with the fewest edits, the one with the fewest unbroken runs is taken, so that
an inserted word does not borrow the place, and with it the time, of its neighbour.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from rapidfuzz.distance import Levenshtein

#: Cells of the exact table; above it only long runs are trusted and the gaps are left as found.
_TABLE = 40_000
#: Runs at least this long, in words, are taken as they are found in long texts.
_ANCHOR = 4
_EDIT = 1 << 20

_NOT_WORD = re.compile(r"[^\w']+|_+")


@lru_cache(maxsize=1 << 16)
def fold(word: str) -> str:
    """A word without case, blanks and punctuation; empty when nothing else was in it."""
    bare = word.strip()
    if bare.isalpha():
        return bare.casefold()
    return _NOT_WORD.sub("", word.replace("’", "'")).strip("'").casefold()


def common_prefix(a: Sequence[str], b: Sequence[str]) -> int:
    """How many words both begin with."""
    if a == b[: len(a)]:  # as most partials go on
        return len(a)
    same = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        same += 1
    return same


def align(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """The pairs (i, j) with a[i] == b[j], rising in both."""
    if len(a) * len(b) <= _TABLE:
        return _exact(a, b, open_end=False)
    runs = [
        (op.src_start, op.dest_start, op.src_end - op.src_start)
        for op in Levenshtein.opcodes(a, b)
        if op.tag == "equal"
    ]
    anchors = [run for run in runs if run[2] >= _ANCHOR]
    pairs: list[tuple[int, int]] = []
    for (i, j, n), (i2, j2, n2) in pairwise([(0, 0, 0), *anchors, (len(a), len(b), 0)]):
        pairs += _gap(a, b, (i + n, i2), (j + n, j2), runs)
        pairs += [(i2 + k, j2 + k) for k in range(n2)]
    return pairs


def matched(a: Sequence[str], b: Sequence[str]) -> int:
    """How many pairs `align` finds, without finding them where edits alone tell."""
    fewer, more = sorted((len(a), len(b)))
    changes = Levenshtein.distance(a, b) - (more - fewer)
    # Beyond the difference in length, a word for another is one edit; any other way takes two.
    return fewer - changes if changes < 2 else len(align(a, b))


def shown(partial: Sequence[str], final: Sequence[str]) -> set[int]:
    """Which words of `final` an earlier, usually shorter `partial` already has in place."""
    same = common_prefix(partial, final)
    rest = partial[same:]
    if not rest:
        return set(range(same))
    # What comes much later in the final was not spoken yet when the partial was written.
    ahead = final[same : same + 2 * len(rest) + 8]
    return set(range(same)) | {same + j for _, j in _exact(rest, ahead, open_end=True)}


def _gap(
    a: Sequence[str],
    b: Sequence[str],
    span_a: tuple[int, int],
    span_b: tuple[int, int],
    runs: list[tuple[int, int, int]],
) -> list[tuple[int, int]]:
    (i, i2), (j, j2) = span_a, span_b
    if (i2 - i) * (j2 - j) <= _TABLE:
        return [(i + x, j + y) for x, y in _exact(a[i:i2], b[j:j2], open_end=False)]
    inside = [run for run in runs if i <= run[0] and run[0] + run[2] <= i2]
    return [(x + k, y + k) for x, y, n in inside for k in range(n)]


def _exact(a: Sequence[str], b: Sequence[str], *, open_end: bool) -> list[tuple[int, int]]:
    """Table of costs: edits first, runs second. `open_end`: the rest of `b` costs nothing.

    Two layers, as in affine-gap alignment: `run[i][j]` ends in a match, `gap[i][j]` does not.
    """
    known = set(b)
    if known.isdisjoint(a):
        return []
    n, m = len(a), len(b)
    never = [_EDIT * (n + m + 2)] * (m + 1)
    gap, run = [[j * _EDIT for j in range(m + 1)]], [never]
    low = gap[0]  # of both layers, in the row above
    for i, word in enumerate(a):
        matches = _matches(word, b, gap[i], run[i], never) if word in known else never
        row, low = _row(matches, low, (i + 1) * _EDIT)
        gap.append(row)
        run.append(matches)
    return _trace(gap, run, n, low.index(min(low)) if open_end else m)


def _matches(
    word: str, b: Sequence[str], gap: list[int], run: list[int], never: list[int]
) -> list[int]:
    """The next row of `run`: a run goes on, or one begins, which is what runs cost."""
    row = never.copy()
    for j, other in enumerate(b):
        if word == other:
            row[j + 1] = run[j] if run[j] <= gap[j] else gap[j] + 1
    return row


def _row(matches: list[int], above: list[int], first: int) -> tuple[list[int], list[int]]:
    """The next row of `gap`, and the lower of it and of `matches`, beside it, in each column."""
    row, low = [first], [first]
    beside = first
    for match, diagonal, up in zip(matches[1:], above, above[1:], strict=False):
        if diagonal < beside:
            beside = diagonal
        if up < beside:
            beside = up
        beside += _EDIT
        row.append(beside)
        if match < beside:
            beside = match
        low.append(beside)
    return row, low


def _trace(gap: list[list[int]], run: list[list[int]], i: int, j: int) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    in_run = run[i][j] <= gap[i][j]
    while i and j:
        if in_run:
            in_run = run[i - 1][j - 1] <= gap[i - 1][j - 1] + 1 and i > 1 and j > 1
            i, j = i - 1, j - 1
            pairs.append((i, j))
            continue
        cost = gap[i][j] - _EDIT
        steps = ((i - 1, j - 1), (i - 1, j), (i, j - 1))
        i, j = next(at for at in steps if min(gap[at[0]][at[1]], run[at[0]][at[1]]) == cost)
        in_run = run[i][j] <= gap[i][j]
    return pairs[::-1]
