"""From a session's own summary and journal to what is kept of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from replay import journal, latency, pacing
from replay.continuity import Comparison, Finding
from replay.endurance.histogram import Encoded, Histogram
from replay.endurance.outcome import (
    BY_MINUTE,
    LATENCIES,
    MINUTE_DIGITS,
    AudioTotals,
    Back,
    Minute,
    Outcome,
    Place,
    Recovered,
    Verdict,
    Window,
)
from replay.judge import Case, herd
from replay.outages import Outage, losses, unended
from replay.reading import Reading, read
from replay.recoveries import kind_of
from replay.statistics import Floats, Series
from replay.summary import Summary
from replay.timeline import Timeline

_NS = 1e9
_MINUTE = 60
_KEPT = 20
#: A fault and the outage that it brings lie so near to each other, in seconds.
_TOGETHER = 0.25
_GRAVITY = {"error": 0, "warning": 1, "info": 2}
#: Of partials that lag, where the session ends sooner after a loss nobody can tell whether they
#: would not have been back in a moment.
_WATCHED_MS = 10_000.0
#: What only a session that came to its end can have kept: one that was cut off cannot be blamed.
_ASK_FOR_AN_END = frozenset({"A1", "T1", "T2", "R1", "R2", "M2", "S1", "S4", "C1", "V1"})


def outcome(
    summary: Summary,
    timeline: Timeline,
    comparison: Comparison | None,
    place: Place,
    reading: Reading | None = None,
) -> Outcome:
    """What is kept of a session.

    Args:
        summary, timeline, comparison: of its run; the comparison where there is a recording.
        place: where it belongs.
        reading: of the timeline, where it has been read already.
    """
    reading = reading or read(timeline)
    mistimed = summary.validity.verdict == "invalid"
    found = {} if mistimed else latency.series(reading, plan=True)
    clear = latency.undisturbed(reading) if found and reading.windows else found
    verdict, reasons = _verdict(summary, comparison, place)
    said = summary.transcript
    fired = timeline.all(journal.FaultFired)
    return Outcome(
        place=place,
        ended=_at(place, timeline.last),
        seconds=round(timeline.format.seconds(timeline.produced), 3),
        verdict=verdict,
        reasons=reasons,
        doubts=_doubts(summary, reasons) if verdict == "unknown" and not place.cut else [],
        findings=sorted(summary.findings, key=_gravity)[:_KEPT],
        found=len(summary.findings),
        invariants=dict(summary.invariants),
        audio=_audio(summary, comparison, place),
        words_lost=None if place.cut else said.lost,
        words_duplicated=None if place.cut else said.duplicated,
        words_changed=None if place.cut else said.changed,
        reconnects=summary.session.reconnects,
        faults=dict(sorted(Counter(each.fault for each in fired).items())),
        asked=summary.faults.asked,
        missed=[] if place.cut else list(summary.faults.missed),
        windows=_windows(reading, fired, place),
        outages=_outages(reading, place),
        latency=_histograms(found),
        undisturbed=_histograms(clear) if reading.windows else {},
        lateness=Histogram.of(Series(pacing.lateness_ms(timeline))).encoded()
        if timeline.speed
        else Encoded(),
        mistimed=mistimed,
        stalls=len(timeline.all(journal.Stall)),
        minutes=_minutes(reading, found, place) if found else [],
        backs=_backs(timeline, place),
    )


def _at(place: Place, t: float) -> float:
    """Journal time in seconds of the soak's clock."""
    return round(place.began + t / _NS, 3)


def _gravity(finding: Finding) -> int:
    return _GRAVITY[finding.severity]


# ------------------------------------------------------------------ the verdict


def _verdict(
    summary: Summary, comparison: Comparison | None, place: Place
) -> tuple[Verdict, list[str]]:
    """The session's own, unless it was cut off from outside: then it never passes, and fails only
    for what the cut cannot have done."""
    if not place.cut:
        kept = [each for each in summary.reasons if each not in _vacuous(summary)]
        # One session of many may well be spared: whether a fault fired is asked of the soak.
        spared = summary.verdict == "unknown" and not kept
        return ("pass", []) if spared else (summary.verdict, kept)
    reasons = [
        each.detail
        for each in summary.findings
        if each.severity == "error" and each.invariant not in _ASK_FOR_AN_END
    ]
    if comparison is not None:
        lost, garbage = _lost_for_good(comparison, summary), comparison.garbage_bytes
        reasons += [f"{lost:,} bytes that were acknowledged are not in the recording"] * bool(lost)
        reasons += [f"{garbage:,} bytes of the recording were never sent"] * bool(garbage)
    if reasons:
        return "fail", reasons
    return "unknown", ["cut off from outside before its end"]


def _doubts(summary: Summary, reasons: list[str]) -> list[str]:
    """Reasons to doubt that the session was kept whole."""
    return [each for each in reasons if each not in summary.validity.reasons]


def _vacuous(summary: Summary) -> set[str]:
    """Reasons that say no more than that a fault did not fire."""
    return {each.detail for each in summary.findings if each.invariant == "V1"}


