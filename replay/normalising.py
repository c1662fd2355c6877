"""Texts as their words are compared: gladia-normalization's preset, faster, with the same result.

The library goes over a text some sixty times, which is quick but for one of its steps: for times of
day in English ("ten thirty p.m.") it tries 2,450 patterns one after another, and they take nine
tenths of all the time. `TimesOfDay` does the same with one pattern.

Nor need most words be gone over at all. A *plain* word has only letters, the first alone may be a
capital, and is no number, filler, contraction, abbreviation or whatever else the steps name; one
mark may follow it. No step alters more of it than its case, and no pattern that has it in it goes
on to the next word, but where that begins with a sign, or with what some phrase goes on with
(`_JOINED`). So texts are cut behind plain words. What stands between two of them comes out alike
whichever they are, but where signs are in it, behind which the first letters of the next word can
matter: then that word stays with it (`_FREE`). All such pieces of all texts are normalised in one
go, each once, with a plain word between them that nobody says; the beginnings and ends of texts
where they stand.

This is read from the steps of the versions in `_READ`, for the languages in `_CUT`. For others the
library is asked as it is.

The Turkish capital with a dot is the one letter that is longer in lower case. The library would
replace in the wrong places behind it, or break down, so it is written without its dot first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise, zip_longest
from typing import Any

_PRESET = "gladia-3"
_READ = {"gladia-normalization": "0.3.1", "contractions": "0.1.73", "textsearch": "0.0.24"}
#: By the library's codes; "default" stands for all languages that it has no rules for.
_CUT = ("en", "es", "default")

_DOTTED = "İ"
_MARK = "zqcutqz"
_WORD = re.compile(r"([A-Za-z][a-z]+)[,.?!]?")
_LETTERS = re.compile(r"[^\W\d_]+")
#: What steps name in their code; the rest is in their configuration.
_NAMED = {
    "": "ii iii iv vi vii viii ix www",
    "en": "gonna half",
}
#: A word that begins like this may belong to the one before it ("to cause", "he ain't gonna").
_JOINED = re.compile(r"[\W_]|cause|ain", re.IGNORECASE)
#: Behind this any plain word is as good as another ("two, tender" begins with two numbers).
_FREE = re.compile(r"[^\W_]+(?:[’' ][^\W_]+)*")
_EMAIL = re.compile(r"^[a-zA-Z0-9._%+\-]+@[a-zA-Z0-9.\-]+\.[a-zA-Z]{2,}$")
_PLACEHOLDERS = re.compile("xdecimalx|xatx|xdotx|xplusx|xltrx")


def normalised(texts: Sequence[str], language: str) -> list[list[str]]:
    """The words of each text, exactly as `plainly` gives them."""
    cutter = _cutter(language)
    even = [text.replace(_DOTTED, "I") for text in texts]
    found = (cutter.normalised(even) if cutter else None) or {}
    return [found[text] if text in found else plainly(text, language) for text in even]


def plainly(text: str, language: str) -> list[str]:
    """The words of a text, as the library makes them of the whole."""
    words: str = _pipeline(language).normalize(text.replace(_DOTTED, "I"))
    return words.split()


@cache
def _pipeline(language: str) -> Any:
    # Its import takes longer than most runs are measured in; they have no reference.
    from normalization import load_pipeline

    return load_pipeline(_PRESET, language=language)


@cache
def _cutter(language: str) -> _Cutter | None:
    """None where it has not been read what the steps do."""
    try:
        read = all(version(name) == known for name, known in _READ.items())
    except PackageNotFoundError:
        read = False
    pipeline = _pipeline(language)
    return _Cutter(pipeline) if read and pipeline.operators.config.code in _CUT else None


@dataclass(frozen=True, slots=True)
class _Cut:
    """A text cut behind plain words.

    Attributes:
        head: up to the first of them; empty in a text without any.
        parts: what comes out of each of the others, and what stands before it and is to be made.
        pieces: those of `parts` that are to be made.
        tail: what stands behind the last.
    """

    head: str
    parts: list[str]
    pieces: dict[str, None]
    tail: str


class _Cutter:
    """Normalises texts of one language in pieces."""

    def __init__(self, pipeline: Any) -> None:
        from normalization.pipeline.base import NormalizationPipeline

        operators = pipeline.operators
        self._pipeline = NormalizationPipeline(
            name=pipeline.name,
            operators=operators,
            text_pre_steps=[
                TimesOfDay(step, operators)
                if operators.config.code == "en" and step.name == TimesOfDay.name
                else step
                for step in pipeline.text_pre_steps
            ],
            word_steps=[
                WordReplacements(operators) if step.name == WordReplacements.name else step
                for step in pipeline.word_steps
            ],
            text_post_steps=pipeline.text_post_steps,
        )
        self._special = frozenset(_special(operators))
        # One step takes a number word at the end of any word for one, if a mark follows.
        numbers = "|".join(map(re.escape, operators.config.number_words or ()))
        self._number = re.compile(f"(?:{numbers or '(?!)'})$")
        self._plus = operators.config.plus_word or "plus"

    def normalised(self, texts: Sequence[str]) -> dict[str, list[str]] | None:
        """The words of each text; None when what comes back is not what went in, which takes a
        text with the word in it that nobody says."""
        cut = {text: self._cut(text) for text in texts}
        made = self._together([*{piece: None for each in cut.values() for piece in each.pieces}])
        found: dict[str, list[str]] = {}
        for text, each in cut.items():
            head, tail = self._head(each), self._tail(each)
            if head is None or tail is None or made is None:
                return None
            found[text] = head
            for part in each.parts:
                found[text] += made.get(part, (part,))
            found[text] += tail
        return found

    def plain(self, word: str) -> str:
        """What comes out of a plain word; empty for any other."""
        match = _WORD.fullmatch(word)
        bare = match[1].lower() if match else ""
        if bare in self._special or _PLACEHOLDERS.search(bare):
            return ""
        return "" if match and word != match[1] and self._number.search(bare) else bare

    def _cut(self, text: str) -> _Cut:
        words = text.split()
        plain = {word: self.plain(word) for word in set(words)}
        joined = {word for word in plain if _JOINED.match(word)}
        ends = [
            at
            for at, (word, following) in enumerate(zip_longest(words, words[1:]), 1)
            if plain[word] and following not in joined
        ]
        if not ends:
            return _Cut("", [], {}, " ".join(words))
        parts: list[str] = []
        pieces: dict[str, None] = {}
        for begun, end in pairwise(ends):
            last = words[end - 1]
            if end > begun + 1:
                piece = " ".join(words[begun : end - 1])
                free = _FREE.fullmatch(piece) and self._plus not in piece.lower()
                parts.append(piece if free else f"{piece} {last}")
                pieces[parts[-1]] = None
                if not free:
                    continue
            parts.append(plain[last])
        return _Cut(" ".join(words[: ends[0]]), parts, pieces, " ".join(words[ends[-1] :]))

    def _together(self, pieces: list[str]) -> dict[str, list[str]] | None:
        """The words of each piece, all made in one go."""
        words = self._words(f" {_MARK} ".join(("", *pieces, "")))
        marks = [at for at, word in enumerate(words) if word == _MARK]
        if len(marks) != len(pieces) + 1 or len(words) != marks[-1] + 1:
            return None
        found = [words[a + 1 : b] for a, b in pairwise(marks)]
        return dict(zip(pieces, found, strict=True))

    def _head(self, cut: _Cut) -> list[str] | None:
        if not cut.head:
            return []
        words = self._words(f"{cut.head} {_MARK}")
        return words[:-1] if words.index(_MARK) == len(words) - 1 else None

    def _tail(self, cut: _Cut) -> list[str] | None:
        if not cut.head:
            return self._words(cut.tail)
        words = self._words(f"{_MARK} {cut.tail}")
        return words[1:] if words[0] == _MARK and _MARK not in words[1:] else None

    def _words(self, text: str) -> list[str]:
        words: str = self._pipeline.normalize(text)
        return words.split()


class TimesOfDay:
    """The library's step for times of day in words, with one pattern instead of one for each hour
    and minute. Of all its patterns that end in the same "a.m.", it is the one that begins first
    that the library tries first, and no two others overlap."""

    name = "convert_word_based_time_patterns"

    def __init__(self, step: Any, operators: Any) -> None:
        config = operators.config
        self._step = step
        self._hours: dict[str, str] = config.time_words
        self._minutes: dict[str, str] = {**operators.get_compound_minutes(), **self._hours}
        half = rf"([{config.am_word[0]}{config.pm_word[0]}])\.?m\.?\b"
        hour, minute = "|".join(self._hours), "|".join(self._minutes)
        self._time = re.compile(rf"\b({hour})(?:\s+({minute}))?\s+{half}", re.IGNORECASE)
        oclock = re.escape(config.oclock_word)
        self._oclock = re.compile(rf"(\d{{1,2}})\s+{oclock}", re.IGNORECASE)
        self._sharp = re.compile(rf"(\d{{1,2}}):00\s+{half}", re.IGNORECASE)

    def __call__(self, text: str, operators: Any) -> str:
        try:
            text = self._time.sub(self._figures, text)
        except KeyError:  # a letter that is another one's capital, such as the long s
            return str(self._step(text, operators))
        text = self._oclock.sub(r"\1:00", text)
        return self._sharp.sub(r"\1 \2m", text)

    def _figures(self, match: re.Match[str]) -> str:
        hour, minute, half = match.groups()
        figures = self._hours[hour.lower()]
        if minute:
            figures += ":" + self._minutes[minute.lower()]
        return f"{figures} {half}m"


class WordReplacements:
    """The library's step that writes words in one way, without the pattern that it makes of each
    and never uses. It is asked about one word at a time."""

    name = "apply_word_replacements"

    def __init__(self, operators: Any) -> None:
        self._words: dict[str, str] = {
            word.strip(): other
            for word, other in operators.get_word_replacements().items()
            if len(word.split()) == 1
        }

    def __call__(self, word: str, operators: Any) -> str:  # noqa: ARG002 - as steps are called
        if _EMAIL.match(word):
            return word
        return self._words.get(word.strip(), word).strip()


def _special(operators: Any) -> Iterator[str]:
    """Every word that a step may look for, or replace."""
    config = operators.config
    names = [*_strings([*asdict(config).values()]), *operators.get_word_replacements(), _NAMED[""]]
    names += [*operators.get_compound_minutes(), _NAMED.get(config.code, "")]
    if config.code == "en":
        names += _english()
    for name in names:
        yield from _LETTERS.findall(name.casefold())


def _english() -> Iterator[str]:
    """Numbers, and what is taken for a contraction though it is written as a word or two."""
    import contractions
    from normalization.languages.english.number_normalizer import EnglishNumberNormalizer

    yield from EnglishNumberNormalizer().words
    for name in ("contractions_dict", "leftovers_dict", "slang_dict"):
        for key in getattr(contractions, name):
            if key.strip(".").isalpha():
                yield key


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for pair in value.items():
            yield from _strings(pair)
    elif isinstance(value, Iterable):
        for each in value:
            yield from _strings(each)
