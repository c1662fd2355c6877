"""Conditions on a soak: read, refused, and held."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from played_soaks import histogram, session

from replay.catalogue import SOAK, STATISTICS
from replay.endurance.judging import Facts, figures, judge
from replay.endurance.outcome import Recovered
from replay.endurance.promises import hold, parse
from replay.endurance.resources import History
from replay.endurance.tally import tally
from replay.endurance.trend import Trend
from replay.errors import ConditionError


@pytest.mark.parametrize(
    ("text", "name", "operator", "value"),
    [
        ("recover.p95 < 3s", "recover.p95", "<", 3000),
        ("lost_bytes == 0", "lost_bytes", "==", 0),
        ("word_final.p95 < 800ms", "word_final.p95", "<", 800),
        ("clear_ack.p99 < 100ms", "clear_ack.p99", "<", 100),
        ("failed_sessions == 0", "failed_sessions", "==", 0),
        ("rss.slope < 1KiB/reconnect", "rss.slope", "<", 1024),
        (" rss.slope<=512 / reconnect ", "rss.slope", "<=", 512),
        ("fds.slope < 0.01/reconnect", "fds.slope", "<", 0.01),
        ("tasks.slope < .01/reconnect", "tasks.slope", "<", 0.01),
        ("threads.slope < 1/reconnect", "threads.slope", "<", 1),
        ("recover.slope < 1s/h", "recover.slope", "<", 1000),
        ("ack.slope < 5ms/h", "ack.slope", "<", 5),
    ],
)
def test_conditions_are_read(text: str, name: str, operator: str, value: float) -> None:
    """Figures as everywhere, and slopes in bytes, ones and ms."""
    found = parse(text)
    assert (found.name, found.operator, found.value) == (name, operator, pytest.approx(value))
    assert found.text == text.strip()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("recovery.p95 < 3s", "there is no figure 'recovery'; did you mean recover"),
        ("wer < 5%", "there is no figure 'wer'; use ack, "),
        ("recover < 3s", "recover is a distribution; use recover.p50"),
        ("recover.p95 < 3", "3 has no unit"),
        ("recover.p95 < +10%", "a soak has no baseline to change from"),
        ("lost_bytes < +5", "no baseline to change from"),
        ("cpu.slope < 1/reconnect", "nothing tells how cpu grows; use rss.slope, fds.slope"),
        ("rss.slope", "cannot be read: write it like rss.slope < 1KiB/reconnect"),
        ("rss.slope < 1KiB", "there is no '/reconnect': write it like rss.slope < 1KiB/reconnect"),
        ("rss.slope < 1KiB/h", "'/h' is not what it is counted by: write it like rss.slope"),
        ("rss.slope < 1ms/reconnect", "'1ms' is no size"),
        ("fds.slope < 1KiB/reconnect", "1KiB is no count; write it like fds.slope < 0.01/recon"),
        ("fds.slope == 0/reconnect", "a slope is held against <, <=, > or >="),
        ("rss.slope < -1KiB/reconnect", "cannot be read: write it like rss.slope"),
        ("ack.slope < 5/h", "5 has no unit; write it like ack.slope < 5ms/h"),
        ("ack.slope < 5ms/reconnect", "'/reconnect' is not what it is counted by"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, said: str) -> None:
    """In one line, with what could have been meant."""
    with pytest.raises(ConditionError) as caught:
        parse(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=40) | st.text(max_size=20).map(lambda rest: f"rss.slope {rest}"))
def test_no_text_breaks_the_reader(text: str) -> None:
    """It is a condition or it is refused."""
    with suppress(ConditionError):
        parse(text)


def test_every_figure_can_be_held() -> None:
    """Each one that can be named is there once a soak has measured it."""
    lost = Recovered(
        at=1.0, kind="reset", detect=1.0, down=1.0, backoff=1.0, connect=1.0, flush=1.0,
        first_ack=1.0, first_transcript=1.0, caught_up=1.0,
    )  # fmt: skip
    values = {name: histogram([1.0]) for name in SOAK}
    full = session(
        0,
        outages=[lost],
        latency=values,
        undisturbed=values,
        words_lost=0,
        lateness=histogram([1.0]),
    )
    found = figures(judge(tally([full]), History(), Facts(plan={}, elapsed=60.0)))
    assert set(found) >= set(SOAK)
    for name, figure in SOAK.items():
        unit = {"ms": "ms", "bytes": "KiB", "count": "", "ratio": "%"}[figure.unit]
        for statistic in [""] if figure.single else STATISTICS:
            dotted = f"{name}.{statistic}".rstrip(".")
            counted = statistic in ("n", "censored")
            condition = parse(f"{dotted} >= 0{'' if counted else unit}")
            state = hold(condition, found, []).state
            assert state == "pass" or statistic in ("p90", "p95", "p99"), dotted


def trend(low: float | None, high: float | None, who: str = "worker 1", of: str = "rss") -> Trend:
    slope = ((high if low is None else low) + (low if high is None else high)) / 2
    return Trend(
        of=of,
        who=who,
        unit="bytes/reconnect",
        slope=slope,
        low=low,
        high=high,
        bound=0.0,
        state="grows",
    )


@pytest.mark.parametrize(
    ("text", "trends", "state", "why"),
    [
        ("rss.slope < 1KiB/reconnect", [trend(0, 1000)], "pass", "worker 1: 99 % interval 0 to"),
        ("rss.slope < 1KiB/reconnect", [trend(0, 1100)], "unknown", "holds the limit"),
        ("rss.slope < 1KiB/reconnect", [trend(1100, 1200)], "fail", "1100 to 1200 bytes/reconnect"),
        ("rss.slope > 1KiB/reconnect", [trend(1100, 1200)], "pass", ""),
        ("rss.slope < 1KiB/reconnect", [trend(None, 1000)], "pass", "-∞ to 1000"),
        ("rss.slope < 1KiB/reconnect", [trend(0, None)], "unknown", "0 to ∞"),
        (
            "rss.slope < 1KiB/reconnect",
            [trend(0, 10), trend(2000, 2001, "sandbox"), trend(0, 1100, "worker 2")],
            "fail",
            "sandbox",
        ),
        ("rss.slope < 1KiB/reconnect", [trend(0, 9), trend(0, 2000, "sandbox")], "unknown", "sand"),
        ("fds.slope < 1/reconnect", [trend(0, 9)], "unknown", "not measured"),
        (
            "rss.slope < 1KiB/reconnect",
            [Trend(of="rss", who="pid 7", unit="", bound=0.0, why="9 points are too few")],
            "unknown",
            "pid 7: 9 points are too few",
        ),
        # What may still settle is no failure yet.
        (
            "rss.slope < 1KiB/reconnect",
            [
                Trend(
                    of="rss",
                    who="worker 1",
                    unit="bytes/reconnect",
                    slope=9e4,
                    low=8e4,
                    high=1e5,
                    bound=4096.0,
                    why="it takes 200 to tell, and there were 90",
                )
            ],
            "unknown",
            "but it takes 200 to tell",
        ),
        # One long life of a process tells enough, but every process has to have one.
        (
            "rss.slope < 1KiB/reconnect",
            [trend(0, 1000, "sandbox"), trend(0, 9000, "sandbox (started again, 1)")],
            "pass",
            "sandbox: 99 %",
        ),
        (
            "rss.slope < 1KiB/reconnect",
            [trend(0, 1000, "sandbox"), trend(2000, 9000, "sandbox (started again, 1)")],
            "fail",
            "sandbox (started again, 1)",
        ),
        (
            "rss.slope < 1KiB/reconnect",
            [trend(0, 1000, "sandbox"), trend(0, 9000, "worker 1")],
            "unknown",
            "worker 1",
        ),
        # Of times, the one over everything is held, not that of each kind of fault.
        (
            "recover.slope < 1s/h",
            [trend(0, 10, "", "recover"), trend(2000, 3000, "stall", "recover")],
            "pass",
            "",
        ),
    ],
)
def test_slopes_are_held_by_their_whole_interval(
    text: str, trends: list[Trend], state: str, why: str
) -> None:
    """For every process, the worst of them told."""
    found = hold(parse(text), {}, trends)
    assert found.state == state
    assert why in found.why
