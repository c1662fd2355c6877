"""How late everything came: from the plan (the headline) and from the send.

From the plan: what came, less when the plan had the audio spoken; an outage or a late sender does
not make words vanish or look fast. From the send: less when that audio was first handed to a
socket; repeats do not count. Nothing is clamped. A negative word latency is counted and listed,
and against true word times such a word earns no first-word time: it was guessed, not heard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from msgspec import Struct

from replay import callbacks, connect
from replay.journal import Ended, StopSent
from replay.lags import pace, partial_lags
from replay.reading import Reading
from replay.statistics import RULE, Distribution, Floats, Series
from replay.timeline import Timeline
from replay.wire.messages import EndSession, PostFinalTranscript, StopAck, Transcript
from replay.words import Anchor, Words

_NS_PER_MS = 1e6
_LISTED = 20


class Latencies(Struct, kw_only=True):
    """One origin's distributions, in ms.

    ack: acknowledgement of each chunk. first_partial: from the utterance's first sound to its
    first partial. partial_lag: how far a partial's end lies behind the audio cursor, which moves
    evenly and not by chunks; by the clock, as all else here: at twice real time two seconds of
    audio are one. word_first, word_stable, word_final: from the end of each word.
    final: from the end of the utterance, with the service's own wait for silence;
    final_forced: the same for finals that came after the stop was sent. endpointing: from the
    end of the utterance to speech_end; decoding: from there to the final, both of finals that
    nothing forced.
    """

    ack: Distribution
    first_partial: Distribution
    partial_lag: Distribution
    word_first: Distribution
    word_stable: Distribution
    word_final: Distribution
    final: Distribution
    final_forced: Distribution
    endpointing: Distribution
    decoding: Distribution


class Negative(Struct, kw_only=True):
    """A word that came before it was said. `at`: its end, in seconds of audio."""

    word: str
    measure: str
    ms: float
    at: float


class Latency(Struct, kw_only=True):
    """`reference`: what words are measured against, true times or the service's own; `words_used`:
    the share of its words that could be. `negative` counts, `negatives` lists the first.
    `undisturbed`: from the plan, of what no outage touched; None when there was none.
    `first_text_ms`: from the plan's zero to the first text of all: with leading silence, and with
    where its first word lies. `left_to_process_ms`: audio that the service had not heard yet when
    it acknowledged the stop, by its own account."""

    from_plan: Latencies
    from_send: Latencies
    undisturbed: Latencies | None = None
    connect: connect.Connect
    first_text_ms: float | None
    end_of_session_ms: float | None
    left_to_process_ms: float | None
    quantiles: str = RULE
    reference: Anchor
    words_used: float | None
    negative: int
    negatives: list[Negative]
    callback: callbacks.Callbacks | None = None


def measure(reading: Reading) -> Latency:
    """All latencies of a run."""
    timeline, words = reading.timeline, reading.words
    negatives = _negatives(timeline, words)
    return Latency(
        from_plan=_figures(series(reading, plan=True)),
        from_send=_figures(series(reading, plan=False)),
        undisturbed=_figures(undisturbed(reading)) if reading.windows else None,
        connect=connect.measure(timeline),
        first_text_ms=_first_text(timeline),
        end_of_session_ms=_end_of_session(timeline),
        left_to_process_ms=_left_to_process(timeline),
        reference=words.reference,
        words_used=None if words.used is None else round(words.used, 4),
        negative=len(negatives),
        negatives=negatives[:_LISTED],
        callback=callbacks.measure(timeline, _spoken(reading)),
    )


def _figures(found: Mapping[str, Series]) -> Latencies:
    return Latencies(**{name: each.distribution() for name, each in found.items()})


def _spoken(reading: Reading) -> dict[str, float]:
    """When the plan had each utterance spoken, in ns, by its id."""
    names = [each.id for each, _ in reading.utterances.finished]
    return dict(zip(names, reading.timeline.due(reading.ends.end).tolist(), strict=True))


Clear = Callable[[Floats, Floats], Floats]


def _all_clear(offsets: Floats, until: Floats) -> Floats:  # noqa: ARG001
    return offsets


def untouched(reading: Reading) -> Clear:
    """Takes out what was spoken before the end of an outage and told after its beginning."""
    timeline = reading.timeline

    def clear(offsets: Floats, until: Floats) -> Floats:
        spoken = timeline.due(offsets)
        hit = np.zeros(len(offsets), dtype=bool)
        for begun, over in reading.windows:
            hit |= (spoken <= over) & (np.where(np.isnan(until), timeline.last, until) >= begun)
        return np.where(hit, np.nan, offsets)

    return clear


def undisturbed(reading: Reading) -> dict[str, Series]:
    """As `series` from the plan, without what an outage touched."""
    ends, clear = reading.ends, untouched(reading)
    clean = replace(
        ends,
        onset=clear(ends.onset, ends.first_partial),
        end=clear(ends.end, ends.final),
        speech_end=np.where(np.isnan(clear(ends.end, ends.final)), np.nan, ends.speech_end),
    )
    said = replace(reading.words, ends=clear(reading.words.ends, reading.words.column("final")))
    return series(replace(reading, ends=clean, words=said), plan=True, clear=clear)


def series(reading: Reading, *, plan: bool, clear: Clear = _all_clear) -> dict[str, Series]:
    """Every single value behind `Latencies`, by the names of its fields; words and utterances in
    the order of `Words.emissions` and `Utterances.finished`, NaN where one does not apply.

    Args:
        plan: from the plan, or else from the send.
        clear: takes out what is not to count: offsets of what was spoken, and when it was told, in;
            the offsets out, NaN in place of some.
    """
    timeline, words, ends = reading.timeline, reading.words, reading.ends
    origin = timeline.due if plan else timeline.first_sent
    said = origin(words.ends)
    first = words.column("first") - said
    if words.reference == "words":
        early = words.column("first") < timeline.due(words.ends)
        first = np.where(early, np.nan, first)
    spoken = origin(ends.end)
    final = ends.final - spoken
    natural = ends.forced == 0
    noticed = np.where(natural, ends.speech_end, np.nan)
    return {
        "ack": _acks(timeline, clear, plan=plan),
        "first_partial": Series.of_ns(ends.first_partial - origin(ends.onset)),
        "partial_lag": _lag(reading, clear, plan=plan),
        "word_first": Series.of_ns(first),
        "word_stable": Series.of_ns(words.column("stable") - said),
        "word_final": Series.of_ns(words.column("final") - said),
        "final": Series.of_ns(
            np.where(natural, final, np.nan), _unfinished(reading, clear, plan=plan)
        ),
        "final_forced": Series.of_ns(np.where(natural, np.nan, final)),
        "endpointing": Series.of_ns(noticed - spoken),
        "decoding": Series.of_ns(ends.final - noticed),
    }


def _acks(timeline: Timeline, clear: Clear, *, plan: bool) -> Series:
    """By chunk, not by acknowledgement: after an outage one of them answers for many chunks."""
    ends = timeline.chunks.offset + timeline.chunks.size
    kept = ~np.isnan(clear(ends.astype(np.float64), timeline.acknowledged(ends)))
    ends = ends[kept]
    since = timeline.chunks.due[kept].astype(np.float64) if plan else timeline.first_sent(ends)
    acked = timeline.acknowledged(ends)
    return Series.of_ns(acked - since, (timeline.last - since)[np.isnan(acked)])


def _lag(reading: Reading, clear: Clear, *, plan: bool) -> Series:
    timeline = reading.timeline
    cursor = timeline.spoken if plan else timeline.handed_over
    times, lags = partial_lags(timeline, reading.utterances, cursor)
    reached = (cursor(times) - lags * pace(timeline)) * timeline.format.bytes_per_second
    return Series(lags[~np.isnan(clear(reached, times))] * 1e3)


def _unfinished(reading: Reading, clear: Clear, *, plan: bool) -> Floats:
    """How long the finals that never came had been waited for when the run ended, in ns."""
    timeline = reading.timeline
    ends = [each.partials[-1].end for each in reading.utterances.all if each.final is None]
    offsets = timeline.offset_of(np.array(ends, dtype=np.float64))
    kept = ~np.isnan(clear(offsets, np.full(len(offsets), np.nan)))
    origin = timeline.due if plan else timeline.first_sent
    return np.asarray(timeline.last - origin(offsets[kept]))


def _negatives(timeline: Timeline, words: Words) -> list[Negative]:
    said = timeline.due(words.ends)
    found: list[Negative] = []
    for name in ("first", "stable", "final"):
        late = words.column(name) - said
        found += [
            Negative(
                word=words.emissions[k].word,
                measure=f"word_{name}",
                ms=round(float(late[k]) / _NS_PER_MS, 3),
                at=round(float(words.ends[k]) / timeline.format.bytes_per_second, 3),
            )
            for k in np.flatnonzero(late < 0)
        ]
    return sorted(found, key=lambda each: (each.at, each.measure))


def _end_of_session(timeline: Timeline) -> float | None:
    """From the first stop sent to end_session; without lifecycle events to what stands for it."""
    stop = timeline.first(StopSent)
    over = [
        heard.t
        for kind in (EndSession, PostFinalTranscript)
        for heard, _ in timeline.messages(kind)
    ]
    ended = timeline.first(Ended)
    if not over and ended is not None and ended.outcome == "complete":
        over = [ended.t]
    return round((over[0] - stop.t) / _NS_PER_MS, 3) if stop and over else None


def _first_text(timeline: Timeline) -> float | None:
    texts = (
        heard.t
        for heard, message in timeline.messages(Transcript)
        if message.data.utterance.text.strip()
    )
    first = next(texts, None)
    return None if first is None else round((first - timeline.zero) / _NS_PER_MS, 3)


def _left_to_process(timeline: Timeline) -> float | None:
    told = [ack.data for _, ack in timeline.messages(StopAck) if ack.acknowledged]
    if not told or told[0] is None:
        return None
    return round(told[0].recording_left_to_process * 1e3, 3)
