"""What the sandbox says in a trial, and when: from the script, the plan and what will be drawn.

Nothing is measured here, and nothing of what was played is looked at. What is said is the script's
own account (`ScriptedStream`), asked for at the moments at which the plan has audio arrive; when it
is said follows from the sandbox's rules: a delay counts from the audio that completes an answer,
and among a channel's transcripts, its speech events, and all acknowledgements, nothing overtakes.

Two things are not predicted, and nothing is judged that depends on them: how long a connection
takes to open, and how long a program takes to hand on what it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from replay.policy import Policy
from replay.sandbox.recognizers.base import Event, SpeechEnded, SpeechStarted, StreamSettings
from replay.sandbox.recognizers.scripted import ScriptedRecognizer
from replay.selftest.trial import Trial


@dataclass(frozen=True, slots=True)
class Said:
    """The service says `event` at `at`; nobody has heard it yet."""

    at: float
    event: Event


@dataclass(frozen=True, slots=True)
class Course:
    """One trial, in seconds from the plan's zero.

    Attributes:
        due: when each chunk is to be sent.
        ends: bytes of session audio up to the end of each.
        arrived: when each is at the service.
        acked: when the service acknowledges each.
        said: everything else that it says of the audio, in order.
        over: when it says the last word.
        cut, back: when the connection is reset, and when the next attempt begins; None without.
    """

    due: list[float]
    ends: list[int]
    arrived: list[float]
    acked: list[float]
    said: list[Said]
    over: float
    cut: float | None = None
    back: float | None = None

    @property
    def stop(self) -> float:
        """When the end of the audio is told: with its last chunk."""
        return self.due[-1]


def predict(trial: Trial, way: float = 0.0) -> Course:
    """`way`: seconds that everything takes between client and service, each way."""
    due, ends = _plan(trial)
    rng = Random(f"{trial.seed}/ack")  # noqa: S311 - the sandbox's own draws, again
    acks = [trial.spreads.ack.draw(rng) for _ in range(len(due) + 1)]
    arrived = [at + way for at in due]
    if trial.hold is not None:
        number, seconds = trial.hold
        struck = arrived[number - 1] + acks[number - 1]
        arrived = [max(at, struck + seconds) if at > struck else at for at in arrived]
    cut = back = None
    if trial.cut is not None:
        cut = arrived[trial.cut - 1] + acks[trial.cut - 1]
        back = cut + _backoff(trial)
        arrived = [max(at, back) if at > cut else at for at in arrived]
    answered = [at + took for at, took in zip(arrived, acks, strict=False)]
    if trial.cut is not None and back is not None:
        answered[trial.cut - 1] = back + acks[trial.cut - 1]
    stopped = due[-1] + way
    acked = list(accumulate([*answered, stopped + acks[-1]], max))
    said = _said(trial, arrived, stopped)
    rng = Random(f"{trial.seed}/post")  # noqa: S311
    heard = max([acked[-1], *(each.at for each in said)])
    over = heard + sum(trial.spreads.post.draw(rng) for _ in range(2))
    return Course(due, ends, arrived, acked[:-1], said, over, cut, back)


def _plan(trial: Trial) -> tuple[list[float], list[int]]:
    """When chunks are due, and where they end: audio exists once it was spoken."""
    rate, total = trial.format.bytes_per_second, trial.format.bytes_in(trial.seconds)
    size = trial.format.bytes_in(trial.chunk)
    ends = [min(start + size, total) for start in range(0, total, size)]
    return [end / rate for end in ends], ends


def _backoff(trial: Trial) -> float:
    """The first attempt of an outage comes after a time drawn from 0 to the policy's base."""
    rng = Random(trial.seed)  # noqa: S311
    return rng.uniform(0, Policy().backoff_base)


def _recorded(trial: Trial, arrived: list[float], ends: list[int]) -> Iterator[tuple[float, int]]:
    """How many bytes are on record, and since when: less than was sent where some are lost, more
    where a chunk comes twice."""
    size = ends[0]
    # Audio is lost where the record comes to a second, from the beginning of that chunk on.
    place = next((k for k, end in enumerate(ends) if end > trial.format.bytes_in(1.0)), len(ends))
    for k, (at, end) in enumerate(zip(arrived, ends, strict=True)):
        lost = min(trial.lose, end - (ends[place] - size)) if k >= place else 0
        twice = size if trial.cut is not None and k >= trial.cut else 0
        yield at, end - lost + twice


def _said(trial: Trial, arrived: list[float], stopped: float) -> list[Said]:
    stream = ScriptedRecognizer(trial.script, trial.manner).stream(
        StreamSettings(channel=0, endpointing=trial.endpointing)
    )
    _, ends = _plan(trial)
    told = [
        (at, event)
        for at, size in _recorded(trial, arrived, ends)
        for event in stream.tell(trial.format.seconds(size))
    ]
    told += [(stopped, event) for event in stream.rest()]
    last = {True: 0.0, False: 0.0}
    said = []
    for at, event in told:
        lane = isinstance(event, SpeechStarted | SpeechEnded)
        last[lane] = max(at + event.delay, last[lane])
        said.append(Said(last[lane], event))
    return sorted(said, key=lambda each: each.at)
