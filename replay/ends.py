"""Where utterances begin and end in the audio, and when what is measured of them came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from replay.journal import StopSent
from replay.statistics import Floats
from replay.timeline import Timeline
from replay.utterances import Utterances
from replay.wire.messages import SpeechEnd
from replay.words import Words

#: A speech_end is taken for an utterance's when it lies within this of its end, in seconds.
_SAME_END = 1.0


@dataclass(frozen=True, slots=True)
class Ends:
    """The utterances with a final, in the order of `Utterances.finished`, as columns.

    Attributes:
        onset, end: offsets (bytes) of the first sound and of the end; NaN where that is not known.
        first_partial, final: when they came, in journal ns; NaN where none did.
        forced: 1 where the final came after the stop was sent, else 0.
        speech_end: when the message came that the speech had ended, in journal ns, or NaN.
        noticed: which of the journal's `speech_end` messages that was, or -1.
        first_word, last_word: the utterance's own, as numbers of `Words.emissions`; -1 for none.
    """

    onset: Floats
    end: Floats
    first_partial: Floats
    final: Floats
    forced: Floats
    speech_end: Floats
    noticed: Floats
    first_word: Floats
    last_word: Floats


def gather(timeline: Timeline, utterances: Utterances, words: Words) -> Ends:
    """Utterances begin and end with their own words, or as the service says without any."""
    finished = utterances.finished
    onset = timeline.offset_of([final.start for _, final in finished])
    end = timeline.offset_of([final.end for _, final in finished])
    if words.reference == "words":
        onset[:], end[:] = np.nan, np.nan
    number = words.column("utterance").astype(np.int64)
    begins = np.flatnonzero(np.diff(number, prepend=-1))
    closes = np.flatnonzero(np.diff(number, append=-1))
    # Only an utterance's own first and last word say where it is: a neighbour's time is not theirs.
    onset[number[begins]] = words.starts[begins]
    end[number[closes]] = words.ends[closes]
    first_word, last_word = np.full((2, len(finished)), -1.0)
    first_word[number[begins]], last_word[number[closes]] = begins, closes
    stop = timeline.first(StopSent)
    told, noticed = _speech_ends(timeline, utterances)
    return Ends(
        onset=onset,
        end=end,
        first_partial=np.array(
            [each.partials[0].t if each.partials else np.nan for each, _ in finished],
            dtype=np.float64,
        ),
        final=np.array([final.t for _, final in finished], dtype=np.float64),
        forced=np.array(
            [stop is not None and final.t > stop.t for _, final in finished], dtype=np.float64
        ),
        speech_end=told,
        noticed=noticed,
        first_word=first_word,
        last_word=last_word,
    )


def _speech_ends(timeline: Timeline, utterances: Utterances) -> tuple[Floats, Floats]:
    """When the speech_end nearest to each utterance's end came, and which of all it was."""
    said = [
        (message.data.channel, message.data.time, heard.t, number)
        for number, (heard, message) in enumerate(timeline.messages(SpeechEnd))
    ]
    by_channel = {
        channel: np.array(sorted((time, t, k) for c, time, t, k in said if c == channel))
        for channel in {channel for channel, *_ in said}
    }
    came, which = [], []
    for utterance, final in utterances.finished:
        table = by_channel.get(utterance.channel)
        near = None if table is None else _nearest(table, final.end)
        came.append(np.nan if near is None else float(near[1]))
        which.append(-1.0 if near is None else float(near[2]))
    return np.array(came, dtype=np.float64), np.array(which, dtype=np.float64)


def _nearest(table: Floats, end: float) -> Floats | None:
    """The row of `table`, sorted by its first column, that is nearest to `end`, if near at all."""
    at = int(np.searchsorted(table[:, 0], end))
    row: Floats = min(table[max(0, at - 1) : at + 1], key=lambda each: abs(each[0] - end))
    return row if abs(row[0] - end) <= _SAME_END else None
