"""What one run measured, item by item, in the form in which runs are compared with each other.

The same audio gives the same words on both sides of a comparison, so that values can be paired: a
word by its place in the reference, or, where the service's own times stand for one, by alignment of
what was heard. A sample is small enough to be committed with a baseline.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from replay import cadence, latency, network, stability
from replay.reading import Reading
from replay.statistics import Floats, Series
from replay.summary import Summary
from replay.words import Anchor

#: Measures with a value for each word, and for each utterance; named as in `latency.Latencies`.
BY_WORD = ("word_first", "word_stable", "word_final")
BY_UTTERANCE = ("first_partial", "final", "final_forced", "endpointing", "decoding")
#: Those of `BY_UTTERANCE` that belong to an utterance's first word; the others to its last.
AT_ONSET = ("first_partial",)
#: Measures with a value for each run; of those with many the median.
BY_RUN = (
    "ack",
    "partial_lag",
    "round_trip",
    "partial_gap",
    "end_of_session",
    "first_text",
    "down",
    "caught_up",
)
#: Measures that are ratios of counts.
RATES = (
    "unstable_partial_word_ratio",
    "erasure",
    "revised_partials",
    "wer",
    "wer_streaming",
    "lost_words",
)

_DIGITS = 3


class Sample(Struct, kw_only=True):
    """Times in ms from the plan, None where a measure does not apply.

    Attributes:
        anchor: what words are measured against.
        word, truth, end: each word of the finals, folded; its number in the reference, -1 for none;
            where it ends, in seconds of audio.
        words: by measure, a value for each word.
        first_word, last_word: of each utterance with a final, -1 for none.
        utterances: by measure, a value for each utterance.
        censored: how long finals that never came had been waited for.
        values: by measure, one value.
        rates: by measure, its numerator and its denominator.
    """

    anchor: Anchor
    word: list[str]
    truth: list[int]
    end: list[float | None]
    words: dict[str, list[float | None]]
    first_word: list[int]
    last_word: list[int]
    utterances: dict[str, list[float | None]]
    censored: list[float]
    values: dict[str, float]
    rates: dict[str, tuple[int, int]]


def take(reading: Reading, summary: Summary) -> Sample:
    """The sample of a run; `summary` is the same run's."""
    found = latency.series(reading, plan=True)
    words, ends = reading.words, reading.ends
    rate = reading.timeline.format.bytes_per_second
    return Sample(
        anchor=words.reference,
        word=[each.word for each in words.emissions],
        truth=words.truth.astype(int).tolist(),
        end=_plain(words.ends / rate),
        words={name: _plain(found[name].values) for name in BY_WORD},
        first_word=ends.first_word.astype(int).tolist(),
        last_word=ends.last_word.astype(int).tolist(),
        utterances={name: _plain(found[name].values) for name in BY_UTTERANCE},
        censored=[float(each) for each in np.round(found["final"].censored, _DIGITS)],
        values=_values(reading, summary, found),
        rates=_rates(reading, summary),
    )


def _values(reading: Reading, summary: Summary, found: dict[str, Series]) -> dict[str, float]:
    trips = network.series(reading.timeline, reading.utterances, None)["round_trip"]
    outages = summary.outages
    values = {
        "ack": _median(found["ack"].values),
        "partial_lag": _median(found["partial_lag"].values),
        "round_trip": _median(trips.values),
        "partial_gap": _median(cadence.gaps(reading.utterances).values),
        "end_of_session": summary.latency.end_of_session_ms,
        "first_text": summary.latency.first_text_ms,
        "down": _median(_known([each.down_ms for each in outages])),
        "caught_up": _median(_known([each.caught_up_ms for each in outages])),
    }
    return {name: value for name, value in values.items() if value is not None}


def _rates(reading: Reading, summary: Summary) -> dict[str, tuple[int, int]]:
    churn = stability.count(reading.utterances)
    rates = {
        "unstable_partial_word_ratio": (churn.unstable, churn.words),
        "erasure": (churn.erased, churn.words),
        "revised_partials": (churn.revised, churn.versions),
    }
    said = summary.transcript
    if said.reference_words and said.errors is not None and said.lost is not None:
        rates["wer"] = (said.errors, said.reference_words)
        rates["wer_streaming"] = (said.streaming_errors or 0, said.reference_words)
        rates["lost_words"] = (said.lost, said.reference_words)
    return {name: counts for name, counts in rates.items() if counts[1]}


def _known(values: list[float | None]) -> Floats:
    return np.array([each for each in values if each is not None], dtype=np.float64)


def _median(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return round(float(np.median(known)), _DIGITS) if len(known) else None


def _plain(values: Floats) -> list[float | None]:
    return [None if np.isnan(each) else round(float(each), _DIGITS) for each in values]
