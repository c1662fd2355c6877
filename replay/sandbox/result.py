"""What a finished session came to, within the size that clients can take."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

import msgspec

from replay.audio import AudioFormat
from replay.wire.messages import (
    AddonResult,
    AddonResults,
    EndRecording,
    EndSession,
    FinalResult,
    Message,
    PostFinalTranscript,
    PostSummarization,
    PostTranscript,
    RecordingDuration,
    ResultMetadata,
    SummaryText,
    Transcription,
    Utterance,
)

#: The service's own SDK closes the connection over a message of more than 1 MiB (protocol 9.1).
_MESSAGE_BYTES = 1_000_000
#: Of what one add-on found; as text in JSON it takes more.
_LIST_BYTES = 200_000

T = TypeVar("T")


def transcription(utterances: list[Utterance]) -> Transcription:
    """All finals as one text; languages by how often they occur."""
    ordered = sorted(utterances, key=lambda utterance: utterance.start)
    return Transcription(
        full_transcript=" ".join(text for u in ordered if (text := u.text.strip())),
        languages=[name for name, _ in Counter(u.language for u in ordered).most_common()],
        utterances=ordered,
    )


def fitting(whole: Transcription, room: int = _MESSAGE_BYTES) -> Transcription:
    """`whole`, or as much of it as fits into `room` bytes: first the words go, then utterances
    from the end, and of a full transcript that is still too long the end. The job keeps it all."""
    if _size(whole) <= room:
        return whole
    wordless = [msgspec.structs.replace(u, words=[]) for u in whole.utterances]
    left = room - _size(msgspec.structs.replace(whole, utterances=[]))
    kept = _first(wordless, left)
    smaller = msgspec.structs.replace(whole, utterances=kept)
    if _size(smaller) <= room:
        return smaller
    return msgspec.structs.replace(smaller, full_transcript=_beginning(smaller, room))


def _first(items: Sequence[T], room: int) -> list[T]:
    """As many of the first of them as fit into `room` bytes of JSON, commas included."""
    ends = accumulate(_size(item) + 1 for item in items)
    return [item for item, end in zip(items, ends, strict=True) if end <= room]


def _beginning(whole: Transcription, room: int) -> str:
    """As many of the first words of its transcript as fit."""
    text = whole.full_transcript
    room -= _size(whole) - _size(text)
    # A character takes between one byte of JSON and six.
    fits = bisect_right(range(min(len(text), room) + 1), room, key=lambda n: _size(text[:n])) - 1
    space = text.rfind(" ", 0, fits + 1)
    return text[: space if space > 0 else fits]


def _size(value: object) -> int:
    return len(msgspec.json.encode(value))


def metadata(fmt: AudioFormat, seconds: float, took: float) -> ResultMetadata:
    """`seconds` of audio, `took` seconds from the first connection to the last word."""
    return ResultMetadata(
        audio_duration=seconds,
        number_of_distinct_channels=fmt.channels,
        billing_time=seconds * fmt.channels,
        transcription_time=took,
    )


def final_result(whole: Transcription, facts: ResultMetadata, addons: AddonResults) -> FinalResult:
    """Everything; the sentiments as text, as the service has them (protocol 5.6)."""
    felt = addons.sentiment_analysis
    if isinstance(felt, AddonResult):
        text = msgspec.json.encode(felt.results or []).decode()
        felt = msgspec.structs.replace(felt, results=text)
    addons = msgspec.structs.replace(addons, sentiment_analysis=felt)
    results = {name: getattr(addons, name) for name in addons.__struct_fields__}
    return FinalResult(metadata=facts, transcription=whole, **results)


def fitting_result(
    whole: Transcription, facts: ResultMetadata, addons: AddonResults
) -> FinalResult:
    """As `final_result`, within the size of a message: of lists of what was found the first part
    is kept. The job keeps it all."""
    lists = [
        name
        for name in addons.__struct_fields__
        if isinstance(each := getattr(addons, name), AddonResult) and isinstance(each.results, list)
    ]
    cut = {}
    for name in lists:
        each = getattr(addons, name)
        cut[name] = msgspec.structs.replace(each, results=_first(each.results, _LIST_BYTES))
    addons = msgspec.structs.replace(addons, **cut)
    bare = final_result(
        msgspec.structs.replace(whole, full_transcript="", utterances=[]), facts, addons
    )
    return final_result(fitting(whole, _MESSAGE_BYTES - _size(bare)), facts, addons)


def last_messages(
    whole: Transcription, facts: ResultMetadata, addons: AddonResults
) -> list[Message]:
    """What follows the last final, in order (protocol 6)."""
    messages: list[Message] = [
        EndRecording(data=RecordingDuration(recording_duration=facts.audio_duration)),
        PostTranscript(data=fitting(whole)),
    ]
    told = addons.summarization
    if isinstance(told, AddonResult):
        data = None if told.error else SummaryText(results=told.results or "")
        messages.append(PostSummarization(error=told.error, data=data))
    messages.append(PostFinalTranscript(data=fitting_result(whole, facts, addons)))
    messages.append(EndSession())
    return messages
