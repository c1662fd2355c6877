"""What the protocol's reference says of every message and body, as types of its own.

Written from the reference (its sections 2, 3, 5 and 8), not from `replay.wire`, so that a mistake
there shows. A key that the reference requires has no default; keys that it does not know are
refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

Uuid = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Time = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
RequestId = Annotated[str, Meta(pattern=r"^G-[0-9a-f]{8}$")]
Url = Annotated[str, Meta(pattern=r"^https?://[^/]+/")]
Code = Annotated[str, Meta(pattern=r"^[a-z]{2,3}$")]
Seconds = Annotated[float, Meta(ge=0)]
Confidence = Annotated[float, Meta(ge=0, le=1)]
Channel = Annotated[int, Meta(ge=0, le=7)]
Count = Annotated[int, Meta(ge=0)]


class Strict(Struct, kw_only=True, forbid_unknown_fields=True):
    """Nothing but what is written here."""


# ------------------------------------------------------------------ 5: websocket


class Word(Strict):
    word: str
    start: Seconds
    end: Seconds
    confidence: Confidence


class Utterance(Strict):
    start: Seconds
    end: Seconds
    confidence: Confidence
    channel: Channel
    words: list[Word]
    text: str
    language: Code
    speaker: Count | UnsetType = UNSET


class Error(Strict):
    """All three keys, as both descriptions of the service together have them."""

    status_code: int | str
    exception: str
    message: str


class Message(Strict, tag_field="type"):
    session_id: Uuid
    created_at: Time


class TranscriptData(Strict):
    id: Annotated[str, Meta(pattern=r"^0[0-7]_\d{8}$")]
    is_final: bool
    utterance: Utterance


class Transcript(Message, tag="transcript"):
    data: TranscriptData


class SpeechData(Strict):
    time: Seconds
    channel: Channel


class SpeechStart(Message, tag="speech_start"):
    data: SpeechData


class SpeechEnd(Message, tag="speech_end"):
    data: SpeechData


class TranslationData(Strict):
    utterance_id: str
    utterance: Utterance
    original_language: Code
    target_language: Code
    translated_utterance: Utterance


class Translation(Message, tag="translation"):
    error: Error | None
    data: TranslationData | None


class Entity(Strict):
    entity_type: str
    text: str
    start: Seconds
    end: Seconds


class EntitiesData(Strict):
    utterance_id: str
    utterance: Utterance
    results: list[Entity]


class Entities(Message, tag="named_entity_recognition"):
    error: Error | None
    data: EntitiesData | None


class Feeling(Strict):
    sentiment: Literal["positive", "negative", "neutral", "mixed", "unknown"]
    emotion: Literal[
        "adoration", "amusement", "anger", "awe", "confusion", "contempt", "contentment", "desire",
        "disappointment", "disgust", "distress", "ecstatic", "elation", "embarrassment", "fear",
        "interest", "pain", "realization", "relief", "sadness", "negative_surprise",
        "positive_surprise", "sympathy", "triumph", "neutral",
    ]  # fmt: skip
    text: str
    start: Seconds
    end: Seconds
    channel: Channel


class SentimentData(Strict):
    utterance_id: str
    utterance: Utterance
    results: list[Feeling]


class Sentiment(Message, tag="sentiment_analysis"):
    error: Error | None
    data: SentimentData | None


class AckData(Strict):
    byte_range: tuple[Count, Count]
    time_range: tuple[Seconds, Seconds]


class AudioAck(Message, tag="audio_chunk"):
    acknowledged: bool
    error: Error | None
    data: AckData | None


class StopData(Strict):
    recording_duration: Seconds
    recording_left_to_process: Seconds


class StopAck(Message, tag="stop_recording"):
    acknowledged: bool
    error: Error | None
    data: StopData | None


class StartSession(Message, tag="start_session"):
    pass


class StartRecording(Message, tag="start_recording"):
    pass


class Duration(Strict):
    recording_duration: Seconds


class EndRecording(Message, tag="end_recording"):
    data: Duration


class EndSession(Message, tag="end_session"):
    pass


class Transcription(Strict):
    full_transcript: str
    languages: list[Code]
    utterances: list[Utterance]
    sentences: list[Any] | UnsetType = UNSET
    subtitles: list[Any] | UnsetType = UNSET


class PostTranscript(Message, tag="post_transcript"):
    data: Transcription


class SummaryData(Strict):
    results: str


class PostSummarization(Message, tag="post_summarization"):
    error: Error | None
    data: SummaryData | None


class Metadata(Strict):
    audio_duration: Seconds
    number_of_distinct_channels: Annotated[int, Meta(ge=1, le=8)]
    billing_time: Seconds
    transcription_time: Seconds


class Envelope(Strict):
    success: bool
    is_empty: bool
    exec_time: Seconds
    error: Error | None


class TranslatedText(Strict):
    error: Error | None
    full_transcript: str
    languages: list[Code]
    utterances: list[Utterance]
    sentences: list[Any] | UnsetType = UNSET
    subtitles: list[Any] | UnsetType = UNSET


class TranslationResult(Envelope):
    results: list[TranslatedText] | None


class Summary(Envelope):
    results: str | None


class EntitiesResult(Envelope):
    results: list[Entity] | None


class SentimentResult(Envelope):
    """The results are JSON text, and required."""

    results: str


class Final(Strict):
    metadata: Metadata
    transcription: Transcription
    translation: TranslationResult | UnsetType = UNSET
    summarization: Summary | UnsetType = UNSET
    named_entity_recognition: EntitiesResult | UnsetType = UNSET
    sentiment_analysis: SentimentResult | UnsetType = UNSET


class PostFinalTranscript(Message, tag="post_final_transcript"):
    data: Final


AnyMessage = (
    Transcript | SpeechStart | SpeechEnd | Translation | Entities | Sentiment | AudioAck | StopAck
    | StartSession | StartRecording | EndRecording | EndSession | PostTranscript
    | PostSummarization | PostFinalTranscript
)  # fmt: skip
_message = msgspec.json.Decoder(AnyMessage)
#: The published clients close the connection over a larger one (9.1).
MESSAGE_BYTES = 1 << 20


def message(text: str) -> AnyMessage:
    """One message of the websocket, as the reference has it.

    Raises:
        msgspec.ValidationError, AssertionError: it is not.
    """
    assert len(text.encode()) <= MESSAGE_BYTES
    found: AnyMessage = _message.decode(text)
    match found:
        case Transcript(data=data):
            said = data.utterance
            # 5.2: a space leads the text and each word, and the id says the channel.
            assert said.text == "".join(word.word for word in said.words)
            assert all(word.word.startswith(" ") for word in said.words)
            assert data.id.startswith(f"{said.channel:02d}_")
        case AudioAck() | StopAck():
            # 5.5: one of the two is there.
            assert (found.error is None) is found.acknowledged is (found.data is not None)
        case Translation() | Entities() | Sentiment() | PostSummarization():
            assert (found.error is None) is (found.data is not None)
    return found


# ------------------------------------------------------------------ 2, 3, 8: bodies


class Opened(Strict):
    id: Uuid
    created_at: Time
    url: Annotated[str, Meta(pattern=r"^ws://[^/]+/v2/live\?token=[0-9a-f-]{36}$")]


class Refusal(Strict):
    timestamp: Time
    path: Annotated[str, Meta(pattern=r"^/")]
    request_id: RequestId
    statusCode: Annotated[int, Meta(ge=400, le=599)]  # noqa: N815 - the service spells it so
    message: Annotated[str, Meta(min_length=1)]
    validation_errors: Annotated[list[str], Meta(min_length=1)] | UnsetType = UNSET


class File(Strict):
    id: Uuid
    filename: str | None
    source: str | None
    audio_duration: Seconds | None
    number_of_channels: Annotated[int, Meta(ge=1, le=8)] | None


class LanguageParams(Strict):
    languages: list[Code]
    code_switching: bool


class PreProcessingParams(Strict):
    audio_enhancer: bool
    speech_threshold: Confidence


class RealtimeParams(Strict):
    custom_vocabulary: bool
    custom_spelling: bool
    translation: bool
    named_entity_recognition: bool
    sentiment_analysis: bool
    custom_vocabulary_config: dict[str, Any] | UnsetType = UNSET
    custom_spelling_config: dict[str, Any] | UnsetType = UNSET
    translation_config: dict[str, Any] | UnsetType = UNSET
    words_accurate_timestamps: bool | UnsetType = UNSET


class PostParams(Strict):
    summarization: bool
    chapterization: bool
    summarization_config: dict[str, Any] | UnsetType = UNSET


class Groups(Strict):
    receive_partial_transcripts: bool
    receive_final_transcripts: bool
    receive_speech_events: bool
    receive_pre_processing_events: bool
    receive_realtime_processing_events: bool
    receive_post_processing_events: bool
    receive_acknowledgments: bool
    receive_errors: bool
    receive_lifecycle_events: bool


class CallbackParams(Groups):
    url: str


class Params(Strict):
    """What the session was opened with, every default filled in, without custom_metadata."""

    encoding: Literal["wav/pcm", "wav/alaw", "wav/ulaw"]
    bit_depth: Literal[8, 16, 24, 32]
    sample_rate: Literal[8000, 16000, 32000, 44100, 48000]
    channels: Annotated[int, Meta(ge=1, le=8)]
    model: str
    endpointing: Annotated[float, Meta(ge=0.01, le=10)]
    maximum_duration_without_endpointing: Annotated[float, Meta(ge=5, le=60)]
    language_config: LanguageParams
    pre_processing: PreProcessingParams
    realtime_processing: RealtimeParams
    post_processing: PostParams
    messages_config: Groups
    callback: bool
    callback_config: CallbackParams | UnsetType = UNSET


class Result(Final, kw_only=True):
    messages: list[str]


class Job(Strict):
    """Every key at every status."""

    id: Uuid
    request_id: RequestId
    version: Literal[2]
    status: Literal["queued", "processing", "done", "error"]
    created_at: Time
    kind: Literal["live"]
    post_session_metadata: dict[str, Any]
    completed_at: Time | None
    custom_metadata: dict[str, Any] | None
    error_code: Annotated[int, Meta(ge=400, le=599)] | None
    file: File | None
    request_params: Params | None
    result: Result | None


class Listing(Strict):
    first: Url
    current: Url
    next: Url | None
    items: list[Job]


def opened(body: bytes) -> Opened:
    """The answer 201 to a session's opening."""
    found = msgspec.json.decode(body, type=Opened)
    assert found.id not in found.url
    return found


def refusal(status: int, path: str, body: bytes) -> Refusal:
    """The body of an answer from 400 up."""
    found = msgspec.json.decode(body, type=Refusal)
    assert (found.statusCode, found.path) == (status, path)
    assert status == 400 or found.validation_errors is UNSET
    return found


def job(body: bytes) -> Job:
    """One job; which keys hold something follows from its status."""
    return checked(msgspec.json.decode(body, type=Job))


def listing(body: bytes) -> Listing:
    """One page of jobs."""
    found = msgspec.json.decode(body, type=Listing)
    for each in found.items:
        checked(each)
    return found


def checked(found: Job) -> Job:
    """`found`, of which what its status says is there, and nothing else."""
    assert found.request_id == f"G-{found.id[:8]}"
    assert (found.completed_at is not None) is (found.status in ("done", "error"))
    assert (found.result is not None) is (found.status == "done")
    assert (found.error_code is not None) is (found.status == "error")
    assert found.file is None or found.completed_at is not None
    if found.result:
        for text in found.result.messages:
            message(text)
    return found
