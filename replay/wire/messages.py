"""What passes over the websocket, both ways, as types (protocol sections 4 to 6).

Times are seconds from the start of the session's audio, byte offsets count raw audio bytes from
the start of the session, across reconnections.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

# ------------------------------------------------------------------ server to client


class Word(Struct, gc=False):
    word: str
    start: float
    end: float
    confidence: float


class Utterance(Struct, kw_only=True, gc=False):
    start: float
    end: float
    confidence: float
    channel: int
    words: list[Word]
    text: str
    language: str
    speaker: int | UnsetType = UNSET


class MessageError(Struct, kw_only=True):
    """Why something in a message failed."""

    message: str = ""
    status_code: int | str | None = None
    exception: str | None = None


class Message(Struct, kw_only=True, tag_field="type", gc=False):
    """Base of everything the service sends.

    Attributes:
        session_id: the job's id.
        created_at: ISO 8601, UTC, milliseconds, by the service's clock.
    """

    session_id: str = ""
    created_at: str = ""


class TranscriptData(Struct, kw_only=True, gc=False):
    """`id` is shared by the partials and the final of one utterance; it is opaque."""

    id: str
    is_final: bool
    utterance: Utterance


class Transcript(Message, tag="transcript"):
    data: TranscriptData


class SpeechTime(Struct, kw_only=True):
    time: float
    channel: int = 0


class SpeechStart(Message, tag="speech_start"):
    data: SpeechTime


class SpeechEnd(Message, tag="speech_end"):
    data: SpeechTime


class TranslationData(Struct, kw_only=True):
    utterance_id: str
    utterance: Utterance
    original_language: str
    target_language: str
    translated_utterance: Utterance


class Translation(Message, tag="translation"):
    error: MessageError | None = None
    data: TranslationData | None = None


class NamedEntity(Struct, kw_only=True):
    entity_type: str
    text: str
    start: float
    end: float


class NamedEntitiesData(Struct, kw_only=True):
    utterance_id: str
    utterance: Utterance
    results: list[NamedEntity]


class NamedEntities(Message, tag="named_entity_recognition"):
    error: MessageError | None = None
    data: NamedEntitiesData | None = None


class SentimentSpan(Struct, kw_only=True):
    sentiment: str
    emotion: str
    text: str
    start: float
    end: float
    channel: int


class SentimentData(Struct, kw_only=True):
    utterance_id: str
    utterance: Utterance
    results: list[SentimentSpan]


class Sentiment(Message, tag="sentiment_analysis"):
    error: MessageError | None = None
    data: SentimentData | None = None


class AudioAckData(Struct, kw_only=True):
    """Exclusive ends; both ranges count from the start of the session."""

    byte_range: tuple[int, int]
    time_range: tuple[float, float]


class AudioAck(Message, tag="audio_chunk"):
    """`acknowledged` false: the chunk was refused, `error` says why."""

    acknowledged: bool
    error: MessageError | None = None
    data: AudioAckData | None = None


class StopAckData(Struct, kw_only=True):
    recording_duration: float
    recording_left_to_process: float


class StopAck(Message, tag="stop_recording"):
    acknowledged: bool
    error: MessageError | None = None
    data: StopAckData | None = None


class StartSession(Message, tag="start_session"):
    pass


class StartRecording(Message, tag="start_recording"):
    pass


class RecordingDuration(Struct, kw_only=True):
    recording_duration: float


class EndRecording(Message, tag="end_recording"):
    data: RecordingDuration


class EndSession(Message, tag="end_session"):
    pass


class Transcription(Struct, kw_only=True, omit_defaults=True):
    full_transcript: str
    languages: list[str]
    utterances: list[Utterance]
    sentences: list[Any] | UnsetType | None = UNSET
    subtitles: list[Any] | UnsetType | None = UNSET


class PostTranscript(Message, tag="post_transcript"):
    data: Transcription


class SummaryText(Struct, kw_only=True):
    results: str | None = None


class PostSummarization(Message, tag="post_summarization"):
    error: MessageError | None = None
    data: SummaryText | None = None


class PostChapterization(Message, tag="post_chapterization"):
    """Legacy; kept as it came."""

    error: MessageError | None = None
    data: Any = None


class ResultMetadata(Struct, kw_only=True):
    """Seconds; `billing_time` is the duration times the channels."""

    audio_duration: float
    number_of_distinct_channels: int
    billing_time: float
    transcription_time: float


class AddonResult(Struct, kw_only=True):
    """The envelope around each add-on's result; the form of `results` depends on the add-on."""

    success: bool
    is_empty: bool
    exec_time: float
    error: MessageError | None = None
    results: Any = None


