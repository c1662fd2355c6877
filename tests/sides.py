"""Sides of comparisons, made up: samples with known latencies, noise and changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from replay.compare.pairs import Side, Take
from replay.samples import Sample

WORDS = ("word_first", "word_stable", "word_final")


def sample(
    words: Mapping[str, list[float | None]],
    *,
    rates: Mapping[str, tuple[int, int]] | None = None,
    values: Mapping[str, float] | None = None,
    truth: list[int] | None = None,
    text: list[str] | None = None,
) -> Sample:
    """A run of utterances of one word each; `words`: a value for each by measure."""
    count = len(next(iter(words.values())))
    places = list(range(count))
    return Sample(
        anchor="words" if text is None else "service",
        word=text or [f"word{k}" for k in places],
        truth=(truth or places) if text is None else [-1] * count,
        end=[float(k) for k in places],
        words=dict(words),
        first_word=places,
        last_word=places,
        utterances={"final": words["word_final"]} if "word_final" in words else {},
        censored=[],
        values=dict(values or {}),
        rates=dict(rates or {}),
    )


@dataclass
class World:
    """A service and an audience: what `side` draws from.

    Latencies are log-normal over the utterances, the same on every side; each round is slower or
    faster as a whole, in part for partials and finals alike, and each value has noise of its own.
    """

    recordings: int = 10
    utterances: int = 10
    rounds: int = 6
    spread: float = 0.35
    between_rounds: float = 0.05
    shared: float = 0.7
    within: float = 0.1
    seed: int = 0
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        shape = (self.recordings, self.utterances)
        self.typical = {
            "word_first": 300 * np.exp(self.rng.normal(0, self.spread, shape)),
            "word_final": 900 * np.exp(self.rng.normal(0, self.spread, shape)),
        }

    def side(self, label: str, slower: float = 0.0, added: float = 0.0) -> Side:
        """`slower`: every latency by this share; `added`: so many ms."""
        takes = []
        for number in range(self.rounds):
            common = self.rng.normal()
            factor = {
                name: 1
                + self.between_rounds
                * (self.shared**0.5 * common + (1 - self.shared) ** 0.5 * self.rng.normal())
                for name in self.typical
            }
            for recording in range(self.recordings):
                words = {
                    name: list(
                        typical[recording]
                        * (1 + slower)
                        * factor[name]
                        * np.exp(self.rng.normal(0, self.within, self.utterances))
                        + added
                    )
                    for name, typical in self.typical.items()
                }
                takes.append(Take(f"recording{recording}", number, sample(words)))
        return Side(label, takes)
