"""summarization: the sentences that say most, in the words in which they were said.

A sentence weighs what its words weigh on average, and a word how often it comes in the whole text;
words that every text is full of weigh nothing.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections import Counter
from typing import Literal

from replay.sandbox.addons.spoken import sentences

Kind = Literal["general", "bullet_points", "concise"]

_WORD = re.compile(r"[^\W\d_]{3,}(?:'[a-z]+)?")
_COMMON = frozenset(
    """
    about after again all also and any are because been before being but can could did does doing
    don't down each few for from further had has have having her here hers him his how i'm into
    it's its itself just like more most much not now off okay once only other our out over own
    really same she should some such than that that's the their them then there these they this
    those through too under until very was well were what when where which while who whom why will
    with would yeah yes you you're your""".split()
)
#: Text without full stops is no single sentence; characters.
_MOST = 400
#: Shorter sentences say nothing by themselves, words.
_LEAST = 4
_BULLETS = 7


def summarise(text: str, kind: Kind = "general") -> str:
    """A summary: a fifth of the sentences and two to ten as one text, up to seven as a list, or
    the single one that weighs most. Empty when there is no text."""
    said = [part for first, last in sentences(text) for part in _bounded(text[first:last])]
    if not said:
        return ""
    count = min(10, max(2, math.ceil(len(said) / 5)))
    count = {"general": count, "bullet_points": min(count, _BULLETS), "concise": 1}[kind]
    kept = [said[index] for index in sorted(_weightiest(said, count))]
    if kind == "bullet_points":
        return "\n".join(f"- {sentence}" for sentence in kept)
    return " ".join(kept)


def _bounded(sentence: str) -> list[str]:
    if len(sentence) <= _MOST:
        return [sentence]
    return textwrap.wrap(sentence, _MOST, break_on_hyphens=False)


def _weightiest(said: list[str], count: int) -> list[int]:
    words = [
        [word for word in _WORD.findall(sentence.casefold()) if word not in _COMMON]
        for sentence in said
    ]
    often = Counter(word for each in words for word in set(each))

    def weight(index: int) -> tuple[bool, float, int]:
        long = len(said[index].split()) >= _LEAST
        found = words[index]
        mean = sum(often[word] for word in found) / math.sqrt(len(found)) if found else 0.0
        return long, mean, -index

    best: list[int] = []
    seen: set[str] = set()
    for index in sorted(range(len(said)), key=weight, reverse=True):
        # Saying a thing again makes it no better summary.
        if (key := said[index].casefold()) not in seen and len(best) < count:
            seen.add(key)
            best.append(index)
    return best
