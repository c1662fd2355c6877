"""Everything of a run that has a time, sorted into tracks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, zip_longest

import numpy as np

from replay import journal, network
from replay.reading import Reading
from replay.timeline import Timeline
from replay.trace.quantities import counters
from replay.trace.tracks import (
    CLIENT,
    SERVICE,
    WAY,
    Facts,
    Point,
    Span,
    Trace,
    Track,
    lanes,
)
from replay.utterances import Utterance
from replay.wire.messages import SpeechEnd, SpeechStart


def fold(reading: Reading) -> Trace:
    """Everything of a run that has a time."""
    timeline = reading.timeline
    tracks = [
        Track(CLIENT, "chunks, due to sent", list(_chunks(timeline)), overlapping=True),
        Track(CLIENT, "frames on the socket", list(_frames(timeline))),
        Track(CLIENT, "acknowledgements", list(_acks(timeline)), overlapping=True),
        *lanes(CLIENT, "stalls of the event loop", _stalls(timeline)),
        Track(WAY, "connections", list(_connections(timeline))),
        *lanes(WAY, "attempts and waits", _attempts(timeline)),
        Track(WAY, "outages", list(_outages(reading))),
        *lanes(WAY, "faults", *_faults(timeline)),
        *lanes(WAY, "requests", _requests(timeline)),
        Track(SERVICE, "speech", points=list(_speech(timeline))),
    ]
    for channel in sorted({each.channel for each in reading.utterances.all}):
        said = [each for each in reading.utterances.all if each.channel == channel]
        onsets = _onsets(reading)
        spans = [_utterance(each, onsets) for each in said]
        finals = [Point(f"final: {each.final.text}", each.final.t) for each in said if each.final]
        name = "utterances" if channel == 0 else f"utterances, channel {channel}"
        tracks += lanes(SERVICE, name, spans, finals)
    shown = [track for track in tracks if track.spans or track.points]
    return Trace(timeline.zero, shown, list(counters(reading)))


# ------------------------------------------------------------------ the client


def _chunks(timeline: Timeline) -> Iterator[Span]:
    chunks = timeline.chunks
    sent = timeline.first_sent(chunks.offset + chunks.size)
    rows = zip(chunks.due, chunks.t, chunks.offset, chunks.size, sent, strict=True)
    for number, (due, there, offset, size, gone) in enumerate(rows):
        facts = {"offset": int(offset), "bytes": int(size), "late_ms": _ms(there - due)}
        if np.isnan(gone):
            yield Span(f"chunk {number}, never sent", int(due), timeline.last, facts)
        else:
            # A chunk may go out before it is due: its source, or an unpaced plan, was early.
            yield Span(f"chunk {number}", int(min(due, gone)), int(max(due, gone)), facts)


def _frames(timeline: Timeline) -> Iterator[Span]:
    frames = timeline.frames
    reached = 0
    rows = zip(frames.t, frames.done, frames.connection, frames.offset, frames.size, strict=True)
    for at, done, connection, offset, size in rows:
        again = max(min(reached, offset + size) - offset, 0)
        facts = {"connection": int(connection), "offset": int(offset), "bytes": int(size)}
        name = "audio, sent again" if again else "audio"
        yield Span(name, int(at), int(done), {**facts, "again": int(again)} if again else facts)
        reached = max(reached, offset + size)


def _acks(timeline: Timeline) -> Iterator[Span]:
    trips = network.round_trips(timeline)
    for sent, received, upto in zip(trips.sent, trips.received, trips.upto, strict=True):
        yield Span("acknowledged", int(sent), int(received), {"upto": int(upto)})


def _stalls(timeline: Timeline) -> list[Span]:
    return [
        Span("stall", max(each.t - each.lasted, 0), each.t) for each in timeline.all(journal.Stall)
    ]


# ------------------------------------------------------------------ the way


def _connections(timeline: Timeline) -> Iterator[Span]:
    opened = timeline.all(journal.Connected)
    lost = {each.connection: each for each in timeline.all(journal.Lost)}
    caught = {each.connection: each.t for each in timeline.all(journal.CaughtUp)}
    for each, following in zip_longest(opened, opened[1:]):
        over = lost.get(each.connection)
        until = over.t if over else following.t if following else timeline.last
        facts: Facts = {"resume_at": each.resume_at}
        if over:
            facts |= {"cause": over.cause, "code": over.code, "unacked": over.unacked}
        made_up = caught.get(each.connection)
        inner = (Span("catching up", each.t, min(made_up, until)),) if made_up else ()
        yield Span(f"connection {each.connection}", each.t, max(until, each.t), facts, inner)


def _attempts(timeline: Timeline) -> list[Span]:
    every: list[journal.Connected | journal.ConnectRefused] = []
    every += timeline.all(journal.Connected)
    every += timeline.all(journal.ConnectRefused)
    results = {(each.connection, each.attempt): each for each in every}
    spans = []
    for begun in timeline.all(journal.Connecting):
        result = results.get((begun.connection, begun.attempt))
        facts: Facts = {"connection": begun.connection, "attempt": begun.attempt}
        inner: tuple[Span, ...] = ()
        if isinstance(result, journal.ConnectRefused):
            facts["error"] = result.error
        elif result is not None:
            inner = tuple(_steps(begun.t, result))
        spans.append(Span("attempt", begun.t, result.t if result else timeline.last, facts, inner))
    # Who is woken early does not wait on.
    starts = sorted(span.start for span in spans)
    for each in timeline.all(journal.Backoff):
        until = min([each.until, timeline.last, *(t for t in starts if t > each.t)])
        spans.append(Span("waiting", each.t, max(until, each.t), {"attempt": each.attempt}))
    return spans


def _steps(start: int, made: journal.Connected) -> Iterator[Span]:
    for name, took in (("TCP", made.tcp_ns), ("TLS", made.tls_ns), ("upgrade", made.upgrade_ns)):
        end = min(start + took, made.t)
        if took:
            yield Span(name, start, end)
        start = end


def _outages(reading: Reading) -> Iterator[Span]:
    timeline = reading.timeline
    lost = {each.connection: each.t for each in timeline.all(journal.Lost)}
    for each in reading.outages:
        start = lost[each.connection]
        down = None if each.down_ms is None else start + round(each.down_ms * 1e6)
        facts = {"cause": each.cause, "fault": each.fault, "resent_bytes": each.resent_bytes}
        yield Span("down", start, timeline.last if down is None else down, facts)


def _faults(timeline: Timeline) -> tuple[list[Span], list[Point]]:
    spans, points = [], []
    for each in timeline.all(journal.FaultFired):
        facts = {"connection": each.connection, "direction": each.direction, **each.at}
        if each.until is None:
            points.append(Point(each.text, each.t, facts))
        else:
            spans.append(Span(each.text, each.t, max(each.until, each.t), facts))
    return spans, points


def _requests(timeline: Timeline) -> list[Span]:
    opened = [
        Span("open the session", each.t, each.done, {"status": each.status})
        for each in timeline.all(journal.Init)
    ]
    others = [
        Span(f"{each.method} {each.path}", each.t, each.done, {"status": each.status})
        for each in timeline.all(journal.Http)
    ]
    return opened + others


# ------------------------------------------------------------------ the service


def _speech(timeline: Timeline) -> Iterator[Point]:
    for heard, began in timeline.messages(SpeechStart):
        yield Point("speech begins", heard.t, {"at_s": began.data.time})
    for heard, ended in timeline.messages(SpeechEnd):
        yield Point("speech ends", heard.t, {"at_s": ended.data.time})
    if (stop := timeline.first(journal.StopSent)) is not None:
        yield Point("stop sent", stop.t)


def _onsets(reading: Reading) -> dict[int, float]:
    """When the plan had the first sound of each finished utterance spoken, by its identity."""
    spoken = reading.timeline.due(reading.ends.onset).tolist()
    finished = [id(each) for each, _ in reading.utterances.finished]
    return {key: at for key, at in zip(finished, spoken, strict=True) if not np.isnan(at)}


def _utterance(each: Utterance, onsets: dict[int, float]) -> Span:
    """From its first sound to its final, with every version for as long as it was shown."""
    versions = [*each.partials, *([each.final] if each.final else [])]
    inner = tuple(
        Span(version.text, version.t, following.t, {"words": len(version.words)})
        for version, following in pairwise(versions)
    )
    first, last = versions[0].t, versions[-1].t
    start = min(round(onsets.get(id(each), first)), first)
    name = each.final.text if each.final else f"{versions[-1].text} (no final)"
    return Span(name, start, last, {"id": each.id, "partials": len(each.partials)}, inner)


def _ms(nanoseconds: int) -> float:
    return round(float(nanoseconds) / 1e6, 3)
