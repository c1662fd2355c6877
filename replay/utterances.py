"""The transcripts of a session, gathered into utterances.

Words are compared folded (no case, no punctuation). A final that comes a second time, as a
service may send it after a reconnection, is counted and otherwise left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from replay.align import fold
from replay.statistics import Floats
from replay.timeline import Timeline
from replay.wire.messages import Transcript


@dataclass(frozen=True, slots=True)
class Version:
    """One transcript message: when it came, on which connection, and what it showed.

    `raw` and `words` are the same words as written and folded; `ends` their times by the service
    in seconds, or empty when it gave none; `start` and `end` those of the utterance. `created_at`
    is the service's own stamp.
    """

    t: int
    connection: int
    text: str
    raw: tuple[str, ...]
    words: tuple[str, ...]
    starts: tuple[float, ...]
    ends: tuple[float, ...]
    start: float
    end: float
    created_at: str = ""


@dataclass(slots=True)
class Utterance:
    """All versions of one utterance; `final` is None when none came."""

    id: str
    channel: int
    language: str = ""
    partials: list[Version] = field(default_factory=list)
    final: Version | None = None


@dataclass(frozen=True)
class Utterances:
    """Every utterance in the order of its first message; `repeated` counts finals sent again."""

    all: list[Utterance]
    repeated: int

    @cached_property
    def reached(self) -> Floats:
        """Of each partial, by time, when it came (ns) and how far it reaches (service seconds)."""
        partials = sorted((p.t, p.end) for each in self.all for p in each.partials)
        return np.array(partials, dtype=np.float64).reshape(len(partials), 2)

    @property
    def finished(self) -> list[tuple[Utterance, Version]]:
        """Those with a final, by channel and by when they were spoken."""
        pairs = [(each, each.final) for each in self.all if each.final is not None]
        return sorted(pairs, key=lambda pair: (pair[0].channel, pair[1].start))


def gather(timeline: Timeline) -> Utterances:
    """Fold the transcript messages of a run."""
    found: dict[tuple[int, str], Utterance] = {}
    repeated = 0
    for heard, message in timeline.messages(Transcript):
        data, spoken = message.data, message.data.utterance
        key = (spoken.channel, data.id)
        utterance = found.setdefault(key, Utterance(data.id, spoken.channel, spoken.language))
        if utterance.final is not None:
            repeated += data.is_final
            continue
        version = _version(heard.t, heard.connection, message)
        if data.is_final:
            utterance.final = version
        else:
            utterance.partials.append(version)
    return Utterances(list(found.values()), repeated)


def _version(t: int, connection: int, message: Transcript) -> Version:
    spoken = message.data.utterance
    timed = spoken.words
    raw = [word.word.strip() for word in timed]
    folded = [fold(word) for word in raw]
    if not all(folded):
        timed = [word for word in timed if fold(word.word)]
        raw = [word for word in raw if fold(word)]
        folded = list(filter(None, folded))
    if not timed:
        raw = [word for word in spoken.text.split() if fold(word)]
        folded = [fold(word) for word in raw]
    return Version(
        t=t,
        connection=connection,
        text=spoken.text.strip(),
        raw=tuple(raw),
        words=tuple(folded),
        starts=tuple([word.start for word in timed]),
        ends=tuple([word.end for word in timed]),
        start=spoken.start,
        end=spoken.end,
        created_at=message.created_at,
    )
