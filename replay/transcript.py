"""What was understood, and how that differs from what was said.

Both texts go through gladia-normalization's preset before they are compared, so that spelling of
numbers, contractions and fillers do not count as errors. Import costs about 0.1 s and the pipeline
some 0.3 ms a word, so it is loaded only when there is a reference.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from msgspec import Struct
from rapidfuzz.distance import Levenshtein

from replay.timeline import Timeline
from replay.utterances import Utterances

_PRESET = "gladia-3"


class Transcript(Struct, kw_only=True):
    """The last six compare with the reference text, in words; None without one.

    `reference_words`: those said, as they are compared; `errors`: lost, changed and added ones.
    `lost`: said and not understood; `changed`: understood as something else; `duplicated`: said
    once and written twice in a row. `wer`: errors over the words said.
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
        _compare(found, reference.text, _language(timeline, utterances))
    return found


def _compare(found: Transcript, reference: str, language: str) -> None:
    said, heard = normalised(reference, language), normalised(found.text, language)
    found.lost = found.changed = found.duplicated = 0
    added = 0
    for op in Levenshtein.opcodes(said, heard):
        if op.tag == "delete":
            found.lost += op.src_end - op.src_start
        elif op.tag == "replace":
            found.changed += op.src_end - op.src_start
        elif op.tag == "insert":
            added += op.dest_end - op.dest_start
            found.duplicated += _doubled(heard, op.dest_start, op.dest_end)
    found.reference_words, found.errors = len(said), found.lost + found.changed + added
    if said:
        found.wer = round(found.errors / len(said), 4)


def normalised(text: str, language: str) -> list[str]:
    """The words of a text as they are compared."""
    words: str = _pipeline(language).normalize(text)
    return words.split()


@cache
def _pipeline(language: str) -> Any:
    from normalization import load_pipeline

    return load_pipeline(_PRESET, language=language)


def _doubled(words: list[str], start: int, end: int) -> int:
    """The length of an added run, if the same words stand right before or right after it."""
    size = end - start
    run = words[start:end]
    twice = run in (words[max(0, start - size) : start], words[end : end + size])
    return size if twice else 0


def _language(timeline: Timeline, utterances: Utterances) -> str:
    config = timeline.header.config.get("language_config")
    asked = config.get("languages") if isinstance(config, dict) else None
    if isinstance(asked, list) and len(asked) == 1:
        return str(asked[0])
    heard = [utterance.language for utterance, _ in utterances.finished if utterance.language]
    return max(set(heard), key=heard.count) if heard else "en"
