"""A text and when each of its words was said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from replay.wire.messages import Utterance, Word

#: Behind these a full stop ends no sentence.
_ABBREVIATION = re.compile(r"\b(?:mr|mrs|ms|dr|prof|st|vs|etc|e\.g|i\.e|[a-z])\.$", re.IGNORECASE)
_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s|$)|[。！？]+")
_BARE = re.compile(r"^(\W*)(.*?)(\W*)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text. `start`, `end`: seconds."""

    text: str
    start: float
    end: float


class Spoken:
    """An utterance's text without space around it; where it has no words, all of its parts have
    the times of the whole."""

    def __init__(self, utterance: Utterance) -> None:
        self._utterance = utterance
        said = [(word.word.strip(), word) for word in utterance.words]
        self._words: list[tuple[int, int, Word]] = []
        self.text = utterance.text.strip()
        at = 0
        for text, word in said:
            at = self.text.find(text, at)
            if at < 0:
                self._words = []
                break
            self._words.append((at, at + len(text), word))
            at += len(text)

    def span(self, first: int, last: int) -> Span:
        """The part between two characters, with the times of the words that it touches."""
        text = self.text[first:last]
        within = [word for start, end, word in self._words if start < last and end > first]
        if not within:
            return Span(text, self._utterance.start, self._utterance.end)
        return Span(text, within[0].start, within[-1].end)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where each sentence begins and ends, without the space between them."""
    start = 0
    for match in _END.finditer(text):
        if _ABBREVIATION.search(text, start, match.end()):
            continue
        yield from _stripped(text, start, match.end())
        start = match.end()
    yield from _stripped(text, start, len(text))


def _stripped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    part = text[start:end]
    if part.strip():
        yield start + len(part) - len(part.lstrip()), start + len(part.rstrip())


def pieces(utterance: Utterance) -> list[str]:
    """The utterance word by word, each with the space before it."""
    if utterance.words:
        return [word.word for word in utterance.words]
    return re.findall(r"\s*\S+", utterance.text)


def bare(piece: str) -> tuple[str, str, str]:
    """What stands before a word, the word, and what stands behind it."""
    match = _BARE.match(piece)
    assert match is not None
    return match[1], match[2], match[3]


def respell(utterance: Utterance, changes: list[tuple[int, int, str]]) -> Utterance:
    """The utterance with runs of its pieces written in another way.

    Space and punctuation around a run stay. New words share the time of those they replace.

    Args:
        changes: the first piece, the one behind the last, and what to write; in order, apart.
    """
    if not changes:
        return utterance
    old = pieces(utterance)
    written: list[str] = []
    words: list[Word] = []
    at = 0
    for first, last, text in changes:
        before, after = bare(old[first])[0], bare(old[last - 1])[2]
        new = _pieces_of(before, text, after)
        written += [*old[at:first], *new]
        if utterance.words:
            words += utterance.words[at:first]
            words += _timed(new, utterance.words[first:last])
        at = last
    written += old[at:]
    words += utterance.words[at:]
    joined = (
        "".join(written) if "".join(old) == utterance.text else " ".join(map(str.strip, written))
    )
    if utterance.text[:1].isspace() and not joined[:1].isspace():
        joined = utterance.text[0] + joined
    return replace(utterance, text=joined, words=words)


def _pieces_of(before: str, text: str, after: str) -> list[str]:
    space = " " if before[:1].isspace() else ""
    head, *rest = text.split() or [""]
    new = [before + head, *(f"{space}{word}" for word in rest)]
    new[-1] += after
    return new


def _timed(new: list[str], old: list[Word]) -> list[Word]:
    if len(new) == len(old):
        return [replace(word, word=text) for word, text in zip(old, new, strict=True)]
    start, end = old[0].start, old[-1].end
    sure = min(word.confidence for word in old)
    letters = sum(map(len, new))
    words: list[Word] = []
    said = 0
    for text in new:
        first = start + (end - start) * said / letters
        said += len(text)
        until = end if said == letters else round(start + (end - start) * said / letters, 3)
        words.append(Word(text, words[-1].end if words else first, until, sure))
    return words
