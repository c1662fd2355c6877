"""A session as a trace: what stands on which track, and the form that viewers open."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journals import ZERO_MS, Builder, Cut, ns
from reported import SAID, harmed, told

from replay import journal as j
from replay.reading import read
from replay.report.trace import render
from replay.trace import Point, Span, Trace, Track, fold
from replay.trace.tracks import lanes


def trace(built: Builder) -> Trace:
    return fold(read(built.timeline()))


def track(found: Trace, name: str) -> Track:
    return next(each for each in found.tracks if each.name == name)


def ms(at: int) -> float:
    """Of the plan, as the journals here are written."""
    return at / 1e6 - ZERO_MS


# ------------------------------------------------------------------ what is on it


def test_chunks_wait_from_due_to_sent() -> None:
    """A chunk that an outage kept lasts until its audio was sent; all others are over at once."""
    chunks = track(trace(harmed()), "chunks, due to sent").spans
    assert len(chunks) == 120
    assert (ms(chunks[0].start), ms(chunks[0].end)) == (100, 100)
    held = chunks[32]  # due at 3300 ms; the connection was lost at 3210 and back at 3905
    assert (ms(held.start), ms(held.end)) == (3300, 3905)
    assert held.facts["offset"] == 32 * 3200


def test_audio_that_is_sent_again_is_told() -> None:
    """Of the frame after an outage, what was sent before."""
    frames = track(trace(harmed()), "frames on the socket").spans
    again = [each for each in frames if "again" in each.facts]
    assert [each.name for each in again] == ["audio, sent again"]
    assert again[0].facts["again"] == 3200


def test_a_connection_holds_its_catching_up() -> None:
    """Two connections with an outage between them, in which an attempt was made."""
    found = trace(harmed())
    first, second = track(found, "connections").spans
    assert (ms(first.start), ms(first.end), first.facts["cause"]) == (-100, 3210, "wire")
    assert [each.name for each in second.inner] == ["catching up"]
    (down,) = track(found, "outages").spans
    assert (ms(down.start), ms(down.end)) == (3210, 3905)
    (attempt,) = track(found, "attempts and waits").spans
    assert (ms(attempt.start), ms(attempt.end)) == (3210, 3905)


def test_an_utterance_holds_its_versions() -> None:
    """From its first sound to its final, each partial as long as it was shown; the final is a point
    of its own. One without a final says so."""
    found = track(trace(harmed()), "utterances")
    whole, open_ = found.spans
    assert (whole.name, ms(whole.start), ms(whole.end)) == ("Good morning everyone", 200, 2200)
    assert [(each.name, ms(each.start), ms(each.end)) for each in whole.inner] == [
        ("Good morning", 1300, 2200)
    ]
    assert open_.name == "and (no final)"
    assert [(point.name, ms(point.at)) for point in found.points] == [
        ("final: Good morning everyone", 2200)
    ]


def test_utterances_of_channels_and_those_that_overlap_stand_apart() -> None:
    """Each on a track of its own."""
    built = Builder(seconds=4).play()
    built.transcript(900, [("one", 200, 800)], final=False, name="1")
    built.transcript(1000, [("two", 800, 900)], final=False, name="2")
    built.transcript(1500, [("one", 200, 800)], final=True, name="1")
    built.transcript(1600, [("two", 800, 900)], final=True, name="2")
    built.transcript(1700, [("three", 800, 900)], final=True, name="3", channel=1)
    names = [each.name for each in trace(built.finish(4600)).tracks if "utter" in each.name]
    assert names == ["utterances", "utterances, 2", "utterances, channel 1"]


def test_faults_stalls_and_requests_are_there() -> None:
    """What lasted as long as it did, what did not as a moment."""
    built = told()
    built.entries += [
        j.Stall(t=ns(1000), lasted=50_000_000),
        j.FaultFired(t=ns(500), rule=0, text="hold(1s)", fault="hold", until=ns(1500)),
        j.FaultFired(t=ns(700), rule=1, text="delay(1s)", fault="delay", until=ns(1700)),
        j.FaultFired(t=ns(900), rule=2, text="reset", fault="reset"),
        j.Init(t=ns(-800), done=ns(-700), attempt=1, status=201),
        j.Resources(t=ns(100), rss_bytes=7, fds=1, threads=1, tasks=1, cpu_ns=0),
    ]
    found = trace(built)
    (stall,) = track(found, "stalls of the event loop").spans
    assert (ms(stall.start), ms(stall.end)) == (950, 1000)
    assert [point.name for point in track(found, "faults").points] == ["reset"]
    assert [span.name for span in track(found, "faults").spans] == ["hold(1s)"]
    assert [span.name for span in track(found, "faults, 2").spans] == ["delay(1s)"]
    assert [span.name for span in track(found, "requests").spans] == ["open the session"]
    assert [point.name for point in track(found, "speech").points] == ["speech ends", "stop sent"]
    memory = next(each for each in found.counters if each.name == "resident memory, bytes")
    assert memory.values == [7]


def test_quantities_follow_an_outage() -> None:
    """Audio not sent yet grows while the connection is down, and is gone with the catching up; what
    was sent is unacknowledged until it is answered."""
    counters = {each.name: each for each in trace(harmed()).counters}
    behind = counters["audio not sent yet, ms"]
    by_time = dict(zip(map(ms, behind.times), behind.values, strict=True))
    assert by_time[3200] == 0
    assert by_time[3900] == max(behind.values) == 700
    assert by_time[4000] == 0
    unacked = counters["unacknowledged bytes"]
    by_time = dict(zip(map(ms, unacked.times), unacked.values, strict=True))
    assert (by_time[100], by_time[120]) == (3200, 0)
    lag = counters["partial lag, ms"]
    assert lag.values[0] == 300


def test_what_is_not_there_has_no_track() -> None:
    """A journal that was cut short before anything was played makes a trace all the same."""
    found = trace(Builder(seconds=1))
    assert found.tracks == []
    assert check(json.loads(render(found, "x"))) == []


def test_a_session_without_a_plan_can_be_shown() -> None:
    """A proxy knows no chunks and no plan: what counts from there is left out."""
    built = harmed()
    built.entries = [each for each in built.entries if not isinstance(each, j.Produced)]
    built.entries[0].vantage = "proxy"
    built.entries[0].plan.phase = "arrival"
    found = trace(built)
    assert {each.name for each in found.counters} == {"unacknowledged bytes"}
    assert check(json.loads(render(found, "x"))) == []


spans = st.builds(
    lambda start, length: Span("x", start, start + length), st.integers(0, 50), st.integers(0, 9)
)


@given(st.lists(spans, max_size=30))
def test_lanes_hold_everything_and_nothing_overlaps_on_them(several: list[Span]) -> None:
    """With as many lanes as spans go on at once, and no more."""
    found = lanes("g", "n", several)
    kept = [span for each in found for span in each.spans]
    assert sorted(map(repr, kept)) == sorted(map(repr, several))
    for each in found:
        ends = [0, *(span.end for span in each.spans)]
        assert all(span.start >= end for span, end in zip(each.spans, ends, strict=False))
    most = max((sum(s.start <= t < s.end for s in several) for t in range(60)), default=0)
    assert len(found) <= max(most, 1) + 1


# ------------------------------------------------------------------ the form


def check(document: dict[str, Any]) -> list[str]:
    """What a viewer of Chrome's trace events could not show of it, in words."""
    events = document["traceEvents"]
    named = [each for each in events if each["ph"] == "M"]
    processes = {each["pid"] for each in named if each["name"] == "process_name"}
    threads = {(each["pid"], each["tid"]) for each in named if each["name"] == "thread_name"}
    wrong = [f"{why}: {event}" for event in events for why in faults_of(event)]
    for event in events:
        if event["pid"] not in processes:
            wrong.append(f"of an unnamed process: {event}")
        if event["ph"] in "Xbe" and (event["pid"], event["tid"]) not in threads:
            wrong.append(f"on an unnamed track: {event}")
    return wrong + unended(events) + crossing(events)