def _lost_for_good(comparison: Comparison, summary: Summary) -> int:
    """Bytes that are missing though they had been acknowledged."""
    acked = summary.audio.acked_bytes
    return sum(
        max(min(each.offset + each.size, acked) - each.offset, 0)
        for each in comparison.ranges
        if each.kind == "lost" and each.offset is not None
    )


def _audio(summary: Summary, comparison: Comparison | None, place: Place) -> AudioTotals:
    audio = summary.audio
    lost = audio.lost_bytes
    if place.cut and comparison is not None:
        lost = _lost_for_good(comparison, summary)
    return AudioTotals(
        sent=audio.sent_bytes,
        acked=audio.acked_bytes,
        recorded=audio.recorded_bytes,
        lost=lost,
        repeated=audio.repeated_bytes,
        reordered=audio.reordered,
        garbage=audio.garbage_bytes,
    )


# ------------------------------------------------------------------ what was disturbed


def _outages(reading: Reading, place: Place) -> list[Recovered]:
    timeline, found = reading.timeline, reading.outages
    bounds = unended(timeline, reading.utterances, found)
    return [
        _recovered(place, lost.t, each, lasting)
        for lost, each, lasting in zip(losses(timeline), found, bounds, strict=True)
    ]


def _backs(timeline: Timeline, place: Place) -> list[Back]:
    return [
        Back(each.lost, list(each.attempts), _at(place, each.at))
        for each in herd.returns(Case(timeline))
    ]


def _recovered(place: Place, lost: int, outage: Outage, lasting: float | None) -> Recovered:
    unsettled = False
    if outage.down_ms is None:
        lasting = None if place.cut else lasting  # it might have come back in a moment
    elif lasting is not None and lasting < _WATCHED_MS:
        lasting, unsettled = None, True
    return Recovered(
        at=_at(place, lost),
        kind=kind_of(outage.fault),
        cause=outage.cause,
        detect=outage.detect_ms,
        down=outage.down_ms,
        backoff=outage.backoff_ms,
        connect=outage.connect_ms,
        flush=outage.flush_ms,
        first_ack=outage.first_ack_ms,
        first_transcript=outage.first_transcript_ms,
        caught_up=outage.caught_up_ms,
        resent=outage.resent_bytes,
        lasting=lasting,
        unsettled=unsettled,
    )


def _windows(reading: Reading, fired: Iterable[journal.FaultFired], place: Place) -> list[Window]:
    """Outages, and faults as long as they lasted; those of one kind that touch are one."""
    spans = [
        (kind_of(each.fault), begun, over)
        for each, (begun, over) in zip(reading.outages, reading.windows, strict=True)
    ]
    spans += [(e.fault, e.t, e.t if e.until is None else e.until) for e in fired]
    windows = [Window(_at(place, begun), _at(place, over), kind) for kind, begun, over in spans]
    together = joined(windows, _TOGETHER)
    return sorted(together, key=lambda each: (each.begun, each.over, each.kind))


def joined(windows: Iterable[Window], gap: float = 0.0) -> list[Window]:
    """Windows of one kind that overlap, or lie within `gap` seconds of each other, as one."""
    found: list[Window] = []
    for each in sorted(windows, key=lambda each: (each.kind, each.begun, each.over)):
        last = found[-1] if found else None
        if last is not None and last.kind == each.kind and each.begun <= last.over + gap:
            found[-1] = Window(last.begun, max(last.over, each.over), last.kind)
        else:
            found.append(each)
    return found


# ------------------------------------------------------------------ latencies


def _histograms(found: dict[str, Series]) -> dict[str, Encoded]:
    made = {name: Histogram.of(found[name]) for name in LATENCIES if name in found}
    return {name: each.encoded() for name, each in made.items() if each.n}


def _minutes(reading: Reading, found: dict[str, Series], place: Place) -> list[Minute]:
    """By when it was spoken."""
    timeline, words = reading.timeline, reading.words
    chunks = timeline.chunks
    ends = (chunks.offset + chunks.size).astype(np.float64)
    origin = {"ack": chunks.due.astype(np.float64), "word_final": timeline.due(words.ends)}
    offsets = {"ack": ends, "word_final": words.ends}
    told = {"ack": timeline.acknowledged(ends), "word_final": words.column("final")}
    clear = latency.untouched(reading)
    minutes: dict[int, Minute] = {}
    for name in BY_MINUTE:
        kept = ~np.isnan(clear(offsets[name], told[name]))
        number = np.floor((place.began + origin[name] / _NS) / _MINUTE)
        for at in np.unique(number[~np.isnan(number)]).astype(int).tolist():
            minute = minutes.setdefault(at, Minute(at=at))
            _put(minute.latency, name, found[name], number == at)
            if reading.windows:
                _put(minute.undisturbed, name, found[name], (number == at) & kept)
    return [minutes[at] for at in sorted(minutes)]


def _put(into: dict[str, Encoded], name: str, series: Series, rows: Floats) -> None:
    values = series.values[rows]
    never = np.isnan(series.values)
    bounds = series.censored[rows[never]] if len(series.censored) == never.sum() else ()
    made = Histogram(MINUTE_DIGITS)
    made.add(values, bounds)
    if made.n:
        into[name] = made.encoded()
