"""A trace in the form of Chrome's trace events, which ui.perfetto.dev and chrome://tracing open.

Times are microseconds from the journal's origin, which lies a little before the plan's zero: of
times below zero Perfetto keeps nothing. Where the plan begins is marked, and every event says in
its arguments how far from there it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import msgspec

from replay.trace import Counter, Point, Span, Trace, Track

Event = dict[str, Any]


def render(trace: Trace, name: str) -> bytes:
    """The file's bytes; `name`: of the session."""
    document = {
        "traceEvents": list(_events(trace)),
        "displayTimeUnit": "ms",
        "otherData": {"session": name, "plan_zero_us": _us(trace.zero)},
    }
    return msgspec.json.encode(document) + b"\n"


def _events(trace: Trace) -> Iterator[Event]:
    every = [each.group for each in trace.tracks] + [each.group for each in trace.counters]
    groups = list(dict.fromkeys(every))
    for pid, group in enumerate(groups, 1):
        yield _meta("process_name", pid, 0, name=group)
        yield _meta("process_sort_index", pid, 0, sort_index=pid)
    identifiers = count(1)
    for tid, track in enumerate(trace.tracks, 1):
        pid = groups.index(track.group) + 1
        yield _meta("thread_name", pid, tid, name=track.name)
        yield _meta("thread_sort_index", pid, tid, sort_index=tid)
        yield from _track(trace, track, {"pid": pid, "tid": tid}, identifiers)
    for counter in trace.counters:
        yield from _counter(counter, groups.index(counter.group) + 1)
    if trace.tracks:
        zero = Point("the plan's zero", trace.zero)
        yield {**_instant(trace, zero), "s": "g", "pid": 1, "tid": 1, "cat": "plan"}


def _meta(what: str, pid: int, tid: int, **arguments: str | int) -> Event:
    return {"name": what, "ph": "M", "ts": 0, "pid": pid, "tid": tid, "args": arguments}


def _track(trace: Trace, track: Track, place: Event, identifiers: Iterator[int]) -> Iterator[Event]:
    for span in track.spans:
        if track.overlapping:
            yield from _overlapping(trace, span, {**place, "cat": track.name}, next(identifiers))
        else:
            yield from _complete(trace, span, {**place, "cat": track.name})
    for point in track.points:
        yield {**_instant(trace, point), **place, "cat": track.name}


def _complete(trace: Trace, span: Span, place: Event) -> Iterator[Event]:
    yield {
        "name": span.name,
        "ph": "X",
        "ts": _us(span.start),
        "dur": _us(span.end) - _us(span.start),
        **place,
        "args": _arguments(trace, span.start, span.facts),
    }
    for inner in span.inner:
        yield from _complete(trace, inner, place)


def _overlapping(trace: Trace, span: Span, place: Event, identifier: int) -> Iterator[Event]:
    """Spans on a track of threads must lie within each other; these have one of their own each."""
    both = {"name": span.name, "id": f"0x{identifier:x}", **place}
    arguments = _arguments(trace, span.start, span.facts)
    yield {**both, "ph": "b", "ts": _us(span.start), "args": arguments}
    yield {**both, "ph": "e", "ts": _us(span.end)}


def _instant(trace: Trace, point: Point) -> Event:
    return {
        "name": point.name,
        "ph": "i",
        "s": "t",
        "ts": _us(point.at),
        "args": _arguments(trace, point.at, point.facts),
    }


def _counter(counter: Counter, pid: int) -> Iterator[Event]:
    for at, value in zip(counter.times, counter.values, strict=True):
        yield {
            "name": counter.name, "ph": "C", "ts": _us(at), "pid": pid, "args": {"value": value}
        }  # fmt: skip


def _arguments(trace: Trace, at: int, facts: Event) -> Event:
    return {"from_plan_ms": round((at - trace.zero) / 1e6, 3), **facts}


def _us(nanoseconds: int) -> int:
    """Whole ones: what lies within or after something still does so once it is rounded down."""
    return nanoseconds // 1000
