"""How much of what partials showed was taken back.

*Unstable partial word ratio* (Shangguan et al. 2020, arXiv 2006.01416): words shown in a partial
that the next version changed or dropped, over the words of the finals. *Erasure* (normalised, as
SLTev's flicker): words that must be erased from the end of one version to write the next, over
the words of the finals. *Revised partials* (the unstable partial segment ratio): versions after the
first that do not begin with all that the one before them showed, over all versions after the first.
Only utterances that came to a final take part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from msgspec import Struct

from replay.align import common_prefix, matched
from replay.utterances import Utterances, Version

_DIGITS = 4


class Churn(Struct, kw_only=True):
    """Ratios as above; None where there is nothing to relate to."""

    unstable_partial_word_ratio: float | None = None
    erasure: float | None = None
    revised_partials: float | None = None


class Stability(Struct, kw_only=True):
    """The headline is on folded words; `raw` counts changes of case and punctuation too."""

    unstable_partial_word_ratio: float | None = None
    erasure: float | None = None
    revised_partials: float | None = None
    raw: Churn


@dataclass(frozen=True, slots=True)
class Counts:
    """What the ratios are made of: words that changed or vanished, and words erased, of `words`;
    versions that revise, of `versions` after the first."""

    unstable: int
    erased: int
    words: int
    revised: int
    versions: int


def measure(utterances: Utterances) -> Stability:
    folded = _ratios(count(utterances))
    return Stability(
        unstable_partial_word_ratio=folded.unstable_partial_word_ratio,
        erasure=folded.erasure,
        revised_partials=folded.revised_partials,
        raw=_ratios(_count(utterances, lambda version: version.raw)),
    )


def count(utterances: Utterances) -> Counts:
    """On folded words."""
    return _count(utterances, lambda version: version.words)


def _count(utterances: Utterances, words: Callable[[Version], tuple[str, ...]]) -> Counts:
    unstable = erased = total = revised = later = 0
    for utterance, final in utterances.finished:
        total += len(words(final))
        versions = [*map(words, utterance.partials), words(final)]
        later += len(versions) - 1
        for before, after in pairwise(versions):
            kept = common_prefix(before, after)
            erased += len(before) - kept
            if kept < len(before):
                revised += 1
                unstable += len(before) - kept - matched(before[kept:], after[kept:])
    return Counts(unstable, erased, total, revised, later)


def _ratios(found: Counts) -> Churn:
    churn = Churn()
    if found.words:
        churn.unstable_partial_word_ratio = round(found.unstable / found.words, _DIGITS)
        churn.erasure = round(found.erased / found.words, _DIGITS)
    if found.versions:
        churn.revised_partials = round(found.revised / found.versions, _DIGITS)
    return churn
