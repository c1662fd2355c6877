"""What a finished session came to, within the size that clients can take."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter

import msgspec

from replay.audio import AudioFormat
from replay.wire.messages import (
    EndRecording,
    EndSession,
    FinalResult,
    Message,
    PostFinalTranscript,
    PostTranscript,
    RecordingDuration,
    ResultMetadata,
    Transcription,
    Utterance,
)

#: The service's own SDK closes the connection over a message of more than 1 MiB (protocol 9.1).
_MESSAGE_BYTES = 1_000_000


def transcription(utterances: list[Utterance]) -> Transcription:
    """All finals as one text; languages by how often they occur."""
    ordered = sorted(utterances, key=lambda utterance: utterance.start)
    return Transcription(
        full_transcript=" ".join(text for u in ordered if (text := u.text.strip())),
        languages=[name for name, _ in Counter(u.language for u in ordered).most_common()],
        utterances=ordered,
    )


def fitting(whole: Transcription) -> Transcription:
    """`whole`, or as much of it as one message may carry: first the words go, then the
    utterances, and of a full transcript that is still too long the end. The job keeps it all."""
    if _size(whole) <= _MESSAGE_BYTES:
        return whole
    wordless = [msgspec.structs.replace(u, words=[]) for u in whole.utterances]
    for utterances in (wordless, []):
        smaller = msgspec.structs.replace(whole, utterances=utterances)
        if _size(smaller) <= _MESSAGE_BYTES:
            return smaller
    return msgspec.structs.replace(smaller, full_transcript=_beginning(smaller))


def _beginning(whole: Transcription) -> str:
    """As many of the first words of its transcript as fit."""
    text = whole.full_transcript
    room = _MESSAGE_BYTES - (_size(whole) - _size(text))
    # A character takes between one byte of JSON and six.
    fits = bisect_right(range(min(len(text), room) + 1), room, key=lambda n: _size(text[:n])) - 1
    space = text.rfind(" ", 0, fits + 1)
    return text[: space if space > 0 else fits]


def _size(value: Transcription | str) -> int:
    return len(msgspec.json.encode(value))


def metadata(fmt: AudioFormat, seconds: float, took: float) -> ResultMetadata:
    """`seconds` of audio, `took` seconds from the first connection to the last word."""
    return ResultMetadata(
        audio_duration=seconds,
        number_of_distinct_channels=fmt.channels,
        billing_time=seconds * fmt.channels,
        transcription_time=took,
    )


def final_result(whole: Transcription, facts: ResultMetadata) -> FinalResult:
    return FinalResult(metadata=facts, transcription=whole)


def last_messages(text: Transcription, facts: ResultMetadata) -> list[Message]:
    """What follows the last final, in order (protocol 6)."""
    return [
        EndRecording(data=RecordingDuration(recording_duration=facts.audio_duration)),
        PostTranscript(data=text),
        PostFinalTranscript(data=final_result(text, facts)),
        EndSession(),
    ]
