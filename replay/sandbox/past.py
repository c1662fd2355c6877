"""What a session had said before its sandbox died, read from its records.

Hearing goes on behind the last final of each channel: what was said about later audio was never
final, so it is heard again. Speech that had begun or ended there, though, was told already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from replay.sandbox.store import Store
from replay.sandbox.tail import LINES
from replay.wire import gating
from replay.wire import messages as m

#: Times that were written and read again differ by rounding.
_SLACK = 1e-6


@dataclass(slots=True)
class ChannelPast:
    """One channel.

    Attributes:
        finals: how many finals were filed.
        heard: seconds of session audio up to which everything is final.
        starts, ends: how many of the next `speech_start` and `speech_end` were told already.
    """

    finals: int = 0
    heard: float = 0.0
    starts: int = 0
    ends: int = 0

    def repeats_start(self) -> bool:
        """Was the next `speech_start` told already?"""
        self.starts -= 1
        return self.starts >= 0

    def repeats_end(self) -> bool:
        """Was the next `speech_end` told already?"""
        self.ends -= 1
        return self.ends >= 0


@dataclass(frozen=True, slots=True)
class Past:
    """Attributes:
    channels: one each.
    untold: finals that were filed and not put out, with their channel's count of finals before.
    messages: everything that was put out, in order, as text and value.
    addons: how many messages of add-ons were put out; they follow the finals as filed.
    seconds: of audio that had come in; nothing that was told is about later audio.
    latest: the last finals that were filed.
    """

    channels: Sequence[ChannelPast]
    untold: Sequence[tuple[int, m.Utterance]] = ()
    messages: Sequence[tuple[str, m.Received]] = field(default=(), repr=False)
    addons: int = 0
    seconds: float = 0.0
    latest: Sequence[m.Utterance] = ()


def recall(store: Store, channels: int, *, finals_wanted: bool) -> Past:
    """What the records hold; `finals_wanted`: are finals put out at all?"""
    per_channel = [ChannelPast() for _ in range(channels)]
    messages = [(text, m.decode(text)) for text in store.messages()]
    told = {
        (message.data.utterance.channel, message.data.id)
        for _, message in messages
        if isinstance(message, m.Transcript) and message.data.is_final
    }
    counts = [sum(channel == each for each, _ in told) for channel in range(channels)]
    untold = []
    utterances = store.utterances()
    for utterance in utterances:
        channel = per_channel[utterance.channel]
        if finals_wanted and channel.finals >= counts[utterance.channel]:
            untold.append((channel.finals, utterance))
        channel.finals += 1
        channel.heard = max(channel.heard, utterance.end)
    _count_speech(per_channel, [message for _, message in messages])
    return Past(
        per_channel,
        untold,
        messages,
        addons=sum(isinstance(message, gating.REALTIME) for _, message in messages),
        seconds=store.seconds + _SLACK,
        latest=utterances[-LINES:],
    )


def _count_speech(channels: list[ChannelPast], messages: list[m.Received]) -> None:
    """How much of what is heard again was told. Speech that ended by then is not heard again."""
    closed = [0] * len(channels)
    for message in messages:
        match message:
            case m.SpeechStart(data=told):
                channels[told.channel].starts += 1
            case m.SpeechEnd(data=told) if told.time > channels[told.channel].heard + _SLACK:
                channels[told.channel].ends += 1
            case m.SpeechEnd(data=told):
                closed[told.channel] += 1
    for channel, ended in zip(channels, closed, strict=True):
        channel.starts -= ended
