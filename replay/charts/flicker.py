"""What each version of an utterance kept of the one before, and what the next one took back."""

from __future__ import annotations

from dataclasses import dataclass

from replay.align import align, common_prefix
from replay.utterances import Utterance, Version


@dataclass(frozen=True, slots=True)
class Edit:
    """One version beside its neighbours; words are numbered within it.

    kept: so many first words are written as they were in the version before.
    taken_back: the words that the next version changed or dropped, folded; as `stability` counts.
    """

    version: Version
    kept: int
    taken_back: list[int]


def edits(utterance: Utterance) -> list[Edit]:
    """All versions in order, the final last if there is one."""
    versions = [*utterance.partials, *([utterance.final] if utterance.final else [])]
    found = []
    for index, version in enumerate(versions):
        before = versions[index - 1].raw if index else ()
        after = versions[index + 1].words if index + 1 < len(versions) else version.words
        found.append(
            Edit(version, common_prefix(before, version.raw), _taken_back(version.words, after))
        )
    return found


def _taken_back(before: tuple[str, ...], after: tuple[str, ...]) -> list[int]:
    same = common_prefix(before, after)
    if same == len(before):
        return []
    stayed = {same + i for i, _ in align(before[same:], after[same:])}
    return [index for index in range(same, len(before)) if index not in stayed]
