"""One run in figures and one word: the form of `summary.json`, and the verdict.

Pass asks for all of it: the session complete, nothing lost, the result in hand, and a valid
measurement. Fail takes evidence. Everything in between is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from replay import (
    cadence,
    journal,
    latency,
    network,
    outages,
    pacing,
    resources,
    stability,
    transcript,
    validity,
    waterfall,
)
from replay.continuity import Comparison, Finding, Range
from replay.errors import FaultSyntaxError
from replay.faults import tally
from replay.judge import Case, Limits, Outcome, State, findings, judge
from replay.reading import read
from replay.timeline import Timeline
from replay.wire.http import redact
from replay.wire.messages import PostFinalTranscript, PostTranscript

SCHEMA = 1

_NS_PER_MS = 1e6
#: Without an answer to these a run proves nothing of what it was made for.
_MUST_BE_KNOWN = ("V1", "T1")

Verdict = Literal["pass", "fail", "unknown"]


class Target(Struct, kw_only=True):
    kind: str
    url: str
    region: str | None


class Source(Struct, kw_only=True):
    name: str
    seconds: float | None
    sha256: str | None


class Audio(Struct, kw_only=True):
    """Bytes of session audio; None where no recording was there to compare with."""

    sent_bytes: int
    acked_bytes: int
    recorded_bytes: int | None = None
    lost_bytes: int | None = None
    repeated_bytes: int | None = None
    reordered: int | None = None
    garbage_bytes: int | None = None
    ranges: list[Range] = msgspec.field(default_factory=list)


class FaultEvent(Struct, kw_only=True):
    """One fault that fired. `t_ms`: since the journal's origin; `at`: where in the session."""

    fault: str
    t_ms: float
    until_ms: float | None
    connection: int
    direction: str
    at: dict[str, int | float | str]


class Faults(Struct, kw_only=True):
    """`asked`: how many should have fired, as far as that does not depend on the session's
    length; `missed`: the rules of which too few did."""

    asked: int = 0
    fired: int = 0
    missed: list[str] = msgspec.field(default_factory=list)
    events: list[FaultEvent] = msgspec.field(default_factory=list)


class Session(Struct, kw_only=True):
    """`outcome`: how it ended for the client; `status`: what the service says of the job."""

    id: str
    outcome: str | None
    status: str | None
    close_code: int | None
    reconnects: int
    posts: int
    post_processing: bool
    result_fetched: bool


class Summary(Struct, kw_only=True):
    """Everything `summary.json` holds. Times in ms; audio in bytes and seconds.

    `invariants`: what came of each, by its id.
    """

    schema: int = SCHEMA
    replay_version: str
    verdict: Verdict
    reasons: list[str]
    seed: int | None
    target: Target
    source: Source
    validity: validity.Validity
    pacing: pacing.Pacing
    latency: latency.Latency
    cadence: cadence.Cadence
    network: network.Network
    waterfall: waterfall.Waterfall
    stability: stability.Stability
    audio: Audio
    transcript: transcript.Transcript
    outages: list[outages.Outage]
    faults: Faults
    session: Session
    resources: resources.Resources
    invariants: dict[str, State]
    findings: list[Finding]


def summarise(
    timeline: Timeline,
    comparison: Comparison | None,
    limits: Limits | None = None,
    damage: Sequence[str] = (),
) -> Summary:
    """Fold a run.

    Args:
        comparison: of the audio sent with the recording, if there is one.
        damage: why the run's own files cannot be relied on; a run is not passed on such files.
    """
    header = timeline.header
    case = Case(timeline, comparison, limits or Limits())
    outcomes = judge(case)
    found = read(timeline)
    late = latency.measure(found)
    partials = cadence.measure(found.utterances)
    summary = Summary(
        replay_version=header.replay_version,
        verdict="unknown",
        reasons=[],
        seed=header.seed,
        target=Target(
            kind=header.target.kind, url=redact(header.target.url), region=header.target.region
        ),
        source=Source(
            name=header.source.name, seconds=header.source.seconds, sha256=header.source.sha256
        ),
        validity=validity.judge(timeline, late, partials),
        pacing=pacing.measure(timeline),
        latency=late,
        cadence=partials,
        network=network.measure(timeline, found.utterances, found.split),
        waterfall=waterfall.measure(found.steps, found.split),
        stability=stability.measure(found.utterances),
        audio=_audio(timeline, comparison),
        transcript=transcript.measure(timeline, found.utterances),
        outages=found.outages,
        faults=_faults(case),
        session=_session(case),
        resources=resources.measure(timeline),
        invariants={name: outcome.state for name, outcome in outcomes.items()},
        findings=findings(case, outcomes),
    )
    summary.verdict, summary.reasons = _verdict(case, outcomes, summary, damage)
    return summary