class AddonResults(Struct, kw_only=True):
    """What add-ons came to over a whole session; they are there only when they were asked for."""

    translation: AddonResult | UnsetType = UNSET
    summarization: AddonResult | UnsetType = UNSET
    named_entity_recognition: AddonResult | UnsetType = UNSET
    sentiment_analysis: AddonResult | UnsetType = UNSET
    chapterization: AddonResult | UnsetType = UNSET


class FinalResult(AddonResults, kw_only=True):
    """Everything the session came to."""

    metadata: ResultMetadata
    transcription: Transcription


class PostFinalTranscript(Message, tag="post_final_transcript"):
    data: FinalResult


class ServiceMessage(Message, tag="error"):
    """A stand-alone error; no published schema, so any shape is taken."""

    data: Any = None
    error: Any = None
    message: Any = None
    code: Any = None


ServerMessage = (
    Transcript
    | SpeechStart
    | SpeechEnd
    | Translation
    | NamedEntities
    | Sentiment
    | AudioAck
    | StopAck
    | StartSession
    | StartRecording
    | EndRecording
    | EndSession
    | PostTranscript
    | PostSummarization
    | PostChapterization
    | PostFinalTranscript
    | ServiceMessage
)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of a type this version does not know; kept as it came."""

    type: str
    raw: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something that breaks the protocol's schema; a finding, never a crash."""

    raw: str
    reason: str


Received = ServerMessage | Unknown | Malformed

_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)
_KNOWN = frozenset(
    str(kind.__struct_config__.tag)
    for kind in ServerMessage.__args__  # one tag for each type
)


def decode(raw: str | bytes) -> Received:
    """One frame from the service as a typed value; never raises."""
    try:
        return _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _explain(raw, str(error))


def _explain(raw: str | bytes, reason: str) -> Unknown | Malformed:
    text = raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
    try:
        kind = msgspec.json.decode(raw).get("type")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, AttributeError):
        return Malformed(text, reason)
    if isinstance(kind, str) and kind not in _KNOWN:
        return Unknown(kind, text)
    return Malformed(text, reason)


def encode(message: Message) -> str:
    """A message as the text of one frame."""
    return msgspec.json.encode(message).decode()


def message_type(message: Message | type[Message]) -> str:
    """The `type` that `message` has on the wire."""
    return str(message.__struct_config__.tag)


# ------------------------------------------------------------------ client to server

STOP_RECORDING = '{"type":"stop_recording"}'


def audio_frame(data: bytes) -> str:
    """Audio as a text frame (base64 in JSON)."""
    return '{"type":"audio_chunk","data":{"chunk":"' + base64.b64encode(data).decode() + '"}}'


class AudioFrame(Struct, frozen=True):
    """Audio from a client, whichever way it was sent."""

    data: bytes


class StopFrame(Struct, frozen=True):
    """A client says that there is no more audio."""


class BadFrame(Struct, frozen=True):
    """A text frame that means nothing."""

    reason: str


class _ChunkData(Struct):
    chunk: str


class _AudioText(Struct, tag_field="type", tag="audio_chunk"):
    data: _ChunkData


class _StopText(Struct, tag_field="type", tag="stop_recording"):
    pass


_client_decoder = msgspec.json.Decoder(_AudioText | _StopText)


def decode_client(frame: str | bytes) -> AudioFrame | StopFrame | BadFrame:
    """One frame from a client as a typed value; never raises."""
    if isinstance(frame, bytes | bytearray | memoryview):
        return AudioFrame(bytes(frame))
    try:
        value = _client_decoder.decode(frame)
        if isinstance(value, _StopText):
            return StopFrame()
        return AudioFrame(base64.b64decode(value.data.chunk, validate=True))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        return BadFrame(str(error))
