"""The last of what a session understood, in memory, for whoever looks on: a few short lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from replay.wire.messages import Utterance

#: Finals that are kept of a session, and characters of each.
LINES = 4
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Line:
    """An utterance. `number`: which of the session's finals it is, as far as those were counted;
    of a partial, how many are before it. `start`: seconds of session audio."""

    number: int
    channel: int
    start: float
    text: str


class Tail:
    """Attributes:
    finals: the last ones, the oldest of them first.
    partials: what may still change, by channel.
    """

    def __init__(self, past: Iterable[Utterance] = ()) -> None:
        """`past`: finals from before a restart."""
        self.finals: list[Line] = []
        self.partials: dict[int, Line] = {}
        self._count = 0
        for utterance in past:
            self.add_final(utterance)

    def add_final(self, utterance: Utterance) -> None:
        self.partials.pop(utterance.channel, None)
        self.finals.append(self._line(utterance))
        self._count += 1
        del self.finals[:-LINES]

    def add_partial(self, utterance: Utterance) -> None:
        self.partials[utterance.channel] = self._line(utterance)

    def close(self) -> None:
        """The session has ended, and many of those are kept: its last words will do."""
        self.partials.clear()
        del self.finals[:-1]

    def _line(self, utterance: Utterance) -> Line:
        text = clipped(utterance.text.strip(), _LONGEST)
        return Line(self._count, utterance.channel, utterance.start, text)


def clipped(text: str, limit: int) -> str:
    """`text`, with its end left out where it has more than `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