def faults_of(event: dict[str, Any]) -> Iterator[str]:
    kind, at = event["ph"], event["ts"]
    if type(at) is not int or at < 0 or not event["name"] or type(event["pid"]) is not int:
        yield "no event at all"
    if kind == "X" and (type(event["dur"]) is not int or event["dur"] < 0):
        yield "no duration"
    if kind == "C" and not all(isinstance(each, int | float) for each in event["args"].values()):
        yield "no quantity"
    if kind not in "MXbeCi" or (kind == "i" and event["s"] not in "gpt"):
        yield "unknown"


def unended(events: list[dict[str, Any]]) -> list[str]:
    """Of spans that may overlap, those that do not both begin and end."""
    opened: dict[Any, int] = {}
    wrong = []
    for event in events:
        key = (event.get("cat"), event.get("id"))
        if event["ph"] == "b":
            wrong += [f"begun twice: {event}"] * (key in opened)
            opened[key] = event["ts"]
        if event["ph"] == "e" and event["ts"] < opened.pop(key, 1 << 62):
            wrong.append(f"ended before it was begun: {event}")
    return wrong + [f"never ended: {key}" for key in opened]


def crossing(events: list[dict[str, Any]]) -> list[str]:
    """Tracks on which a span begins within another and ends after it."""
    complete: defaultdict[Any, list[tuple[int, int]]] = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            complete[event["pid"], event["tid"]].append((event["ts"], -event["ts"] - event["dur"]))
    return [f"crosses another on {key}" for key, found in complete.items() if _crossing(found)]


