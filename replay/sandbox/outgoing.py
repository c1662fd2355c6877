"""What a session says: stamped, recorded, and put out for the client that asked for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from replay.sandbox.defects import Flaws
from replay.sandbox.mail import Mail
from replay.sandbox.outbox import Outbox, Parcel
from replay.sandbox.past import Past
from replay.sandbox.recognizers.base import Event, Final, Partial, SpeechEnded, SpeechStarted
from replay.sandbox.standing import written
from replay.sandbox.store import Store
from replay.sandbox.tail import Tail
from replay.wire import messages as m
from replay.wire.config import SessionConfig
from replay.wire.gating import wanted


class Outgoing:
    """Attributes:
    connected: is anybody there? Acknowledgements and partials are for those who are.
    """

    def __init__(
        self,
        session_id: str,
        config: SessionConfig,
        *,
        store: Store,
        outbox: Outbox,
        now: Callable[[], datetime],
        flaws: Flaws,
        past: Past,
        mail: Mail,
        tail: Tail,
    ) -> None:
        """`past`: what was put out already; the part that was not delivered is put out again."""
        self.connected = False
        self._id = session_id
        self._wanted = config.messages_config
        self._store = store
        self._outbox = outbox
        self._now = now
        self._flaws = flaws
        self._mail = mail
        self._tail = tail
        self._channels = past.channels
        self._utterances = [channel.finals for channel in past.channels]
        self._told_until = past.seconds
        self._once: set[type] = {type(message) for _, message in past.messages}
        self._recall(past, store.delivered)

    def _recall(self, past: Past, delivered: int) -> None:
        kept = [text for text, message in past.messages if self._keeps(message)]
        for text in kept[delivered:]:
            self._outbox.put(Parcel(text, keep=True))
        for count, utterance in past.untold:
            self.put(_transcript(count, utterance, final=True))

    def put(self, message: m.Message, key: str = "") -> None:
        """Put out `message`, if its kind was asked for; what is planted spoils the websocket.

        `key`: says of a post which others tell the same.
        """
        now = self._now()
        stamp = written(now)
        message.session_id, message.created_at = self._id, stamp
        # Posts are on record first: what a websocket was told is not put out again after a restart.
        self._mail.put(message, key)
        if wanted(message, self._wanted):
            spoilt = self._flaws.clock(now)
            stamp = stamp if spoilt is now else written(spoilt)
            for each in self._flaws.say(message):
                self._put(each, stamp)

    def put_once(self, message: m.Message) -> None:
        """Put out `message`, of which there is one in a session, unless that was done before."""
        if type(message) not in self._once:
            self._once.add(type(message))
            self.put(message)

    def _put(self, message: m.Message, stamp: str) -> None:
        message.session_id, message.created_at = self._id, stamp
        text = m.encode(message)
        if not isinstance(message, m.AudioAck | m.StopAck):
            self._store.add_message(text)
        keep = self._keeps(message)
        if self.connected or keep:
            data = message.data if isinstance(message, m.AudioAck) else None
            acknowledges = data.byte_range[1] if data else 0
            self._outbox.put(Parcel(text, keep, acknowledges))

    def _keeps(self, message: m.Message | m.Unknown | m.Malformed) -> bool:
        """Is `message` worth delivering to the next connection?"""
        match message:
            case m.AudioAck() | m.StopAck() | m.Unknown() | m.Malformed():
                return False
            case m.Transcript(data=m.TranscriptData(is_final=False)):
                return False
        return self._flaws.keeps(message)

    def tell(self, channel: int, event: Event) -> str:
        """Put out what a recogniser said; the finals are the transcript. The id of a final."""
        past = self._channels[channel]
        match event:
            case SpeechStarted(time):
                if time > self._told_until or not past.repeats_start():
                    self.put(m.SpeechStart(data=m.SpeechTime(time=time, channel=channel)))
            case SpeechEnded(time):
                if time > self._told_until or not past.repeats_end():
                    self.put(m.SpeechEnd(data=m.SpeechTime(time=time, channel=channel)))
            case Partial(utterance):
                self._tail.add_partial(utterance)
                self.put(_transcript(self._utterances[channel], utterance, final=False))
            case Final(utterance):
                # First the result, then the message: what is filed is put out after a restart.
                self._store.add_utterance(utterance)
                self._tail.add_final(utterance)
                self._utterances[channel] += 1
                self.put(_transcript(self._utterances[channel] - 1, utterance, final=True))
                return utterance_id(channel, self._utterances[channel] - 1)
        return ""


def _transcript(count: int, utterance: m.Utterance, *, final: bool) -> m.Transcript:
    """`count`: finals of the channel before it."""
    name = utterance_id(utterance.channel, count)
    return m.Transcript(data=m.TranscriptData(id=name, is_final=final, utterance=utterance))


def utterance_id(channel: int, count: int) -> str:
    """In the form of the service's, which clients take for opaque (protocol 5.2). `count`: finals
    of the channel before it."""
    return f"{channel:02d}_{count:08d}"
