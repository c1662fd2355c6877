"""Where the time of a final word goes: step by step, from its last sound to its arrival.

The steps follow each other without a gap, so that they add up to the word's latency from the plan:

    rest         the utterance goes on: until its last sound, which no service can answer before
    frame        until the chunk with that sound is full, and was handed to the socket
    uplink       until it is at the service
    endpointing  until the service says that the speech has ended (`speech_end`)
    decoding     until it has made the final
    downlink     until that is here

The borders inside the service are its own stamps, put beside our clock (`network`): estimates, with
the error bound given there, and twice that for endpointing, both of whose borders are estimated in
different ways. Where a service sends no `speech_end`, its endpointing and decoding
cannot be told apart, and both stand under decoding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from msgspec import Struct

from replay.ends import Ends
from replay.network import Split, stamps
from replay.statistics import Distribution, Floats, milliseconds
from replay.timeline import Timeline
from replay.utterances import Utterances
from replay.wire.messages import SpeechEnd
from replay.words import Words

STEPS = ("rest", "frame", "uplink", "endpointing", "decoding", "downlink")

_NS_PER_MS = 1e6


class Waterfall(Struct, kw_only=True):
    """The steps of every word of a natural final, in ms; `bound_ms` as in `network.Network`.

    words: how many could be taken apart. A final that the stop brought about waits for no silence
    and is left out.
    """

    words: int
    bound_ms: float | None = None
    rest: Distribution
    frame: Distribution
    uplink: Distribution
    endpointing: Distribution
    decoding: Distribution
    downlink: Distribution


@dataclass(frozen=True, slots=True)
class Steps:
    """Row by row the words that could be taken apart; `word` numbers `Words.emissions`.

    `took`: (words, steps) in ms, NaN where a step cannot be told from the next.
    """

    word: Floats
    took: Floats


def steps(
    timeline: Timeline, utterances: Utterances, words: Words, ends: Ends, split: Split | None
) -> Steps:
    """Take every word apart that can be."""
    nothing = Steps(np.empty(0), np.empty((0, len(STEPS))))
    if split is None or not words.emissions:
        return nothing
    of = words.column("utterance").astype(np.int64)
    finals = [final for _, final in utterances.finished]
    made = split.journal_time(stamps([final.created_at for final in finals]))
    noticed = _noticed(timeline, ends, split)
    noticed = np.where(noticed > made, np.nan, noticed)
    here = split.arrived(ends.end)
    spoken = timeline.due(ends.end)
    borders = np.stack(
        [
            timeline.due(words.ends),
            spoken[of],
            timeline.first_sent(ends.end)[of],
            here[of],
            np.where(np.isnan(noticed), here, noticed)[of],
            made[of],
            ends.final[of],
        ],
        axis=1,
    )
    took = np.diff(borders, axis=1) / _NS_PER_MS
    took[:, STEPS.index("endpointing")] = np.where(
        np.isnan(noticed)[of], np.nan, took[:, STEPS.index("endpointing")]
    )
    whole = ~np.isnan(borders).any(axis=1) & (ends.forced[of] == 0)
    return Steps(np.flatnonzero(whole).astype(np.float64), took[whole])


def measure(found: Steps, split: Split | None) -> Waterfall:
    """The distribution of each step."""
    columns = {
        name: milliseconds(found.took[:, index] * _NS_PER_MS) for index, name in enumerate(STEPS)
    }
    return Waterfall(
        words=len(found.word),
        bound_ms=None if split is None else round(split.bound / _NS_PER_MS, 3),
        **columns,
    )


def _noticed(timeline: Timeline, ends: Ends, split: Split) -> Floats:
    """When each utterance's `speech_end` was created, by the journal's clock, or NaN."""
    said = [message.created_at for _, message in timeline.messages(SpeechEnd)]
    made = np.append(split.journal_time(stamps(said)), np.nan)
    return made[ends.noticed.astype(np.int64)]
