"""A soak as OpenMetrics text, in base units: at its end as a file, and while it runs on a port.

Counters and histograms only ever grow, over a stop and a `--resume` too. A figure that is not known
is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from replay import checks
from replay.endurance.histogram import Encoded, Histogram
from replay.endurance.outcome import Verdict
from replay.endurance.resources import MEASURES
from replay.endurance.summary import SoakSummary
from replay.endurance.trend import State, Trend
from replay.report.exposition import Exposition, Labels
from replay.report.soak_now import Live
from replay.report.soak_words import at_a_time, kind, title

#: Upper ends of the histograms' buckets, in seconds.
LATENCY = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0, 5.0, 10.0, 30.0)
RECOVERY = (0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
_CLEAR = "clear_"
_TOTAL = {"rss": "bytes", "fds": "", "threads": "", "tasks": ""}


def render(summary: SoakSummary) -> bytes:
    """The file's bytes, of a soak that is over."""
    found = Exposition()
    _facts(found, summary)
    _gauges(found, summary.elapsed, summary.asked)
    _totals(found, summary.reconnects, summary.faults.by_kind)
    for course in summary.resources:
        labels = {"process": course.who, "generation": str(course.generation)}
        for of in MEASURES:
            if values := getattr(course, of):
                _resource(found, labels, of, values[-1])
    _summary(found, summary)
    return found.text().encode()


def render_live(live: Live) -> str:
    """How it stands: what is under way as of now, all else of the sessions that are over."""
    found = Exposition()
    _facts(found, live.summary)
    _gauges(found, live.elapsed, live.asked)
    for name, value, about in (
        ("slots", live.slots, "Sessions that are kept busy."),
        ("playing", live.playing, "Sessions under way."),
        ("connected", live.connected, "Sessions under way that have a connection."),
        ("workers", sum(each.pid is not None for each in live.workers), "Workers that run."),
    ):
        found.add(f"replay_soak_{name}", "gauge", about, {}, value)
    for each in live.workers:
        about = "The most that a chunk was late lately."
        labels = {"process": f"worker {each.number}"}
        name = "replay_soak_late_seconds"
        found.add(name, "gauge", about, labels, _seconds(each.late_ms), "seconds")
    _totals(found, live.reconnects, live.faults)
    for sample in live.samples:
        labels = {"process": sample.who, "generation": str(sample.generation)}
        for of in MEASURES:
            if (value := getattr(sample, of)) is not None:
                _resource(found, labels, of, value)
    _summary(found, live.summary)
    return found.text()


def _facts(found: Exposition, summary: SoakSummary) -> None:
    about = {
        "version": summary.replay_version,
        "source": title(summary.plan),
        "target": str(summary.plan.get("target", "")),
        "seed": "" if summary.seed is None else str(summary.seed),
        "sessions": str(at_a_time(summary.plan) or ""),
        "shards": str(summary.shards),
    }
    found.add("replay_soak", "info", "A soak.", about, 1)


def _gauges(found: Exposition, elapsed: float, asked: float | None) -> None:
    about = "Of the soak's clock, which stands while it is stopped."
    found.add("replay_soak_elapsed_seconds", "gauge", about, {}, round(elapsed, 3), "seconds")
    if asked is not None:
        about = "How long it is to go on in all."
        found.add("replay_soak_asked_seconds", "gauge", about, {}, asked, "seconds")


def _totals(found: Exposition, reconnects: int, faults: Mapping[str, int]) -> None:
    found.add("replay_soak_reconnects", "counter", "Reconnections.", {}, reconnects)
    for name, fired in faults.items():
        found.add("replay_soak_faults", "counter", "Faults that fired.", {"kind": name}, fired)


def _resource(found: Exposition, labels: Labels, of: str, value: float) -> None:
    unit = _TOTAL[of]
    name = f"replay_soak_process_{of}" + (f"_{unit}" if unit else "")
    about = {
        "rss": "Memory of a process.",
        "fds": "Open files of a process.",
        "threads": "Threads of a process.",
        "tasks": "Tasks of a process, where it can be looked into.",
    }
    found.add(name, "gauge", about[of], labels, value, unit)


