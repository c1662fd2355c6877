"""The text of a fault as tokens, each knowing where it stands, and errors that point there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from typing import NoReturn

from replay.errors import FaultSyntaxError


class Lexeme(Enum):
    WORD = "word"
    QUANTITY = "quantity"
    STRING = "string"
    MARK = "mark"
    END = "end"


_UNIT = r"(?:ms|s|min|m|h|b|kib|mib|gib)(?![A-Za-z0-9_.])"
_TOKEN = re.compile(
    rf"""
      (?P<quantity>[0-9]+(?:\.[0-9]+)?(?:[A-Za-z]+|\s+{_UNIT})?)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
    | (?P<string>"(?:[^"\\]|\\.)*"|'[^']*')
    | (?P<mark>\.\.|[@(),=+#/])
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL | re.ASCII,
)
_SPACE = re.compile(r"\s*")
#: More digits than any time or size has, and few enough that arithmetic stays exact and quick.
_LONGEST_QUANTITY = 20


@dataclass(frozen=True, slots=True)
class Token:
    """`text`: as written; words in small letters."""

    kind: Lexeme
    text: str
    position: int

    def __str__(self) -> str:
        return "the end" if self.kind is Lexeme.END else repr(self.text)


class Scanner:
    """Reads tokens one after another. `token` is the one at hand."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._end = 0
        self.token = self._read()

    def fail(self, message: str, token: Token | None = None) -> NoReturn:
        """Raises FaultSyntaxError at `token`, or at the one at hand."""
        at = self.token if token is None else token
        raise FaultSyntaxError(message, self.text, at.position)

    def take(self) -> Token:
        """The token at hand; goes on to the next."""
        token = self.token
        if token.kind is not Lexeme.END:
            self.token = self._read()
        return token

    def at(self, text: str) -> bool:
        """Whether the token at hand is this mark or word."""
        return self.token.kind in (Lexeme.MARK, Lexeme.WORD) and self.token.text == text

    def skip(self, text: str) -> bool:
        """Passes over this mark or word, if it is at hand."""
        found = self.at(text)
        if found:
            self.take()
        return found

    def expect(self, text: str, why: str) -> None:
        """Passes over this mark or word, or fails."""
        if not self.skip(text):
            self.fail(f"expected {text!r} {why}, not {self.token}")

    def _read(self) -> Token:
        match = _SPACE.match(self.text, self._end)
        start = match.end() if match else self._end
        if start == len(self.text):
            return Token(Lexeme.END, "", start)
        found = _TOKEN.match(self.text, start)
        if found is None:
            self.token = Token(Lexeme.MARK, self.text[start], start)
            if self.text[start] in "\"'":
                self.fail("this quotation mark is never closed")
            self.fail(f"{self.text[start]!r} has no meaning here")
        self._end = found.end()
        kind = Lexeme(str(found.lastgroup))
        text = found.group()
        token = Token(kind, text.lower() if kind is Lexeme.WORD else text, start)
        if kind is Lexeme.QUANTITY and len(text) > _LONGEST_QUANTITY:
            self.token = token
            self.fail("this number is too long")
        return token


def nearest(word: str, known: Iterable[str]) -> str:
    """An ending for a message about an unknown word: the nearest known one, or all of them."""
    names = list(known)
    close = get_close_matches(word, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"
