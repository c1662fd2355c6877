"""Defects to plant, so that a judge can be seen to find them. None is there unless asked for.

Each defect is a small class that overrides what it spoils; one object is made for each session.
A session asks its `Flaws` at a few points: what to record of audio that came in, what to say in
place of a message, what becomes of what was missed. Nothing is drawn: the same session is spoiled
in the same way each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import trio
from msgspec.structs import replace

from replay import units
from replay.audio import AudioFormat
from replay.errors import UsageError
from replay.sandbox.audio_defects import Double, Lose, Reorder, Shift
from replay.sandbox.clock_defect import Clock
from replay.sandbox.defect import Common, Defect
from replay.sandbox.lasting_defects import Leak, Tiring
from replay.wire import messages as m


class InclusiveAcks(Defect):
    """Byte ranges name their last byte instead of the one behind it."""

    name = "inclusive-acks"

    def say(self, message: m.Message) -> Sequence[m.Message]:
        if not isinstance(message, m.AudioAck) or message.data is None:
            return (message,)
        start, end = message.data.byte_range
        data = replace(message.data, byte_range=(start, max(start, end - 1)))
        return (replace(message, data=data),)


class LateAcks(Defect):
    """Acknowledgements wait until later audio comes in, by default five seconds later."""

    name = "late-acks"
    argument = "DURATION"

    def __init__(self, fmt: AudioFormat, argument: str | None = None) -> None:
        super().__init__(fmt, argument)
        self._delay = float(units.duration(argument or "5s"))
        self._waiting: list[tuple[float, m.Message]] = []

    def say(self, message: m.Message) -> Sequence[m.Message]:
        if not isinstance(message, m.AudioAck | m.StopAck) or not message.acknowledged:
            return (message,)
        now = trio.current_time()
        self._waiting.append((now, message))
        if isinstance(message, m.StopAck):
            due = len(self._waiting)
        else:
            due = sum(came <= now - self._delay for came, _ in self._waiting)
        ready, self._waiting = self._waiting[:due], self._waiting[due:]
        return [late for _, late in ready]

    def come_back(self, received: int, seconds: float) -> None:  # noqa: ARG002
        self._waiting.clear()


class RestartAcks(Defect):
    """Byte ranges count from the beginning of each connection."""

    name = "restart-acks"
    _base = 0

    def come_back(self, received: int, seconds: float) -> None:  # noqa: ARG002
        self._base = received

    def say(self, message: m.Message) -> Sequence[m.Message]:
        if not isinstance(message, m.AudioAck) or message.data is None:
            return (message,)
        start, end = message.data.byte_range
        data = replace(message.data, byte_range=(start - self._base, end - self._base))
        return (replace(message, data=data),)


class RestartIds(Defect):
    """Utterances are numbered from 0 on each connection."""

    name = "restart-ids"

    def __init__(self, fmt: AudioFormat, argument: str | None = None) -> None:
        super().__init__(fmt, argument)
        self._names: dict[str, str] | None = None  # None on the first connection

    def come_back(self, received: int, seconds: float) -> None:  # noqa: ARG002
        self._names = {}

    def say(self, message: m.Message) -> Sequence[m.Message]:
        if not isinstance(message, m.Transcript) or self._names is None:
            return (message,)
        channel = message.data.id.partition("_")[0]
        count = sum(name.startswith(channel) for name in self._names)
        name = self._names.setdefault(message.data.id, f"{channel}_{count:08d}")
        return (replace(message, data=replace(message.data, id=name)),)


class RestartTimes(Defect):
    """Times count from the audio with which each connection began."""

    name = "restart-times"
    _base = 0.0

    def come_back(self, received: int, seconds: float) -> None:  # noqa: ARG002
        self._base = seconds

    def say(self, message: m.Message) -> Sequence[m.Message]:
        match message:
            case m.AudioAck(data=m.AudioAckData() as ack):
                start, end = ack.time_range
                moved = replace(ack, time_range=(start - self._base, end - self._base))
                return (replace(message, data=moved),)
            case m.SpeechStart(data=told) | m.SpeechEnd(data=told):
                return (replace(message, data=replace(told, time=told.time - self._base)),)
            case m.Transcript(data=said):
                utterance = _moved(said.utterance, self._base)
                return (replace(message, data=replace(said, utterance=utterance)),)
        return (message,)


class NoMissedFinals(Defect):
    """Finals that come while nobody is there are never delivered."""

    name = "no-missed-finals"

    def keeps(self, message: m.Message) -> bool:
        return not isinstance(message, m.Transcript)


class DoubleFinal(Defect):
    """Each final is said twice."""

    name = "double-final"

    def say(self, message: m.Message) -> Sequence[m.Message]:
        return (message, replace(message)) if _is_final(message) else (message,)


class DropFinal(Defect):
    """The second final, and every third after it, is not said; the result has it."""

    name = "drop-final"
    _count = 0

    def say(self, message: m.Message) -> Sequence[m.Message]:
        if not _is_final(message):
            return (message,)
        self._count += 1
        return () if self._count % 3 == 2 else (message,)


class NoPost(Defect):
    """`post_final_transcript` never comes."""

    name = "no-post"

    def say(self, message: m.Message) -> Sequence[m.Message]:
        return () if isinstance(message, m.PostFinalTranscript) else (message,)


class SwallowStop(Defect):
    """`stop_recording` is neither answered nor obeyed."""

    name = "swallow-stop"
    hears_stop = False


class AcceptAudioAfterStop(Defect):
    """Audio behind the stop is recorded and acknowledged."""

    name = "accept-audio-after-stop"
    hears_after_stop = True


class Forget(Defect):
    """A session is unknown (close 4404) when its client comes back."""

    name = "forget"
    forgets_sessions = True


class Orphan(Defect):
    """`POST` opens two sessions and tells of one."""

    name = "orphan"
    opens_twice = True


class Flaws:
    """All defects of one session, asked as one; each takes what the one before it gave."""

    def __init__(self, defects: Sequence[Defect] = ()) -> None:
        self._defects = defects
        self.forgets_sessions = any(defect.forgets_sessions for defect in defects)
        self.opens_twice = any(defect.opens_twice for defect in defects)
        self.hears_stop = all(defect.hears_stop for defect in defects)
        self.hears_after_stop = any(defect.hears_after_stop for defect in defects)

    def record(self, data: bytes) -> bytes:
        for defect in self._defects:
            data = defect.record(data)
        return data

    def say(self, message: m.Message) -> Sequence[m.Message]:
        said: Sequence[m.Message] = (message,)
        for defect in self._defects:
            said = [late for each in said for late in defect.say(each)]
        return said

    def clock(self, now: datetime) -> datetime:
        for defect in self._defects:
            now = defect.clock(now)
        return now

    def keeps(self, message: m.Message) -> bool:
        return all(defect.keeps(message) for defect in self._defects)

    def come_back(self, received: int, seconds: float) -> None:
        for defect in self._defects:
            defect.come_back(received, seconds)

    @property
    def delay(self) -> float:
        return sum(defect.delay for defect in self._defects)


_ALL: tuple[type[Defect], ...] = (
    AcceptAudioAfterStop, Clock, Double, DoubleFinal, DropFinal, Forget, InclusiveAcks, LateAcks,
    Leak, Lose, NoMissedFinals, NoPost, Orphan, Reorder, RestartAcks, RestartIds, RestartTimes,
    Shift, SwallowStop, Tiring,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Planted:
    """A defect to plant in every session. `text`: as it was asked for."""

    text: str
    kind: type[Defect]
    argument: str | None = None
    common: Common = field(default_factory=Common, compare=False, repr=False)


def catalogue() -> list[tuple[str, str]]:
    """Every defect as `--defect` takes it, and what it does."""
    return [
        (f"{kind.name}[={kind.argument}]" if kind.argument else kind.name, kind.__doc__ or "")
        for kind in _ALL
    ]


def planted(text: str) -> Planted:
    """What `NAME` or `NAME=ARG` asks for.

    Raises:
        UsageError: there is no such defect, or its argument is none.
    """
    name, equals, argument = text.partition("=")
    kind = next((kind for kind in _ALL if kind.name == name), None)
    if kind is None:
        known = ", ".join(usage for usage, _ in catalogue())
        raise UsageError(f"there is no defect {name!r}: use {known}")
    if equals and not kind.argument:
        raise UsageError(f"defect {text!r}: {name} takes no argument")
    found = Planted(text, kind, argument if equals else None)
    try:
        kind(AudioFormat(), found.argument)
    except ValueError as error:
        raise UsageError(f"defect {text!r}: {error}") from None
    return found


def flaws(all_planted: Sequence[Planted], fmt: AudioFormat) -> Flaws:
    """What a new session suffers from."""
    defects = []
    for each in all_planted:
        defect = each.kind(fmt, each.argument)
        defect.common = each.common
        defects.append(defect)
    return Flaws(defects)


def _is_final(message: m.Message) -> bool:
    return isinstance(message, m.Transcript) and message.data.is_final


def _moved(utterance: m.Utterance, by: float) -> m.Utterance:
    words = [replace(word, start=word.start - by, end=word.end - by) for word in utterance.words]
    return replace(utterance, start=utterance.start - by, end=utterance.end - by, words=words)
