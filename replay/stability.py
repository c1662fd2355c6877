"""How much of what partials showed was taken back.

*Unstable partial word ratio* (Shangguan et al. 2020, arXiv 2006.01416): words shown in a partial
that the next version changed or dropped, over the words of the finals. *Erasure* (normalised, as
SLTev's flicker): words that must be erased from the end of one version to write the next, over
the words of the finals. Only utterances that came to a final take part.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from msgspec import Struct

from replay.align import align, common_prefix
from replay.utterances import Utterances, Version

_DIGITS = 4


class Churn(Struct, kw_only=True):
    """Ratios to the words of the finals; None when there are none."""

    unstable_partial_word_ratio: float | None = None
    erasure: float | None = None


class Stability(Struct, kw_only=True):
    """The headline is on folded words; `raw` counts changes of case and punctuation too."""

    unstable_partial_word_ratio: float | None = None
    erasure: float | None = None
    raw: Churn


def measure(utterances: Utterances) -> Stability:
    folded = _churn(utterances, lambda version: version.words)
    return Stability(
        unstable_partial_word_ratio=folded.unstable_partial_word_ratio,
        erasure=folded.erasure,
        raw=_churn(utterances, lambda version: version.raw),
    )


def _churn(utterances: Utterances, words: Callable[[Version], tuple[str, ...]]) -> Churn:
    unstable = erased = total = 0
    for utterance, final in utterances.finished:
        total += len(words(final))
        versions = [*map(words, utterance.partials), words(final)]
        for before, after in pairwise(versions):
            kept = common_prefix(before, after)
            erased += len(before) - kept
            if kept < len(before):
                unstable += len(before) - kept - len(align(before[kept:], after[kept:]))
    if not total:
        return Churn()
    return Churn(
        unstable_partial_word_ratio=round(unstable / total, _DIGITS),
        erasure=round(erased / total, _DIGITS),
    )
