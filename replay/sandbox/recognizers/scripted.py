"""Says what a script says, when it says it: exact truth for measuring and for tests.

A word is known once the audio has reached its end, never before. An utterance ends after
`endpointing` seconds without a word, or when it reaches the longest duration; then the words that
are complete are final, and the one being spoken opens the next utterance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from replay.errors import UsageError
from replay.sandbox.latency import AT_ONCE, Spread
from replay.sandbox.recognizers.base import (
    Event,
    Final,
    Heard,
    Partial,
    SpeechEnded,
    SpeechStarted,
    StreamSettings,
)
from replay.wire.messages import Utterance, Word

_CONFIDENCE = 0.99
_NEVER = math.inf
#: Sums of decimal seconds miss by rounding; nobody means less than this.
_SLACK = 1e-6


class ScriptWord(Struct):
    """`start` and `end`: seconds of session audio."""

    word: Annotated[str, Meta(min_length=1)]
    start: Annotated[float, Meta(ge=0)]
    end: Annotated[float, Meta(ge=0)]
    channel: Annotated[int, Meta(ge=0)] = 0


class Script(Struct):
    """What is said: the form of a `NAME.words.json` beside a recording."""

    words: list[ScriptWord]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a script is told.

    Attributes:
        partial, final: from the audio that completes a transcript to the transcript, drawn for
            each.
        speech: the same for the beginning and the end of speech.
        flicker: probability that the last word of a partial is a wrong one.
        repeat: say the script again every so many seconds of audio; None says it once.
        seed: of everything that is drawn.
    """

    partial: Spread = AT_ONCE
    final: Spread = AT_ONCE
    speech: Spread = AT_ONCE
    flicker: float = 0.0
    repeat: float | None = None
    seed: int = 0


def load_script(path: Path) -> Script:
    """Read a script.

    Raises:
        UsageError: it cannot be read, is no script, or has a word that ends before it begins.
    """
    try:
        script = msgspec.json.decode(path.read_bytes(), type=Script)
    except OSError as error:
        raise UsageError(f"script {path}: {error.strerror or error}") from None
    except msgspec.DecodeError as error:
        raise UsageError(
            f'script {path}: {error}; expected {{"words": [{{"word", "start", "end"}}]}}'
        ) from None
    for index, word in enumerate(script.words):
        if word.end < word.start:
            raise UsageError(f"script {path}: word {index} ({word.word!r}) ends before it starts")
    return script


class ScriptedStream:
    """One channel. What it says depends on nothing but the audio's length: `tell` and `rest` are
    what `hear` and `finish` give, without a task."""

    def __init__(self, words: list[ScriptWord], manner: Manner, settings: StreamSettings) -> None:
        self._words = words
        self._manner = manner
        self._settings = settings
        # One for each kind: with more flicker, times stay as they were.
        self._random = Random(f"{manner.seed}/{settings.channel}")  # noqa: S311
        self._slips = Random(f"{manner.seed}/{settings.channel}/flicker")  # noqa: S311
        self._notices = Random(f"{manner.seed}/{settings.channel}/speech")  # noqa: S311
        self._index = 0
        self._speaking = False
        self._since = 0.0  # where the open utterance begins, while speaking
        self._last_end = 0.0
        self._said: list[Word] = []
        self._skip(settings.since)

    async def hear(self, heard: Heard) -> list[Event]:
        return self.tell(heard.end)

    async def think(self, behind: float) -> list[Event]:  # noqa: ARG002
        return []

    async def finish(self) -> list[Event]:
        return self.rest()

    def tell(self, until: float) -> list[Event]:
        """What is said once so many seconds of audio were heard, less what was said before."""
        events: list[Event] = []
        while (step := self._step(until + _SLACK)) is not None:
            events += step
        return events

    def rest(self) -> list[Event]:
        """What is still to be said when the audio is over."""
        return self._end_speech() if self._speaking else []

    def _skip(self, since: float) -> None:
        """Leave out what was said in earlier finals."""
        while since and (word := self._next_word()) and word.end <= since + _SLACK:
            self._index += 1

    def _step(self, now: float) -> list[Event] | None:
        """The earliest thing that happens up to `now`, or None when nothing more does."""
        word = self._next_word()
        start, end = (word.start, word.end) if word else (_NEVER, _NEVER)
        if not self._speaking:
            if start > now:
                return None
            self._speaking, self._since, self._last_end = True, start, start
            return [SpeechStarted(start, self._manner.speech.draw(self._notices))]
        silence = self._last_end + self._settings.endpointing
        quiet = silence if start >= silence - _SLACK else _NEVER
        cut = self._since + self._settings.longest if self._said else _NEVER
        first = min(quiet, cut, end)
        if first > now:
            return None
        if first == end and word is not None:
            return self._say(word)
        return self._end_speech() if first == quiet else self._cut(start)

    def _say(self, word: ScriptWord) -> list[Event]:
        self._index += 1
        self._last_end = max(self._last_end, word.end)
        if not self._said:
            self._since = word.start
        self._said.append(Word(f" {word.word}", word.start, word.end, _CONFIDENCE))
        if not self._settings.partials:
            return []
        words = list(self._said)
        if self._slips.random() < self._manner.flicker:
            words[-1] = Word(self._wrong(words[-1].word), word.start, word.end, 0.5)
        return [Partial(self._utterance(words), self._manner.partial.draw(self._random))]

    def _cut(self, next_start: float) -> list[Event]:
        events = self._final()
        self._since = max(self._last_end, min(next_start, self._since + self._settings.longest))
        return events

    def _end_speech(self) -> list[Event]:
        self._speaking = False
        ended = SpeechEnded(self._last_end, self._manner.speech.draw(self._notices))
        return [ended, *self._final()]

    def _final(self) -> list[Event]:
        words, self._said = self._said, []
        if not words:
            return []
        return [Final(self._utterance(words), self._manner.final.draw(self._random))]

    def _utterance(self, words: list[Word]) -> Utterance:
        return Utterance(
            start=words[0].start,
            end=words[-1].end,
            confidence=_CONFIDENCE,
            channel=self._settings.channel,
            words=words,
            text="".join(word.word for word in words),
            language=self._settings.languages[0] if self._settings.languages else "en",
        )

    def _wrong(self, right: str) -> str:
        others = [word.word for word in self._words if f" {word.word}" != right]
        return f" {self._slips.choice(others)}" if others else " hm"

    def _next_word(self) -> ScriptWord | None:
        if not self._words:
            return None
        round_, place = divmod(self._index, len(self._words))
        word = self._words[place]
        if not round_:
            return word
        if self._manner.repeat is None:
            return None
        shift = round_ * self._manner.repeat
        return ScriptWord(word.word, word.start + shift, word.end + shift, word.channel)


class ScriptedRecognizer:
    """Tells `script` in every session, each time in the same way."""

    name = "scripted"
    wants_audio = False
    languages = None
    load = None

    def __init__(self, script: Script, manner: Manner | None = None) -> None:
        self._manner = manner or Manner()
        self._words = sorted(script.words, key=lambda word: (word.start, word.end))
        last = max((word.end for word in self._words), default=0.0)
        if self._manner.repeat is not None and self._manner.repeat < last:
            self._manner = replace(self._manner, repeat=last)

    async def prepare(self) -> None:
        """Nothing to load."""

    def stream(self, settings: StreamSettings) -> ScriptedStream:
        words = [word for word in self._words if word.channel == settings.channel]
        return ScriptedStream(words, self._manner, settings)

    def close(self) -> None:
        """Nothing to let go of."""
