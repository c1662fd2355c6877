"""Sessions of a soak, made up and simulated, and what processes took meanwhile."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

from hypothesis import strategies as st

from replay.continuity import Finding, compare
from replay.endurance.folding import outcome
from replay.endurance.histogram import Encoded, Histogram
from replay.endurance.outcome import (
    LATENCIES,
    AudioTotals,
    Back,
    Minute,
    Outcome,
    Place,
    Recovered,
    Window,
)
from replay.endurance.resources import Sample
from replay.faults import parse_plan
from replay.sandbox.defects import planted
from replay.sandbox.recognizers.scripted import Script, ScriptWord
from replay.sandbox.settings import Settings
from replay.simulation.simulate import Simulation, simulate
from replay.summary import summarise


@cache
def played(
    seed: int,
    *,
    faults: tuple[str, ...] = ("reset @ 5s every 10s",),
    seconds: float = 40.0,
    slot: int = 0,
    number: int = 0,
    began: float = 0.0,
    cut: bool = False,
    defects: tuple[str, ...] = (),
) -> Outcome:
    """A session that was really played, in virtual time, and folded."""
    words = [
        ScriptWord(f"word{at % 50}", at * 0.4, at * 0.4 + 0.3)
        for at in range(round(seconds / 0.4) - 2)
        if at % 10 < 7
    ]
    spec = Simulation(
        seconds=seconds,
        script=Script(words),
        plan=parse_plan(list(faults)),
        settings=Settings(defects=tuple(planted(each) for each in defects)),
        seed=seed,
    )
    done = simulate(spec)
    timeline = done.timeline
    comparison = None
    if done.recorded is not None:
        comparison = compare(done.sent, done.recorded, timeline.format.frame_bytes)
    place = Place(
        slot=slot, number=number, path=f"sessions/{slot}-{number}", seed=seed, began=began, cut=cut
    )
    return outcome(summarise(timeline, comparison), timeline, comparison, place)


def histogram(values: list[float], digits: int = 3) -> Encoded:
    made = Histogram(digits)
    made.add(values)
    return made.encoded()


def session(number: int, slot: int = 0, began: float = 0.0, **facts: Any) -> Outcome:
    """A session of a minute that passed, unless told otherwise."""
    place = Place(slot=slot, number=number, path=f"sessions/{slot}-{number}", began=began)
    given = {"ended": began + 60.0, "seconds": 60.0, "verdict": "pass"}
    given["audio"] = AudioTotals(sent=960, acked=960, recorded=960, lost=0, repeated=0, garbage=0)
    return Outcome(place=place, **{**given, **facts})


MS = st.integers(0, 5_000_000).map(lambda us: us / 1000)
SECONDS = st.integers(0, 200_000_000).map(lambda ms: ms / 1000)
KINDS = st.sampled_from(["reset", "stall", "close", ""])
VALUES = st.lists(MS, max_size=12)


@st.composite
def outcomes(draw: st.DrawFn, number: int) -> Outcome:
    """Any session that could be, told apart from others by its number."""
    began, lasted = draw(SECONDS), draw(st.integers(0, 2_000_000)) / 1000
    some = st.none() | st.integers(0, 9)
    maybe = st.none() | MS
    steps = ("detect", "down", "first_ack", "caught_up", "backoff", "flush")
    outages = st.builds(
        Recovered,
        at=st.integers(0, 1000).map(lambda s: began + s / 4),
        kind=KINDS,
        resent=st.integers(0, 9),
        **dict.fromkeys(steps, maybe),
    )
    findings = st.builds(
        Finding,
        invariant=st.sampled_from(["A1", "R3"]),
        severity=st.sampled_from(["error", "warning"]),
        detail=st.sampled_from(["one", "another"]),
    )
    latency = st.dictionaries(st.sampled_from(LATENCIES), VALUES.map(histogram), max_size=2)
    coarse = st.dictionaries(
        st.sampled_from(["ack", "word_final"]), VALUES.map(lambda ms: histogram(ms, 2)), max_size=2
    )
    minutes = st.builds(
        Minute,
        at=st.integers(0, 4).map(lambda later: int(began // 60) + later),
        latency=coarse,
        undisturbed=coarse,
    )
    windows = st.builds(
        lambda at, long, kind: Window(began + at, began + at + long, kind),
        st.integers(0, 99),
        st.integers(0, 9),
        KINDS,
    )
    attempts = st.lists(st.integers(0, 10**9), max_size=3)
    backs = st.builds(Back, st.integers(0, 5).map(lambda s: s * 10**9), attempts)
    counted = st.integers(0, 9)
    sums = ("recorded", "lost", "repeated", "reordered", "garbage")
    audio = st.builds(AudioTotals, sent=counted, acked=counted, **dict.fromkeys(sums, some))
    return Outcome(
        place=Place(
            slot=draw(st.integers(0, 3)),
            number=number,
            attempt=draw(st.integers(1, 3)),
            path=f"sessions/{number}",
            began=began,
            cut=draw(st.booleans()),
        ),
        ended=began + lasted,
        seconds=lasted,
        verdict=draw(st.sampled_from(["pass", "fail", "unknown"])),
        doubts=draw(st.lists(st.sampled_from(["not fetched", "cut short"]), max_size=1)),
        findings=draw(st.lists(findings, max_size=7)),
        invariants=draw(st.dictionaries(st.sampled_from(["A1", "R1"]), st.just("pass"))),
        audio=draw(audio),
        words_lost=draw(some),
        words_duplicated=draw(some),
        words_changed=draw(some),
        reconnects=draw(counted),
        faults=draw(st.dictionaries(st.sampled_from(["reset", "stall"]), counted)),
        asked=draw(counted),
        missed=draw(st.lists(st.sampled_from(["reset @ 9s", "close @ 8s"]), max_size=2)),
        windows=draw(st.lists(windows, max_size=4)),
        outages=draw(st.lists(outages, max_size=4)),
        latency=draw(latency),
        undisturbed=draw(latency),
        lateness=draw(VALUES.map(histogram)),
        mistimed=draw(st.booleans()),
        stalls=draw(counted),
        minutes=draw(st.lists(minutes, max_size=3)),
        backs=draw(st.lists(backs, max_size=3)),
    )


def process(
    random: Random,
    *,
    minutes: float = 30.0,
    a_minute: float = 10.0,
    memory: int = 0,
    descriptors: float = 0.0,
    tasks: float = 0.0,
    every: int = 10,
    step: float = 2.0,
    who: str = "worker 1",
) -> list[Sample]:
    """What a process takes that keeps ten sessions, sampled every two seconds.

    It is like the real ones were seen to be: memory creeps up while caches fill and what is kept
    of sessions settles, by some MiB and over minutes; it breathes with the sessions under way; some
    files and tasks are open for a reconnection, a request or a fetch. `memory`, `descriptors`,
    `tasks`: what is leaked by one reconnection in `every`, drawn by lot.
    """
    samples: list[Sample] = []
    base, breath, reconnects, leaks = 60 << 20, 0.0, 0, 0
    size, half_life = random.uniform(0.5, 4) * (1 << 20), 60 * 2 ** random.uniform(-1.5, 1.5)
    for at in range(round(minutes * 60 / step)):
        t = at * step
        new = sum(random.random() < a_minute * step / 60 / 5 for _ in range(5))
        reconnects += new
        leaks += sum(random.random() < 1 / every for _ in range(new))
        breath = 0.9 * breath + random.gauss(0, 150 << 10)  # some MiB, over half a minute
        creep = size * (1 - 2.0 ** (-t / half_life)) + (400 << 10) * (t / (600 + t))
        rss = base + creep + breath + leaks * memory
        rss += (1 << 20) * (random.random() < 0.05)
        busy = random.choice([0, 0, 0, 1, 1, 2]) + 2 * new
        samples.append(
            Sample(
                t=t,
                who=who,
                pid=1,
                rss=round(rss) >> 12 << 12,
                fds=40 + busy + round(leaks * descriptors),
                threads=6 + random.choice([0, 0, 1, 2]),
                tasks=80 + 3 * busy + random.choice([0, 4]) + round(leaks * tasks),
                reconnects=reconnects,
            )
        )
    return samples