def _summary(found: Exposition, summary: SoakSummary) -> None:
    """What is known of the sessions that are over."""
    about = "What it comes to, as far as it has come."
    found.states("replay_soak_verdict", about, {}, summary.verdict, get_args(Verdict))
    sessions = summary.sessions
    for verdict, count in (
        ("pass", sessions.passed),
        ("fail", sessions.failed),
        ("unknown", sessions.unknown),
    ):
        about = "Sessions that finished."
        found.add("replay_soak_sessions", "counter", about, {"verdict": verdict}, count)
    about = "Sessions that were cut off from outside."
    found.add("replay_soak_sessions_cut", "counter", about, {}, sessions.cut)
    _audio(found, summary)
    about = "Workers, or sandboxes, that died."
    found.add("replay_soak_deaths", "counter", about, {}, len(summary.deaths))
    about = "Stalls of an event loop."
    found.add("replay_soak_stalls", "counter", about, {}, summary.latency.stalls)
    about = "Sessions whose latencies our own lateness would have coloured."
    found.add("replay_soak_sessions_mistimed", "counter", about, {}, summary.latency.mistimed)
    for each in summary.findings:
        labels = {"invariant": each.invariant, "severity": each.severity}
        found.add("replay_soak_findings", "counter", "Findings.", labels, each.count)
    for trend in (*summary.trends, *summary.drifts):
        _trend(found, trend)
    for check in {each.text: each for each in summary.checks}.values():
        about = "What became of a condition."
        every = get_args(checks.State)
        found.states("replay_soak_condition", about, {"condition": check.text}, check.state, every)
    _histograms(found, summary)


def _audio(found: Exposition, summary: SoakSummary) -> None:
    audio = summary.audio
    about = "Audio that was played."
    name = "replay_soak_audio_seconds"
    found.add(name, "counter", about, {}, round(audio.seconds, 3), "seconds")
    known = ["sent", "acked"]
    if audio.compared:
        known += ["recorded", "lost", "repeated", "reordered", "garbage"]
    for what in known:
        about = "What became of the audio."
        value = getattr(audio, f"{what}_bytes")
        found.add("replay_soak_audio_bytes", "counter", about, {"of": what}, value, "bytes")


def _trend(found: Exposition, trend: Trend) -> None:
    per_hour = trend.unit == "ms/h"
    labels = {"of": trend.of, "process" if not per_hour else "kind": trend.who}
    name = "replay_soak_drift" if per_hour else "replay_soak_growth"
    about = (
        "Of a time, in seconds an hour: the slope, the ends of its interval, and what is borne."
        if per_hour
        else "Of a process, a reconnection: the slope, the ends of its interval, what is borne."
    )
    for bound, value in (
        ("estimate", trend.slope),
        ("low", trend.low),
        ("high", trend.high),
        ("borne", trend.bound),
    ):
        if value is not None:
            base = value / 1000 if per_hour else value
            found.add(name, "gauge", about, {**labels, "bound": bound}, base)
    about = "Does it grow?"
    found.states(f"{name}_state", about, labels, trend.state, get_args(State))


def _histograms(found: Exposition, summary: SoakSummary) -> None:
    for name, encoded in summary.latency.encoded.items():
        clear = name.startswith(_CLEAR)
        labels = {
            "figure": name.removeprefix(_CLEAR),
            "of": "undisturbed" if clear else "all",
        }
        about = "Latency from the plan, of all and of what no outage touched."
        _histogram(found, "replay_soak_latency_seconds", about, labels, encoded, LATENCY)
    # The row over everything would be counted twice.
    for each in summary.recoveries[1:]:
        about = "From a loss until the transcript had caught up, by the kind of fault."
        labels = {"kind": kind(each.kind)}
        _histogram(found, "replay_soak_recovery_seconds", about, labels, each.encoded, RECOVERY)


def _histogram(
    found: Exposition,
    name: str,
    about: str,
    labels: Labels,
    encoded: Encoded,
    ends: tuple[float, ...],
) -> None:
    """What never came, and what took over an hour, is only in the last bucket."""
    whole = Histogram.decoded(encoded)
    counts = [(until, n) for _, until, n in whole.buckets()]
    buckets = [(end, sum(n for until, n in counts if until <= end * 1000)) for end in ends]
    known = not (whole.negative or whole.censored)
    total = encoded.total / 1e6 if known else None
    found.histogram(name, about, labels, buckets, whole.n, total, "seconds")


def _seconds(ms: float) -> float:
    return round(ms / 1000, 6)
