"""What a client is told in a trial, utterance by utterance, on its own count of the audio."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from replay.sandbox.recognizers.base import Final, Partial, SpeechEnded
from replay.selftest.predict import Course
from replay.selftest.trial import Trial


@dataclass(frozen=True, slots=True)
class Shown:
    """A version of an utterance: when the client has it, and its words as they are written."""

    at: float
    words: tuple[str, ...]
    end: float


@dataclass(frozen=True, slots=True)
class Told:
    """An utterance: its versions, when the client is told of its end, and where its words lie by
    the client's count, in seconds."""

    partials: Sequence[Shown]
    final: Shown
    ended: float | None
    starts: Sequence[float]
    ends: Sequence[float]


class Axis:
    """Where the client has what the service counts, and when the plan sends it."""

    def __init__(self, trial: Trial, course: Course) -> None:
        self._course = course
        rate = trial.format.bytes_per_second
        self._rate = rate
        # Behind the seam the service has a chunk more, or some bytes less, than the client.
        self._seam, self._shift = float("inf"), 0.0
        if trial.cut is not None:
            self._seam, self._shift = course.ends[trial.cut - 1] / rate, -course.ends[0] / rate
        elif trial.lose:
            self._seam, self._shift = 1.0, trial.lose / rate

    def client(self, seconds: float) -> float:
        return seconds + self._shift if seconds > self._seam else seconds

    def chunk(self, seconds: float) -> int:
        """Which chunk completes the audio up to there."""
        return bisect_left(self._course.ends, round(seconds * self._rate))

    def sent(self, seconds: float) -> float:
        return self._course.due[self.chunk(seconds)]


def fold(word: str) -> str:
    """Without case and punctuation, of which scripts have little."""
    return word.strip().strip(".,").lower()


def utterances(course: Course, axis: Axis, way: float) -> list[Told]:
    found: list[Told] = []
    partials: list[Shown] = []
    ended = {
        each.event.time: each.at + way
        for each in course.said
        if isinstance(each.event, SpeechEnded)
    }
    for each in course.said:
        if not isinstance(each.event, Partial | Final):
            continue
        said = each.event.utterance
        words = tuple(word.word.strip() for word in said.words)
        shown = Shown(each.at + way, words, axis.client(said.end))
        if isinstance(each.event, Partial):
            partials.append(shown)
            continue
        found.append(
            Told(
                partials,
                shown,
                ended.get(said.end),
                [axis.client(word.start) for word in said.words],
                [axis.client(word.end) for word in said.words],
            )
        )
        partials = []
    return found
