"""custom_vocabulary: what sounds or looks like a word of the list is written as that word.

A run of words is compared with each entry and its pronunciations, without case, space and
punctuation, once by letters and once by Metaphone, which says in letters how English sounds. The
intensity is how much they may differ: 0 takes nothing but the same letters.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import jellyfish
import numpy as np
from msgspec import UNSET
from rapidfuzz import process
from rapidfuzz.distance import Indel

from replay.sandbox.addons.spoken import bare, pieces, respell
from replay.wire.config import VocabularyConfig
from replay.wire.messages import Utterance

#: At intensity 1 a run may differ from an entry by this share.
_LEAST_ALIKE = 0.55
#: Shorter forms are like too many words to be found by likeness.
_SHORTEST = 4


@dataclass(frozen=True, slots=True)
class _Form:
    """One way in which an entry may have been heard. `needed`: how alike it must be, 0 to 1."""

    written: str
    letters: str
    sound: str
    needed: float
    language: str


@dataclass(frozen=True, slots=True, order=True)
class _Found:
    """Ordered by what to prefer."""

    alike: float
    neg_first: int
    last: int
    written: str


class Vocabulary:
    def __init__(self, config: VocabularyConfig) -> None:
        self._forms: defaultdict[int, list[_Form]] = defaultdict(list)
        for entry in config.vocabulary:
            if isinstance(entry, str):
                self._add(entry, entry, config.default_intensity, "")
                continue
            given = entry.intensity
            intensity = config.default_intensity if given is UNSET else given
            language = "" if entry.language is UNSET else entry.language
            spoken = [] if entry.pronunciations is UNSET else entry.pronunciations
            for form in (entry.value, *spoken):
                self._add(entry.value, form, intensity, language)

    def _add(self, written: str, form: str, intensity: float, language: str) -> None:
        letters = _letters(form)
        if not letters:
            return
        needed = 1.0 if len(letters) < _SHORTEST else 1 - (1 - _LEAST_ALIKE) * intensity
        found = _Form(written, letters, _sound(letters), needed, language)
        self._forms[len(form.split())].append(found)

    @property
    def size(self) -> int:
        """How many forms each run of words is compared with."""
        return sum(map(len, self._forms.values()))

    def apply(self, utterance: Utterance) -> Utterance:
        said = pieces(utterance)
        changes: list[tuple[int, int, str]] = []
        taken: set[int] = set()
        for found in sorted(self._find(said, utterance.language), reverse=True):
            run = range(-found.neg_first, found.last)
            if not taken.intersection(run):
                taken.update(run)
                changes.append(
                    (run.start, run.stop, found.written + _possessive(said[run.stop - 1]))
                )
        return respell(utterance, sorted(changes))

    def _find(self, said: list[str], language: str) -> list[_Found]:
        found: list[_Found] = []
        letters = [_letters(_whole(piece)) for piece in said]
        for count, all_forms in self._forms.items():
            forms = [form for form in all_forms if form.language in ("", language)]
            runs = [
                (first, first + size)
                for size in range(max(1, count - 1), count + 2)
                for first in range(len(said) - size + 1)
                if letters[first] and letters[first + size - 1]
            ]
            if forms and runs:
                found += _alike(runs, ["".join(letters[a:b]) for a, b in runs], forms)
        return found


def _alike(runs: list[tuple[int, int]], heard: list[str], forms: list[_Form]) -> list[_Found]:
    """Which runs are as much like which form as it asks."""
    alike = process.cdist(heard, [form.letters for form in forms], scorer=_RATIO)
    sounds = process.cdist(list(map(_sound, heard)), [form.sound for form in forms], scorer=_RATIO)
    # Letters and sound weigh the same, and the same sound alone never makes the same word.
    alike = np.maximum(alike, (alike + sounds) / 2)
    needed = np.array([form.needed for form in forms])
    rows, columns = np.nonzero(alike >= needed - 1e-6)
    return [
        _Found(float(alike[row, column]), -runs[row][0], runs[row][1], forms[column].written)
        for row, column in zip(rows, columns, strict=True)
    ]


_RATIO = Indel.normalized_similarity


def _letters(text: str) -> str:
    return "".join(each for each in text.casefold() if each.isalnum())


def _whole(piece: str) -> str:
    """A word without the s of "Gladia's"."""
    return bare(piece)[1].removesuffix(_possessive(piece))


def _possessive(piece: str) -> str:
    word = bare(piece)[1]
    return word[-2:] if word.endswith(("'s", "’s")) else ""


def _sound(letters: str) -> str:
    return jellyfish.metaphone(letters) or letters
