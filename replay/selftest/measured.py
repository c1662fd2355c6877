"""What the instrument makes of a trial's sessions: the same figures that a benchmark shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from replay import figures, latency, pacing, samples
from replay.continuity import Comparison
from replay.reading import Reading, read
from replay.selftest.result import FROM_SEND
from replay.selftest.truth import ANSWERS
from replay.statistics import Distribution, Floats, pool
from replay.summary import Summary, summarise
from replay.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Measured:
    """The sessions of one trial together.

    Attributes:
        figures: by the names of `truth.Truth`; distributions are pooled over the rounds, counts
            added up, and other numbers the first round's.
        answers: round by round, for every answer when it came by the measure that tells of it, ms.
        lateness: of our own chunks, all rounds together, in ms.
        invalid: why a session says nothing of its target.
    """

    figures: Mapping[str, Distribution | float | None]
    answers: Sequence[Floats]
    lateness: Floats
    invalid: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Session:
    reading: Reading
    summary: Summary


def measure(sessions: Sequence[tuple[Timeline, Comparison | None]]) -> Measured:
    """Each session: its journal read back, and what became of its audio."""
    found = [_Session(read(timeline), summarise(timeline, audio)) for timeline, audio in sessions]
    return Measured(
        {**_pooled(found), **_facts(found)},
        [_answers(each.reading) for each in found],
        np.concatenate([pacing.lateness_ms(each.reading.timeline) for each in found]),
        [
            each.summary.validity.reasons[0]
            for each in found
            if each.summary.validity.verdict == "invalid"
        ],
    )


def _pooled(found: Sequence[_Session]) -> dict[str, Distribution | float | None]:
    runs = [
        figures.values(each.reading, each.summary, samples.take(each.reading, each.summary))
        for each in found
    ]
    pooled = figures.pooled(runs)
    sent = [latency.series(each.reading, plan=False) for each in found]
    pooled |= {
        FROM_SEND + name: pool([each[name] for each in sent]).distribution() for name in sent[0]
    }
    return pooled


def _facts(found: Sequence[_Session]) -> dict[str, float | None]:
    first = found[0].summary
    raw, said, outages = first.stability.raw, first.transcript, first.outages
    return {
        "raw_unstable_partial_word_ratio": raw.unstable_partial_word_ratio,
        "raw_erasure": raw.erasure,
        "raw_revised_partials": raw.revised_partials,
        "words": sum(each.summary.transcript.words for each in found),
        "finals": sum(each.summary.transcript.finals for each in found),
        "partials": sum(each.summary.cadence.partials for each in found),
        "duplicated_words": said.duplicated,
        "changed_words": said.changed,
        "wer_result": said.wer_result,
        "clock_ahead": first.network.offset_ms,
        "clock_gain": first.network.skew_ppm,
        "error_bound": first.network.bound_ms,
        "resent_bytes": sum(each.resent_bytes for each in outages),
        "backoff": sum(each.backoff_ms or 0.0 for each in outages),
        "reconnects": first.session.reconnects,
        "faults_fired": first.faults.fired,
    }


def _answers(reading: Reading) -> Floats:
    found = latency.series(reading, plan=True)
    values = np.concatenate([found[name].values for name in ANSWERS])
    return np.asarray(values[~np.isnan(values)])
