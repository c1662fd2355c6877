"""What a run's summary says in words, the same on a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from replay import waterfall
from replay.callbacks import Callbacks
from replay.catalogue import CATALOGUE
from replay.latency import Latencies
from replay.report.numbers import fine, ms, number, share
from replay.statistics import Distribution
from replay.summary import Summary

#: Measures of latency, in the order in which they are shown, and what they are called.
MEASURES = {name: CATALOGUE[name].title for name in Latencies.__struct_fields__}
#: Steps of an outage.
STEPS = {
    "detect_ms": "noticed",
    "backoff_ms": "waited",
    "connect_ms": "connecting",
    "down_ms": "down",
    "flush_ms": "flushed",
    "first_ack_ms": "1st ack",
    "first_transcript_ms": "1st text",
    "caught_up_ms": "caught up",
}


def ids(summary: Summary, state: str) -> str:
    """The invariants of which this came."""
    return " ".join(name for name, found in summary.invariants.items() if found == state)


def facts(summary: Summary) -> Iterator[tuple[str, str]]:
    """Label and sentence of everything that stands in no table of latencies."""
    stable, late = summary.stability, summary.latency
    if late.words_used is not None:
        against = "true word times" if late.reference == "words" else "the service's own times"
        yield "words against", f"{against}, {share(late.words_used)} usable"
    calm = late.undisturbed
    if calm is not None and calm.word_final.n:
        figures = f"word final p50 {ms(calm.word_final.p50)}, max {ms(calm.word_final.max)} ms"
        yield "apart from outages", figures
    if late.callback is not None:
        yield "callbacks", _callbacks(late.callback)
    if late.end_of_session_ms is not None:
        yield "end of session", f"{ms(late.end_of_session_ms)} ms after the stop"
    if summary.cadence.gaps_ms.n:
        yield "partials", _cadence(summary)
    if stable.erasure is not None:
        back = share(stable.unstable_partial_word_ratio)
        yield "stability", f"{back} of words taken back, erasure {stable.erasure:g}"
    if summary.network.round_trip.n:
        yield "network", _network(summary)
    if summary.waterfall.words:
        yield "a final word", _waterfall(summary)
    yield "pacing", _pacing(summary)


def audio(summary: Summary) -> list[tuple[str, str]]:
    """What became of the audio: parts of a sentence, each with its colour, or none."""
    found = summary.audio
    said = f"{found.sent_bytes:,} bytes sent, {found.acked_bytes:,} acknowledged, "
    if found.recorded_bytes is None:
        return [(said, ""), ("no recording to compare with", "yellow")]
    parts = [
        (f"{said}{found.recorded_bytes:,} recorded: ", ""),
        (f"{found.lost_bytes:,} lost", "red" if found.lost_bytes else "green"),
        (f", {found.repeated_bytes:,} repeated", ""),
    ]
    for name, value in (("foreign", found.garbage_bytes), ("out of order", found.reordered)):
        if value:
            parts.append((f", {value:,} {name}", "red"))
    return parts


def score(summary: Summary) -> str:
    """What was understood, against what was said."""
    found = summary.transcript
    text = f"{found.words} words in {found.finals} finals"
    if found.wer is not None:
        text += (
            f"; against the reference {found.wer:.1%} wrong: "
            f"{found.lost} lost, {found.changed} changed, {found.duplicated} said twice"
        )
    return text


def _callbacks(posted: Callbacks) -> str:
    text = f"{posted.count}, p50 {ms(posted.behind.p50)}, max {ms(posted.behind.max)} ms behind"
    text += f" the websocket, final p50 {ms(posted.final.p50)} ms"
    for name in ("missing", "duplicated", "out_of_order"):
        if count := getattr(posted, name):
            text += f"; {count} {name.replace('_', ' ')}"
    return text


def _cadence(summary: Summary) -> str:
    found = summary.cadence
    text = f"{found.partials}, every {ms(found.gaps_ms.p50)} ms (p50), max {ms(found.gaps_ms.max)}"
    return text + (f"; on a grid of {found.grid_ms:g} ms" if found.grid_ms is not None else "")


def _network(summary: Summary) -> str:
    found = summary.network
    text = f"round trip p50 {ms(found.round_trip.p50)}, max {ms(found.round_trip.max)} ms"
    if found.bound_ms is None:
        return text
    return (
        f"{text}; estimates ±{ms(found.bound_ms)} ms: up {ms(found.uplink.p50)}, "
        f"down {ms(found.downlink.p50)}, service {ms(found.service_partial.p50)} to partials, "
        f"{ms(found.service_final.p50)} to finals"
    )


def _waterfall(summary: Summary) -> str:
    """Medians, which do not add up to the median of the whole."""
    found = summary.waterfall
    steps: dict[str, Distribution] = {name: getattr(found, name) for name in waterfall.STEPS}
    text = ", ".join(f"{name} {ms(dist.p50)}" for name, dist in steps.items())
    bound = "" if found.bound_ms is None else f", estimates ±{ms(found.bound_ms)}"
    return f"{text} ms (p50{bound})"


def _pacing(summary: Summary) -> str:
    pacing, late = summary.pacing, summary.pacing.lateness_ms
    chunks = f"{pacing.chunks} chunks of {pacing.chunk_ms:g} ms, {pacing.phase}"
    if not late.n:
        return f"{chunks}, as fast as they were taken"
    figures = f"p50 {fine(late.p50)}, p99 {fine(late.p99)}, max {fine(late.max)} ms"
    return f"{chunks}; late {figures}; drift {number(pacing.drift_ppm)} ppm"
