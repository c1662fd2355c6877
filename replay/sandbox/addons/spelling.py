"""custom_spelling: what was heard is written as the dictionary says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from replay.sandbox.addons.spoken import bare, pieces, respell
from replay.wire.messages import Utterance


class Spelling:
    """Heard forms are found whatever their case, and as whole words; the written form is taken as
    it stands. Of forms that begin at the same word the longest is taken. Nothing is written as
    nothing: a blank written form is passed over."""

    def __init__(self, dictionary: Mapping[str, Sequence[str]]) -> None:
        self._written: dict[tuple[str, ...], str] = {}
        for written, heard in dictionary.items():
            if not written.strip():
                continue
            for form in heard:
                if key := _key(form.split()):
                    self._written.setdefault(key, written)
        self._longest = max(map(len, self._written), default=0)

    def apply(self, utterance: Utterance) -> Utterance:
        said = pieces(utterance)
        changes: list[tuple[int, int, str]] = []
        at = 0
        while at < len(said):
            last = self._match(said, at)
            if last:
                changes.append((at, last, self._written[_key(said[at:last])]))
            at = last or at + 1
        return respell(utterance, changes)

    def _match(self, said: list[str], first: int) -> int:
        """The piece behind the longest form that begins at `first`, or 0."""
        for last in range(min(len(said), first + self._longest), first, -1):
            if _key(said[first:last]) in self._written:
                return last
        return 0


def _key(words: Sequence[str]) -> tuple[str, ...]:
    """The words without case and the punctuation around them; a mark alone stays as it is."""
    return tuple((bare(word)[1] or word.strip()).casefold() for word in words)
