"""The page of one session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from replay import __version__, latency, waterfall
from replay.catalogue import CATALOGUE
from replay.charts import course, falls, session, slowest
from replay.latency import Latencies
from replay.reading import Reading, read
from replay.report.page import cells, parts, plots
from replay.report.page import run_facts as facts
from replay.report.page.cells import percent, plural
from replay.report.page.fields import Field
from replay.report.page.provenance import configuration, of_run, options, repeat
from replay.report.page.render import pack, render
from replay.rundir import Run
from replay.statistics import RULE
from replay.summary import Summary

_SLOWEST = 12
_ONLY = "session-0"
_FAULTS = 60
_NETWORK = ("round_trip", "uplink", "downlink", "service_partial", "service_final")


def page_of_run(run: Run, summary: Summary) -> bytes:
    """One self-contained HTML file. `summary` is the run's."""
    reading = read(run.timeline)
    shown = session.session(reading, None if run.damage else run.sent, summary.validity.bound_ms)
    values = {
        **_head(run, summary),
        **_latencies(reading, summary),
        **_why(reading, summary),
        **facts.harm(summary, run.timeline.zero),
        **facts.rest(summary),
        **_origin(run, summary),
        "sessions": [{"id": _ONLY, "label": summary.source.name}],
        "packed": [(_ONLY, pack(shown))],
        "timeline_note": _timeline_note(run, summary.validity.bound_ms),
    }
    return render(
        "run.html.j2", version=__version__, rule=RULE, sections=_sections(values), **values
    )


def _sections(values: dict[str, Any]) -> list[tuple[str, str]]:
    there = (
        ("figures", "Latency", True),
        ("distributions", "Distributions", values["tabs"]),
        ("course", "Over time", values["course"]),
        ("timeline", "Timeline", True),
        ("waterfall", "Waterfall", True),
        ("slowest", "Slowest words", values["slow"]),
        ("outages", "Outages", values["outages"] or values["faults"]),
        ("more", "Stability", True),
        ("judged", "Invariants", True),
        ("transcript", "Transcript", True),
        ("provenance", "Configuration", True),
    )
    return [(name, title) for name, title, known in there if known]


# ------------------------------------------------------------------ the head


def _head(run: Run, summary: Summary) -> dict[str, Any]:
    target = summary.target
    return {
        "verdict": summary.verdict,
        "reasons": summary.reasons,
        "fine": _fine(summary),
        "validity": summary.validity,
        "name": summary.source.name,
        "target": target.kind + (f", {target.region}" if target.region else ""),
        "when": facts.moment(run.timeline.header.created_at),
        "tiles": list(facts.tiles(summary)),
    }


def _fine(summary: Summary) -> str:
    """What a pass says, and nothing beyond it."""
    if summary.audio.lost_bytes is None:
        return (
            "The session came to its end, and its result is there; there was no recording to "
            "compare the audio with."
        )
    return "Nothing was lost, the session came to its end, and its result is there."


# ------------------------------------------------------------------ latency


@dataclass(frozen=True, slots=True)
class _Course:
    linear: Field
    log: Field | None
    shaded: bool


def _latencies(reading: Reading, summary: Summary) -> dict[str, Any]:
    plan, send = (latency.series(reading, plan=each) for each in (True, False))
    along = course.course(reading)
    straight = plots.course_field(along)
    return {
        "against": _against(summary),
        "latency": _rows(summary.latency.from_plan, summary.latency.from_send),
        "calm": _rows(summary.latency.undisturbed) if summary.latency.undisturbed else [],
        "tabs": parts.tabs([("", plan, send)]),
        "course": None
        if straight is None
        else _Course(straight, plots.course_field(along, log=True), bool(along.shades)),
    }


def _against(summary: Summary) -> str:
    found = summary.latency
    if found.words_used is None:
        return "No word could be measured."
    if found.reference == "words":
        used = f"{percent(found.words_used)} of the words said were found in the finals"
        text = f"Words are measured against their true times; {used}."
    else:
        text = (
            "Words are measured against the service's own times for them, in the finals: what it "
            "says of itself."
        )
    if found.negative:
        text += f" {plural(found.negative, 'time')} before the word's end, kept in the figures"
        text += ", but for first-shown times, which a guess does not earn."
    return text


def _rows(plan: Latencies, send: Latencies | None = None) -> list[cells.Row]:
    found = []
    for name in Latencies.__struct_fields__:
        dist = getattr(plan, name)
        if dist.n:
            row = cells.row(CATALOGUE[name].title, dist)
            if send is not None:
                row.cells.append(cells.statistic(getattr(send, name), "p50"))
            found.append(row)
    return found


def _why(reading: Reading, summary: Summary) -> dict[str, Any]:
    figures = [(name, getattr(summary.waterfall, name)) for name in waterfall.STEPS]
    taken = [(0, each) for each in falls.falls(reading)]
    slow = {
        each: [(0, one) for one in slowest.slowest(reading, each, _SLOWEST)]
        for each in slowest.MEASURES
    }
    return {
        "waterfall": parts.waterfall(
            figures, parts.off_by(summary.waterfall.bound_ms), taken, "All along the session"
        ),
        "slow": parts.slow_lists(slow, lambda _: ("", _ONLY)),
    }


def _timeline_note(run: Run, late_ms: float) -> str:
    text = (
        "One axis of time for everything: the plan's, which runs on through outages. Audio is "
        f"marked as late when it was sent more than {late_ms:.0f} ms after it was spoken."
    )
    if run.timeline.header.vantage == "proxy":
        text += " Seen from a proxy: what a client sends again counts as new audio."
    if run.sent is None or run.damage:
        text += " The audio itself is not there, so there is no waveform."
    return text


# ------------------------------------------------------------------ provenance


def _origin(run: Run, summary: Summary) -> dict[str, Any]:
    header = run.timeline.header
    return {
        "provenance": list(of_run(header, summary)),
        "repeat": repeat(run.timeline),
        "config": configuration(header.config),
        "options": options(header.options),
    }