def _crossing(intervals: list[tuple[int, int]]) -> bool:
    """Whether one begins within another and ends after it."""
    around: list[int] = []
    for start, negative in sorted(intervals):
        while around and around[-1] <= start:
            around.pop()
        if around and -negative > around[-1]:
            return True
        around.append(-negative)
    return False


def document(built: Builder) -> dict[str, Any]:
    found = json.loads(render(trace(built), "session"))
    assert isinstance(found, dict)
    return found


def test_a_viewer_can_show_all_of_it() -> None:
    """Names for all processes and tracks, spans that lie within each other or apart, everything
    begun ended; times are whole microseconds, none below zero, and the plan's zero is marked."""
    found = document(harmed())
    assert check(found) == []
    kinds = {event["ph"] for event in found["traceEvents"]}
    assert kinds == {"M", "X", "b", "e", "C", "i"}
    assert found["otherData"] == {"session": "session", "plan_zero_us": 1_000_000}
    (zero,) = [event for event in found["traceEvents"] if event["name"] == "the plan's zero"]
    assert zero["ts"] == 1_000_000
    final = next(e for e in found["traceEvents"] if e["name"] == "final: Good morning everyone")
    assert (final["ts"], final["args"]["from_plan_ms"]) == (3_200_000, 2200)


@given(
    st.lists(
        st.tuples(st.integers(200, 3000), st.integers(0, 900)).map(lambda t: Cut(t[0], sum(t))),
        max_size=2,
        unique_by=lambda cut: cut.at // 1000,
    ),
    st.lists(st.tuples(st.integers(100, 3900), st.booleans(), st.integers(0, 3)), max_size=20),
)
def test_any_session_can_be_shown(cuts: list[Cut], told: list[tuple[int, bool, int]]) -> None:
    """Whatever was cut, and in whatever order partials and finals came."""
    cuts = sorted(cuts, key=lambda cut: cut.at)
    if len(cuts) == 2 and cuts[0].back >= cuts[1].at:
        cuts.pop()
    built = Builder(seconds=4, reference=SAID).play(cuts)
    for at, final, name in told:
        built.transcript(at, SAID[: 1 + name % 3], final=final, name=str(name))
    assert check(document(built)) == []


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda e: e.update(ts=-1), "no event at all"),
        (lambda e: e.update(ts=0.5), "no event at all"),
        (lambda e: e.update(dur=10**9), "crosses another"),
        (lambda e: e.update(pid=77), "of an unnamed process"),
        (lambda e: e.update(tid=77), "on an unnamed track"),
        (lambda e: e.update(ph="Q"), "unknown"),
    ],
)
def test_the_check_finds_what_is_planted(harm: Any, said: str) -> None:
    """Planted: one event of a good trace is spoilt, and the check says how."""
    found = document(harmed())
    partial = next(
        e for e in found["traceEvents"] if e["name"] == "Good morning" and e["ph"] == "X"
    )
    harm(partial)
    assert said in "; ".join(check(found))


def test_the_check_finds_what_never_ends() -> None:
    """Planted: an end is missing."""
    found = document(harmed())
    found["traceEvents"].remove(next(e for e in found["traceEvents"] if e["ph"] == "e"))
    assert "never ended" in "; ".join(check(found))


def test_names_may_be_anything() -> None:
    """A transcript with quotes and controls in it is JSON all the same."""
    said = 'say "it" \\ \x00 \u2028 @x'
    made = Trace(0, [Track("g", said, [Span(said, 1, 2)], [Point(said, 3)])], [])
    events = json.loads(render(made, said))["traceEvents"]
    assert [event["name"] for event in events if event["ph"] in "Xi"][:2] == [said, said]
