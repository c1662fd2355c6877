"""What was understood, and how that differs from what was said.

Texts go through gladia-normalization's preset before they are compared, so that spelling of
numbers, contractions and fillers do not count as errors; only where there is a reference, since
that takes a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Struct
from rapidfuzz.distance import Levenshtein

from replay import normalising
from replay.timeline import Timeline
from replay.utterances import Utterances
from replay.wire.messages import PostFinalTranscript


class Transcript(Struct, kw_only=True):
    """What follows `repeated_finals` compares with the reference text, in words; None without one.

    `reference_words`: those said, as they are compared; `errors`: lost, changed and added ones.
    `lost`: said and not understood; `changed`: understood as something else; `duplicated`: said
    once and written twice in a row. `wer`: errors over the words said, of the finals;
    `wer_streaming`: of what was shown before them, the last partial of each utterance (its final
    where it had none); `wer_result`: of the text that the service gave as its result.
    `repeated_finals`: finals that the service sent more than once.
    """

    text: str
    finals: int
    words: int
    repeated_finals: int
    reference_words: int | None = None
    errors: int | None = None
    lost: int | None = None
    duplicated: int | None = None
    changed: int | None = None
    wer: float | None = None
    streaming_errors: int | None = None
    wer_streaming: float | None = None
    wer_result: float | None = None


def measure(timeline: Timeline, utterances: Utterances) -> Transcript:
    """The text of the finals by the time they were spoken, compared where there is a reference."""
    finished = sorted(utterances.finished, key=lambda pair: (pair[1].start, pair[0].channel))
    found = Transcript(
        text=" ".join(final.text for _, final in finished),
        finals=len(finished),
        words=sum(len(final.words) for _, final in finished),
        repeated_finals=utterances.repeated,
    )
    reference = timeline.reference
    if reference is not None and reference.text.strip():
        _compare(found, reference.text, timeline, utterances)
    return found


def _compare(found: Transcript, reference: str, timeline: Timeline, utterances: Utterances) -> None:
    results = timeline.messages(PostFinalTranscript)
    texts = [found.text, _streamed(utterances)]
    texts += [results[-1][1].data.transcription.full_transcript] if results else []
    language = spoken_language(timeline, utterances)
    final, streamed, *result = differences(reference, texts, language)
    found.reference_words, found.errors, found.wer = final.said, final.errors, final.wer
    found.lost, found.changed, found.duplicated = final.lost, final.changed, final.duplicated
    found.streaming_errors, found.wer_streaming = streamed.errors, streamed.wer
    found.wer_result = result[0].wer if result else None


def _streamed(utterances: Utterances) -> str:
    """What was shown last before each final, in the order of speech."""
    shown = [
        (last.start, each.channel, last.text)
        for each in utterances.all
        if (last := each.partials[-1] if each.partials else each.final) is not None
    ]
    return " ".join(text for _, _, text in sorted(shown))


@dataclass(frozen=True, slots=True)
class Difference:
    """What a text has otherwise than the reference, in words; `said`: of the reference.

    `lost`, `changed`, `duplicated`: as in `Transcript`; `added`: written and not said, the
    duplicated among them.
    """

    said: int
    lost: int
    changed: int
    added: int
    duplicated: int

    @property
    def errors(self) -> int:
        """Lost, changed and added words."""
        return self.lost + self.changed + self.added

    @property
    def wer(self) -> float | None:
        """Errors over the words said; None where nothing was."""
        return round(self.errors / self.said, 4) if self.said else None


def differences(reference: str, texts: Sequence[str], language: str) -> list[Difference]:
    """Each text held against the same reference; several at once cost little more than one."""
    numbers: dict[str, int] = {}  # which are compared in half the time that words take
    said, *every = (
        [numbers.setdefault(word, len(numbers)) for word in words]
        for words in normalising.normalised([reference, *texts], language)
    )
    return [_difference(said, heard) for heard in every]


def _difference(said: list[int], heard: list[int]) -> Difference:
    lost = changed = added = duplicated = 0
    for op in Levenshtein.opcodes(said, heard):
        if op.tag == "delete":
            lost += op.src_end - op.src_start
        elif op.tag == "replace":
            changed += op.src_end - op.src_start
        elif op.tag == "insert":
            added += op.dest_end - op.dest_start
            duplicated += _doubled(heard, op.dest_start, op.dest_end)
    return Difference(len(said), lost, changed, added, duplicated)


def normalised(text: str, language: str) -> list[str]:
    """The words of a text as they are compared."""
    return normalising.normalised([text], language)[0]


def _doubled(words: list[int], start: int, end: int) -> int:
    """The length of an added run, if the same words stand right before or right after it."""
    size = end - start
    run = words[start:end]
    twice = run in (words[max(0, start - size) : start], words[end : end + size])
    return size if twice else 0


def spoken_language(timeline: Timeline, utterances: Utterances) -> str:
    """The one that was asked for, or else heard most."""
    config = timeline.header.config.get("language_config")
    asked = config.get("languages") if isinstance(config, dict) else None
    if isinstance(asked, list) and len(asked) == 1:
        return str(asked[0])
    heard = [utterance.language for utterance, _ in utterances.finished if utterance.language]
    return max(set(heard), key=heard.count) if heard else "en"
