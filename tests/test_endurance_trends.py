"""Leaks and drifts: named when they are there, and not when they are not."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from played_soaks import played, process, session

from replay.endurance.growth import drift, leaks, sure, warm_up
from replay.endurance.judging import Facts, judge
from replay.endurance.outcome import Recovered
from replay.endurance.resources import History, Sample
from replay.endurance.tally import tally
from replay.endurance.trend import Rule, Trend, minima, theil_sen
from replay.endurance.trend import judge as judge_trend
from replay.statistics import slope

DRAWS = 150


def named(draws: int = DRAWS, **what: float) -> dict[str, float]:
    """In which share of simulated processes each measure is said to leak."""
    found = dict.fromkeys(("rss", "fds", "threads", "tasks"), 0)
    for seed in range(draws):
        samples = process(Random(seed), **what)
        settled = warm_up(samples[-1].t, begun=30.0)
        for trend in sure(leaks(History(samples), settled)):
            found[trend.of] += 1
    return {name: count / draws for name, count in found.items()}


# ------------------------------------------------------------------ how often it is right


@pytest.mark.parametrize(("minutes", "a_minute"), [(10, 40), (30, 10), (30, 20)])
def test_an_honest_process_is_not_said_to_leak(
    minutes: float, a_minute: float, tell: Callable[[str], None]
) -> None:
    """Of simulated processes whose memory creeps, breathes and is given back, at most two in a
    hundred."""
    found = named(minutes=minutes, a_minute=a_minute)
    told = ", ".join(f"{name} {share:.1%}" for name, share in found.items())
    tell(f"leaks, false alarms, {minutes:g} min at {a_minute:g} reconnections a minute: {told}")
    assert max(found.values()) <= 0.02


@pytest.mark.parametrize(("a_minute", "at_least"), [(10, 0.8), (20, 0.95)])
def test_a_leak_of_one_reconnection_in_ten_is_named(
    a_minute: float, at_least: float, tell: Callable[[str], None]
) -> None:
    """64 KiB, a descriptor and a task, at one reconnection in ten, in half an hour of ten or of
    twenty reconnections a minute; and threads, which nothing leaks, are not."""
    found = named(a_minute=a_minute, memory=64 << 10, descriptors=1, tasks=1)
    told = ", ".join(f"{name} {found[name]:.1%}" for name in ("rss", "fds", "tasks"))
    tell(f"leaks at 1 in 10, named after {30 * a_minute:g} reconnections in half an hour: {told}")
    assert min(found["rss"], found["fds"], found["tasks"]) >= at_least
    assert found["threads"] == 0


def recoveries(random: Random, n: int, tiring: float = 0.0) -> list[tuple[float, float]]:
    """When and in how many ms: attempts are spread, some need a second one, some wait for words."""
    found = []
    for at in range(n):
        took = random.uniform(50, 500) + random.lognormvariate(5.0, 0.5)
        took += random.uniform(0, 1000) * (random.random() < 0.2)
        found.append((at * 6.0 + random.uniform(0, 6), took + at * tiring))
    return found


def drifts(n: int, tiring: float = 0.0) -> float:
    found = [
        drift("recover", "", *zip(*recoveries(Random(s), n, tiring), strict=True))
        for s in range(DRAWS)
    ]
    return len(sure(found)) / DRAWS


def test_what_lies_within_a_moment_has_no_slope() -> None:
    """After a common cut all sessions recover within seconds: by the hour that would be anything,
    and so would be what is borne."""
    few = drift(
        "recover", "restart", [60.0 + n / 4 for n in range(20)], [900.0 + n for n in range(20)]
    )
    many = drift("recover", "restart", [60.0 + n / 400 for n in range(200)], [900.0] * 200)
    spread = drift("recover", "restart", [60.0 * n for n in range(20)], [900.0] * 20)
    assert [(each.state, each.slope, each.bound) for each in (few, many, spread)] == [
        ("unknown", None, 0.0)
    ] * 3
    assert [each.why for each in (few, many, spread)] == [
        "all of it lay within 5 s",
        "all of it lay within 0 s",
        "5 points are too few: it takes 10",
    ]


def test_recoveries_that_take_ever_longer_are_named(tell: Callable[[str], None]) -> None:
    """300 recoveries, each 2 ms or 5 ms longer than the one before; steady ones are not."""
    calm, slow, slower = drifts(300), drifts(300, 2.0), drifts(300, 5.0)
    tell(
        f"drift of 300 recoveries of half a second: false alarms {calm:.1%}, "
        f"named at 2 ms a recovery {slow:.1%}, at 5 ms {slower:.1%}"
    )
    assert calm <= 0.02
    assert slow >= 0.8
    assert slower == 1.0


def latencies(random: Random, minutes: int, gain: float) -> Trend:
    """Medians by the minute of a latency of 400 ms that gains a share of itself in all: a slow
    wave of a busy machine is on it."""
    wave = random.uniform(0, 2 * math.pi)
    rows = [
        400 * (1 + 0.03 * math.sin(wave + at / 7) + random.gauss(0, 0.04) + gain * at / minutes)
        for at in range(minutes)
    ]
    return drift("word_final", "", [60.0 * at for at in range(minutes)], rows)


def test_latency_that_creeps_up_is_named(tell: Callable[[str], None]) -> None:
    """By four tenths over an hour of minutes; a steady one is not."""
    calm = len(sure([latencies(Random(s), 60, 0.0) for s in range(DRAWS)])) / DRAWS
    less = len(sure([latencies(Random(s), 60, 0.25) for s in range(DRAWS)])) / DRAWS
    crept = len(sure([latencies(Random(s), 60, 0.4) for s in range(DRAWS)])) / DRAWS
    tell(
        f"drift of latency over 60 minutes: false alarms {calm:.1%}, named at +25 % {less:.1%}, "
        f"at +40 % {crept:.1%}"
    )
    assert calm <= 0.02
    assert crept >= 0.95


# ------------------------------------------------------------------ the slope


@given(st.floats(-100, 100), st.floats(-1000, 1000), st.integers(10, 40))
def test_a_straight_line_has_its_slope(rise: float, start: float, n: int) -> None:
    """With an interval of no width."""
    x = np.arange(n, dtype=np.float64)
    found = theil_sen(x, start + rise * x)
    assert found is not None
    assert (found.slope, found.low, found.high) == pytest.approx((rise, rise, rise), abs=1e-6)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(-99, 99)), min_size=2, max_size=40))
def test_the_slope_is_the_one_used_everywhere(points: list[tuple[int, int]]) -> None:
    """The median of the slopes of all pairs, within its interval; None where x stands still."""
    x, y = (np.array(each, dtype=np.float64) for each in zip(*sorted(points), strict=True))
    found = theil_sen(x, y)
    assert (None if found is None else found.slope) == slope(x, y)
    if found is not None:
        assert found.low <= found.slope <= found.high


def test_the_interval_holds_the_truth() -> None:
    """In 99 of 100 samples of independent points, and no more often than it should."""
    x, inside = np.arange(30, dtype=np.float64), 0
    draw = np.random.default_rng(1)
    for _ in range(1000):
        found = theil_sen(x, 2 * x + draw.standard_normal(30) * 20)
        assert found is not None
        inside += found.low <= 2 <= found.high
    assert 980 <= inside <= 998


@pytest.mark.parametrize(
    ("y", "state", "why"),
    [
        ([0] * 40, "flat", ""),
        (range(40), "grows", ""),
        ([min(max(k - 14, 0), 12) for k in range(40)], "unknown", "it rose, and did not go on"),
        ([20 * (1 - 2 ** (-k / 5)) for k in range(40)], "unknown", "did not go on"),
        ([-k for k in range(40)], "flat", ""),
        ([0.1 * k + k * 7 % 11 for k in range(40)], "unknown", "its interval holds both"),
        (range(9), "unknown", "9 points are too few: it takes 10"),
    ],
)
def test_what_a_slope_says(y: list[float], state: str, why: str) -> None:
    """Growth is what goes on: a step, and what settles, are not called one."""
    x = np.arange(len(y), dtype=np.float64)
    made = Trend(of="rss", unit="bytes/reconnect", bound=0.1)
    found = judge_trend(made, x, np.array(y, dtype=np.float64), Rule(0.1))
    assert found.state == state
    assert why in found.why


def test_little_growth_is_no_trend() -> None:
    """In all, or over too few reconnections."""
    x = np.arange(40, dtype=np.float64)
    for rule, why in (
        (Rule(0.1, least=50), "it came to too little to tell a leak from a habit"),
        (Rule(0.1, span=50), "it takes 50 to tell, and there were 39"),
    ):
        found = judge_trend(Trend(of="rss", unit="", bound=0.1), x, x, rule)
        assert (found.state, found.why) == ("unknown", why)


def test_nothing_that_reconnects_has_no_slope() -> None:
    """A process of which nobody had to come back says nothing, whatever it took."""
    still = [
        Sample(t=t * 2.0, who="worker 1", pid=1, rss=t << 20, fds=3, threads=1) for t in range(200)
    ]
    found = {each.of: each for each in leaks(History(still))}
    assert set(found) == {"rss", "fds", "threads"}  # nobody could count tasks
    assert found["rss"].state == "unknown"
    assert found["rss"].why == "nothing happened meanwhile"


def test_blocks_keep_the_smallest() -> None:
    """Of each stretch of neighbours, beside the middle of its x."""
    x, y = minima(np.arange(6.0), np.array([3.0, 1, 2, 9, 8, 7]), 2)
    assert (x.tolist(), y.tolist()) == ([1.0, 4.0], [1.0, 7.0])


# ------------------------------------------------------------------ in a soak


def test_no_slope_is_taken_across_a_restart() -> None:
    """A process that was started again is another one, with its own name and its own warm-up."""
    first = process(Random(1), minutes=10)
    again = [
        Sample(
            t=each.t + 600, who=each.who, pid=2, generation=1, rss=each.rss + (99 << 20),
            fds=each.fds + 99, threads=each.threads, reconnects=each.reconnects + 100,
        )
        for each in process(Random(2), minutes=10)
    ]  # fmt: skip
    found = leaks(History([*first, *again]))
    assert {each.who for each in found} == {"worker 1", "worker 1 (started again, 1)"}
    assert sure(found) == []


def growing(sessions: int) -> Trend:
    """The memory of a process that keeps 20 KiB for each of its sessions, of which each came back
    twice, or not at all."""
    samples = [
        Sample(
            t=t, who="sandbox", pid=1, rss=(64 << 20) + t // 4 * (20 << 10), fds=9, threads=2,
            reconnects=t // 2, sessions=t // 4 * sessions,
        )
        for t in range(0, 1800, 5)
    ]  # fmt: skip
    return leaks(History(samples))[0]


def test_what_is_kept_of_sessions_is_no_leak() -> None:
    """Where sessions are many and short, their records grow with the reconnections, and are borne;
    the same growth with no session over is a leak."""
    kept = growing(1)
    assert (kept.state, kept.bound) == ("flat", pytest.approx((3 + 12) << 10, rel=0.01))
    leak = growing(0)
    assert (leak.state, leak.bound, leak.slope) == (
        "grows",
        3 << 10,
        pytest.approx(10 << 10, rel=0.01),
    )


def test_tasks_that_were_not_told_now_and_then_are_no_gap() -> None:
    """A sandbox that is away for a moment tells nothing; its course is drawn on."""
    samples = process(Random(1), who="sandbox")
    for each in samples[10:20]:
        each.tasks = None
    summary = judge(tally([session(0)]), History(samples), Facts(plan={}, elapsed=1800.0))
    (course,) = summary.resources
    assert len(course.tasks) == len(course.t)
    assert [each.state for each in summary.trends if each.of == "tasks"] == ["flat"]


def test_a_soak_fails_for_a_leak_and_names_it() -> None:
    """With the process, what it leaks, how much a reconnection and how sure that is."""
    samples = process(Random(1), a_minute=20, descriptors=1, who="sandbox")
    facts = Facts(plan={}, elapsed=1800.0, settled=warm_up(1800.0, 30.0))
    summary = judge(tally([session(0)]), History(samples), facts)
    assert summary.verdict == "fail"
    (reason,) = summary.reasons
    assert reason.startswith("sandbox leaks file descriptors: 0.1")
    assert reason.endswith(" reconnections")
    (course,) = summary.resources
    assert (course.who, len(course.t), course.t[-1]) == ("sandbox", 300, samples[-1].t)


def test_a_sandbox_that_tires_is_named() -> None:
    """Played in virtual time: 45 reconnections, each served 15 ms later than the one before."""
    tired = played(1, faults=("reset @ 3s every 10s",), seconds=450.0, defects=("tiring=15ms",))
    summary = judge(tally([tired]), History(), Facts(plan={}, elapsed=450.0))
    assert summary.reconnects == 45
    assert [each.of for each in sure(summary.drifts)] == ["recover"]


def test_a_soak_fails_for_recoveries_that_tire() -> None:
    """By the kind of fault too, where there are several."""
    kinds = ("reset", "stall")
    lost = [
        Recovered(at=at, kind=kinds[n % 2], down=took, first_ack=0.0)
        for n, (at, took) in enumerate(recoveries(Random(1), 300, tiring=5.0))
    ]
    summary = judge(tally([session(0, outages=lost)]), History(), Facts(plan={}, elapsed=1800.0))
    assert summary.verdict == "fail"
    assert len(summary.reasons) == 3
    assert summary.reasons[0].startswith("recoveries come later and later: by ")
    assert summary.reasons[1].startswith("recoveries from reset come later and later: by ")
