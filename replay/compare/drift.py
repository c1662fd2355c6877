"""Whether the rounds of one side are alike: warm-ups that were too short, a way that changed."""

from __future__ import annotations

import numpy as np

from replay.compare.effects import offsets
from replay.compare.pairs import Pairs, Side, pair

_MEASURES = {"word_final": "final words", "word_first": "first words", "round_trip": "round trips"}
#: A round this many times as far off as the others usually are is unlike them.
_TIMES = 5.0
#: In ms, and as a share: less is nothing.
_LEAST = 5.0
_LEAST_SHARE = 0.03


def drifts(side: Side) -> list[str]:
    """What of a side's rounds is not alike, a sentence each."""
    found = []
    known = pair(side, side)
    for measure, words in _MEASURES.items():
        if measure in known and len(side.rounds) > 3:
            found += _first(known[measure], words)
            found += _trend(known[measure], words)
    return found


def _first(pairs: Pairs, words: str) -> list[str]:
    """A first round unlike the others was a warm-up."""
    off = offsets(pairs.base)
    rest = off[1:] - np.median(off[1:])
    usual = float(np.median(np.abs(rest)))
    lead = float(off[0] - np.median(off[1:]))
    if abs(lead) <= max(_TIMES * usual, _floor(pairs)):
        return []
    return [f"in the first round {words} came {lead:+.0f} ms off the others: give it more --warmup"]


def _trend(pairs: Pairs, words: str) -> list[str]:
    """Rounds that go one way from beginning to end are no repetitions of each other."""
    off = offsets(pairs.base)[1:]
    steps = np.diff(off)
    moved = float(off[-1] - off[0])
    if (
        len(steps) < 3
        or not (np.all(steps > 0) or np.all(steps < 0))
        or abs(moved) <= _floor(pairs)
    ):
        return []
    return [f"{words} went from round to round, by {moved:+.0f} ms in all"]


def _floor(pairs: Pairs) -> float:
    return max(_LEAST, _LEAST_SHARE * float(np.nanmedian(pairs.base)))
