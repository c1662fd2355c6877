"""Which messages a client asked for (protocol 3.2): one flag for each group of message types."""

from __future__ import annotations

from replay.wire import messages as m
from replay.wire.config import CallbackConfig, MessagesConfig

#: What add-ons say of one utterance.
REALTIME = (m.Translation, m.NamedEntities, m.Sentiment)
_POST = (m.PostTranscript, m.PostSummarization, m.PostChapterization, m.PostFinalTranscript)
_LIFECYCLE = (m.StartSession, m.StartRecording, m.EndRecording, m.EndSession)


def wanted(message: m.Message, config: MessagesConfig | CallbackConfig) -> bool:
    """Does `config` ask for `message`? Types without a flag are always sent."""
    match message:
        case m.Transcript():
            if message.data.is_final:
                return config.receive_final_transcripts
            return config.receive_partial_transcripts
        case m.SpeechStart() | m.SpeechEnd():
            return config.receive_speech_events
        case m.AudioAck() | m.StopAck():
            return config.receive_acknowledgments
        case m.ServiceMessage():
            return config.receive_errors
    if isinstance(message, REALTIME):
        return config.receive_realtime_processing_events
    if isinstance(message, _POST):
        return config.receive_post_processing_events
    if isinstance(message, _LIFECYCLE):
        return config.receive_lifecycle_events
    return True
