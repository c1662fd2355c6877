"""What a session says: stamped, recorded, and put out for the client that asked for it."""

from __future__ import annotations

from collections.abc import Callable

from replay.sandbox.outbox import Outbox, Parcel
from replay.sandbox.recognizers.base import Event, Final, Partial, SpeechEnded, SpeechStarted
from replay.sandbox.store import Store
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
        stamp: Callable[[], str],
    ) -> None:
        self.connected = False
        self._id = session_id
        self._wanted = config.messages_config
        self._store = store
        self._outbox = outbox
        self._stamp = stamp
        self._utterances = [0] * config.channels

    def put(self, message: m.Message) -> None:
        """Put out `message`, if its kind was asked for."""
        if not wanted(message, self._wanted):
            return
        message.session_id = self._id
        message.created_at = self._stamp()
        text = m.encode(message)
        ack = isinstance(message, m.AudioAck | m.StopAck)
        partial = isinstance(message, m.Transcript) and not message.data.is_final
        if not ack:
            self._store.add_message(text)
        if self.connected or not (ack or partial):
            self._outbox.put(Parcel(text, keep=not (ack or partial)))

    def tell(self, channel: int, event: Event) -> None:
        """Put out what a recogniser said; the finals are the transcript."""
        match event:
            case SpeechStarted(time):
                self.put(m.SpeechStart(data=m.SpeechTime(time=time, channel=channel)))
            case SpeechEnded(time):
                self.put(m.SpeechEnd(data=m.SpeechTime(time=time, channel=channel)))
            case Partial(utterance) | Final(utterance):
                final = isinstance(event, Final)
                # The form of the service's ids; clients take them for opaque (protocol 5.2).
                name = f"{channel:02d}_{self._utterances[channel]:08d}"
                if final:
                    self._store.add_utterance(utterance)
                    self._utterances[channel] += 1
                data = m.TranscriptData(id=name, is_final=final, utterance=utterance)
                self.put(m.Transcript(data=data))
