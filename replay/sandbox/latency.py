"""How long answers take: `partial=120ms±30ms,final=300ms±50ms,ack=5ms`, read and drawn."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from replay.units import duration

KINDS = ("partial", "final", "speech", "ack", "post")
_PLUS_MINUS = re.compile(r"±|\+/?-")


@dataclass(frozen=True, slots=True)
class Spread:
    """A time in seconds: `mean`, give or take up to `around`, every value as likely."""

    mean: float = 0.0
    around: float = 0.0

    def __bool__(self) -> bool:
        return self.mean > 0

    def draw(self, rng: Random) -> float:
        """One of the times; without `around` it is `mean`, exactly."""
        return rng.uniform(self.mean - self.around, self.mean + self.around)


AT_ONCE = Spread()


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """What each kind of answer takes.

    Attributes:
        partial, final: from the audio that completes a transcript to the transcript.
        speech: from the audio by which speech is known to have begun or ended to the event.
        ack: from a message of the client to its acknowledgement.
        post: before `post_transcript`, and again before `post_final_transcript`.
    """

    partial: Spread = AT_ONCE
    final: Spread = AT_ONCE
    speech: Spread = AT_ONCE
    ack: Spread = AT_ONCE
    post: Spread = AT_ONCE


def parse(text: str) -> Latency:
    """Read `KIND=TIME[±TIME]{,KIND=TIME[±TIME]}`; `+-` and `+/-` are read as `±`.

    Raises:
        ValueError: its second and third line show where.
    """
    found: dict[str, Spread] = {}
    at = 0
    for part in text.split(","):
        name, equals, value = part.partition("=")
        kind = name.strip().lower()
        start = at + len(name) - len(name.lstrip())
        if kind not in KINDS:
            said = (
                f"{name.strip()!r} is none of {', '.join(KINDS)}" if kind else "a kind is missing"
            )
            raise _wrong(f"{said}: write partial=120ms±30ms", text, start)
        if kind in found:
            raise _wrong(f"{kind} is there twice", text, start)
        if not equals:
            raise _wrong(f"expected '=' and a time after {kind}", text, at + len(name.rstrip()))
        found[kind] = _spread(value, text, at + len(name) + 1)
        at += len(part) + 1
    return Latency(**found)


def _spread(value: str, text: str, at: int) -> Spread:
    """`value`: what stands behind the equals sign, `at` in `text`."""
    mark = _PLUS_MINUS.search(value)
    if mark is None:
        return Spread(_seconds(value, text, at))
    mean = _seconds(value[: mark.start()], text, at)
    around = _seconds(value[mark.end() :], text, at + mark.end())
    if around > mean:
        raise _wrong("more than what it is around: nothing is told early", text, at + mark.end())
    return Spread(mean, around)


def _seconds(value: str, text: str, at: int) -> float:
    start = at + len(value) - len(value.lstrip())
    try:
        return float(duration(value))
    except ValueError as error:
        said = str(error) if value.strip() else "a time is missing: write 300ms or 2s"
        raise _wrong(said, text, start) from None


def _wrong(message: str, text: str, at: int) -> ValueError:
    return ValueError(f"{message}\n  {text}\n  {' ' * at}^")