def _faults(case: Case) -> Faults:
    planned = case.timeline.all(journal.FaultPlanned)
    try:
        lines = tally([*planned, *case.fired])
    except FaultSyntaxError:
        lines = []
    return Faults(
        asked=sum(line.asked or 1 for line in lines),
        fired=len(case.fired),
        missed=[line.text for line in lines if line.missed],
        events=[
            FaultEvent(
                fault=each.text,
                t_ms=round(each.t / _NS_PER_MS, 3),
                until_ms=None if each.until is None else round(each.until / _NS_PER_MS, 3),
                connection=each.connection,
                direction=each.direction,
                at=each.at,
            )
            for each in case.fired
        ],
    )


def _audio(timeline: Timeline, comparison: Comparison | None) -> Audio:
    audio = Audio(sent_bytes=timeline.sent, acked_bytes=int(timeline.acks.upto.max(initial=0)))
    if comparison is not None:
        audio.recorded_bytes = comparison.recorded_bytes
        audio.lost_bytes = comparison.lost_bytes
        audio.repeated_bytes = comparison.repeated_bytes
        audio.reordered = comparison.reordered_bytes
        audio.garbage_bytes = comparison.garbage_bytes
        audio.ranges = comparison.ranges
    return audio


def _session(case: Case) -> Session:
    timeline, job = case.timeline, case.job
    opened = [init for init in timeline.all(journal.Init) if init.id]
    ended = timeline.final(journal.Ended)
    lost = timeline.final(journal.Lost)
    connections = {entry.connection for entry in timeline.all(journal.Connected)}
    processed = [*timeline.messages(PostTranscript), *timeline.messages(PostFinalTranscript)]
    return Session(
        id=opened[-1].id if opened else job.id if job else "",
        outcome=ended.outcome if ended else "complete" if case.complete else None,
        status=job.status if job else None,
        close_code=ended.code if ended and ended.code else lost.code if lost else None,
        reconnects=max(len(connections) - 1, 0),
        posts=len(timeline.all(journal.Init)),
        post_processing=bool(processed) or bool(job and job.result),
        result_fetched=bool(job and job.ended),
    )


def _verdict(
    case: Case, outcomes: dict[str, Outcome], summary: Summary, damage: Sequence[str]
) -> tuple[Verdict, list[str]]:
    failed = _failures(case, summary)
    if failed:
        return "fail", failed
    unsure = [*damage, *_doubts(case, outcomes, summary)]
    if unsure:
        return "unknown", unsure
    return "pass", []


def _failures(case: Case, summary: Summary) -> list[str]:
    reasons = [each.detail for each in summary.findings if each.severity == "error"]
    ended = case.timeline.final(journal.Ended)
    if ended is not None and ended.outcome in ("gave_up", "refused", "timeout"):
        what = {"gave_up": "given up", "refused": "refused", "timeout": "never finished"}
        reasons.append(
            f"the session was {what[ended.outcome]}" + (ended.detail and f": {ended.detail}")
        )
    if summary.session.status == "error":
        reasons.append("the service reports the session as failed")
    return reasons


def _doubts(case: Case, outcomes: dict[str, Outcome], summary: Summary) -> list[str]:
    timeline = case.timeline
    reasons = []
    if not timeline.finished:
        reasons.append("the journal was cut short")
    if timeline.all(journal.Interrupted):
        reasons.append("the run was interrupted")
    broken = [note for note in timeline.all(journal.SourceNote) if note.event == "broken"]
    reasons += [f"the source broke off: {note.detail}" for note in broken]
    if summary.session.outcome is None:
        reasons.append("the session did not come to an end")
    if not (summary.session.result_fetched or timeline.messages(PostFinalTranscript)):
        reasons.append("the final result was not fetched")
    missing = summary.audio.sent_bytes - summary.audio.acked_bytes
    if summary.audio.recorded_bytes is None and missing > 0:
        reasons.append(f"{missing} bytes were not acknowledged, and no recording was fetched")
    reasons += [outcomes[name].why for name in _MUST_BE_KNOWN if outcomes[name].state == "unknown"]
    if summary.validity.verdict == "invalid":
        reasons += summary.validity.reasons[:1]
    return reasons
