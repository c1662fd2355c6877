"""Sessions folded and added up, in any order and any parts."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from played_soaks import histogram, outcomes, played, session

from replay import journal
from replay.continuity import Comparison, Finding, Range, compare
from replay.endurance.folding import _recovered, joined, outcome
from replay.endurance.histogram import Histogram
from replay.endurance.judging import Facts, judge
from replay.endurance.outcome import (
    AudioTotals,
    Back,
    Minute,
    Outcome,
    Place,
    Recovered,
    Window,
    decode,
    encode,
)
from replay.endurance.promises import parse
from replay.endurance.resources import History
from replay.endurance.summary import Death, SoakSummary
from replay.endurance.tally import Tally, merge, tally
from replay.faults import parse_plan
from replay.outages import Outage
from replay.sandbox.recognizers.scripted import Script, ScriptWord
from replay.simulation.simulate import Simulation, simulate
from replay.summary import Summary, summarise

SEVERAL = st.integers(0, 6).flatmap(lambda n: st.tuples(*(outcomes(number=k) for k in range(n))))


def told(found: Tally, **facts: Any) -> SoakSummary:
    return judge(found, History(), Facts(**{"plan": {}, "elapsed": 600.0, **facts}))


# ------------------------------------------------------------------ adding up


@given(SEVERAL, st.integers(0, 6), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_parts_of_a_soak_add_up(several: tuple[Outcome, ...], cut: int, random: Random) -> None:
    """Tallies of parts, merged in any order, are the tally of all in any order: every figure,
    chart, worst session, finding and reason of the summary."""
    whole = told(tally(several))
    shuffled = list(several)
    random.shuffle(shuffled)
    assert told(tally(shuffled)) == whole
    assert told(merge([tally(shuffled[cut:]), Tally(), tally(shuffled[:cut])])) == whole


@given(st.data())
@settings(max_examples=60)
def test_an_outcome_survives_being_written(data: st.DataObject) -> None:
    """A line of JSON, and back."""
    before = data.draw(outcomes(number=1))
    line = encode(before)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == before


def test_real_sessions_add_up_too() -> None:
    """Six that were played: merged, shuffled and written in between, they are told the same."""
    several = [played(seed, number=seed, began=seed * 45.0) for seed in range(6)]
    whole = told(tally(several))
    again = [decode(encode(each)) for each in reversed(several)]
    assert told(merge([tally(again[:2]), tally(again[2:])])) == whole
    assert whole.verdict == "pass", whole.reasons
    assert whole.reconnects == whole.recoveries[0].outages == 24
    assert whole.faults.by_kind == {"reset": 24}


# ------------------------------------------------------------------ one session


def test_a_session_is_kept_with_all_that_counts() -> None:
    """What its own summary says of audio, words, faults and latency is what is kept."""
    found = played(3, began=30.0)
    summary, _ = whole_run(3)
    assert (found.verdict, found.reasons, found.doubts) == ("pass", [], [])
    assert found.audio == AudioTotals(
        sent=summary.audio.sent_bytes,
        acked=summary.audio.acked_bytes,
        recorded=summary.audio.recorded_bytes,
        lost=0,
        repeated=summary.audio.repeated_bytes,
        reordered=0,
        garbage=0,
    )
    assert (found.reconnects, found.faults, found.missed) == (4, {"reset": 4}, [])
    assert (found.words_lost, found.words_duplicated, found.words_changed) == (0, 0, 0)
    for name, theirs in (
        ("ack", summary.latency.from_plan.ack),
        ("word_final", summary.latency.from_plan.word_final),
    ):
        mine = Histogram.decoded(found.latency[name]).distribution()
        assert (mine.n, mine.censored) == (theirs.n, theirs.censored)
        assert mine.p50 == pytest.approx(theirs.p50, rel=1e-3)
        assert mine.max == pytest.approx(theirs.max, abs=0.001)
    clear = Histogram.decoded(found.undisturbed["ack"]).distribution()
    assert summary.latency.undisturbed is not None
    assert clear.n == summary.latency.undisturbed.ack.n < mine.n + 400
    assert [each.down for each in found.outages] == [each.down_ms for each in summary.outages]
    assert all(each.kind == "reset" and each.recover > each.down for each in found.outages)
    assert len(found.backs) == 4
    assert all(len(each.attempts) == 1 for each in found.backs)


def test_a_session_that_we_ourselves_were_late_in_tells_no_latency() -> None:
    """It is judged like any other, and its latencies are left out; where there are no others, what
    was to be held against them cannot be told."""
    done = simulate(Simulation(seconds=20.0, plan=parse_plan(["reset @ 5s"]), seed=1))
    for entry in done.entries:
        if isinstance(entry, journal.Produced):
            entry.t += 60_000_000
    assert done.recorded is not None
    comparison = compare(done.sent, done.recorded, 2)
    summary = summarise(done.timeline, comparison)
    place = Place(slot=0, number=1, path="s")
    found = outcome(summary, done.timeline, comparison, place)
    assert (found.mistimed, found.doubts, found.reconnects) == (True, [], 1)
    assert (found.latency, found.undisturbed, found.minutes) == ({}, {}, [])
    late = Histogram.decoded(found.lateness).distribution()
    assert late.p50 == pytest.approx(60, abs=1)
    assert told(tally([found])).latency.mistimed == 1
    unknown = ("unknown", ["ack.p99 < 1s cannot be told: not measured"])
    assert verdict(found, conditions=("ack.p99 < 1s",)) == unknown
    assert told(tally([found, played(2, number=2)])).latency.all["ack"].n


def whole_run(seed: int) -> tuple[Summary, Comparison]:
    """The run behind `played`, once more."""
    words = [
        ScriptWord(f"word{at % 50}", at * 0.4, at * 0.4 + 0.3) for at in range(98) if at % 10 < 7
    ]
    plan = parse_plan(["reset @ 5s every 10s"])
    done = simulate(Simulation(seconds=40.0, script=Script(words), plan=plan, seed=seed))
    assert done.recorded is not None
    comparison = compare(done.sent, done.recorded, 2)
    return summarise(done.timeline, comparison), comparison


def test_minutes_are_of_the_soaks_clock() -> None:
    """A session that began at second 30 is told in the first minute and the next, by when its words
    were spoken; together its minutes hold all that it has."""
    found = played(3, began=30.0)
    assert [each.at for each in found.minutes] == [0, 1]
    for name in ("ack", "word_final"):
        parts = [Histogram.decoded(each.latency[name]) for each in found.minutes]
        assert sum(each.n for each in parts) == Histogram.decoded(found.latency[name]).n
        clear = [Histogram.decoded(each.undisturbed[name]) for each in found.minutes]
        assert sum(each.n for each in clear) == Histogram.decoded(found.undisturbed[name]).n
    spoken = Histogram.decoded(found.minutes[0].latency["ack"]).n
    assert 296 <= spoken <= 300  # half a minute, ten chunks a second, less what opening took


def test_windows_are_where_something_was_disturbed() -> None:
    """Each fault and the outage it brought are one window, of the fault's kind."""
    found = played(3, began=100.0)
    assert [each.kind for each in found.windows] == ["reset"] * 4
    for window, lost in zip(found.windows, found.outages, strict=True):
        assert window.begun <= lost.at <= window.over


def test_windows_of_one_kind_that_touch_are_joined() -> None:
    """And those within the gap; other kinds stay apart."""
    several = [Window(5, 6, "b"), Window(3, 4, "a"), Window(0, 3, "a"), Window(4.5, 5, "a")]
    assert joined(several) == [Window(0, 4, "a"), Window(4.5, 5, "a"), Window(5, 6, "b")]
    assert joined(several, 0.5) == [Window(0, 5, "a"), Window(5, 6, "b")]


# ------------------------------------------------------------------ cut off


def test_a_session_that_was_cut_off_never_passes_nor_fails_for_it() -> None:
    """The same session, said to have been cut off: unknown, and not a doubt about the soak."""
    found = played(3, cut=True)
    assert (found.verdict, found.doubts) == ("unknown", [])
    assert found.reasons == ["cut off from outside before its end"]
    assert found.words_lost is None
    summary = told(tally([found, session(1)]))
    assert (summary.verdict, summary.sessions.cut, summary.sessions.finished) == ("pass", 1, 1)


def cut_off(lost: int, garbage: int, findings: list[Finding]) -> Outcome:
    """A session whose recording lacks `lost` bytes, the first 500 of them acknowledged."""
    summary, comparison = whole_run(3)
    comparison.ranges = [Range(kind="lost", offset=1_279_000, size=lost, at=0)]
    comparison.garbage_bytes = garbage
    summary.findings = findings
    summary.audio.acked_bytes = 1_279_500
    summary.audio.lost_bytes = lost
    plan = parse_plan(["reset @ 5s every 10s"])
    timeline = simulate(Simulation(seconds=40.0, plan=plan, seed=3)).timeline
    return outcome(summary, timeline, comparison, Place(slot=0, number=0, cut=True))


def test_a_cut_off_session_fails_for_what_the_cut_cannot_have_done() -> None:
    """Lost bytes that were acknowledged, bytes nobody sent, broken rules of any beginning; not for
    bytes that were still on their way, nor for what only an end can bring."""
    unfinished = Finding(invariant="T2", severity="error", detail="no result")
    assert cut_off(400, 0, []).verdict == "fail"
    found = cut_off(900, 0, [unfinished])
    assert found.audio.lost == 500
    assert found.reasons == ["500 bytes that were acknowledged are not in the recording"]
    assert cut_off(0, 0, [unfinished]).verdict == "unknown"
    assert cut_off(0, 7, []).reasons == ["7 bytes of the recording were never sent"]
    broken = Finding(invariant="A3", severity="error", detail="acknowledged too much")
    found = cut_off(0, 0, [unfinished, broken])
    assert (found.verdict, found.reasons) == ("fail", ["acknowledged too much"])
    summary = told(tally([found, session(1)]))
    assert summary.verdict == "fail"
    assert summary.reasons == [
        "0 of 1 finished sessions failed, and 1 that were cut off; 0-0: acknowledged too much"
    ]


# ------------------------------------------------------------------ the verdict


def verdict(
    *several: Outcome, conditions: tuple[str, ...] = (), **facts: Any
) -> tuple[str, list[str]]:
    whole = {"plan": {}, "elapsed": 600.0, **facts}
    asked = [parse(each) for each in conditions]
    summary = judge(tally(several), History(), Facts(**whole), asked)
    return summary.verdict, summary.reasons


def test_a_soak_passes_when_all_is_well() -> None:
    """Sessions finished, nothing lost, conditions hold."""
    lost = Recovered(at=3.0, kind="reset", down=200.0, first_ack=50.0)
    good = session(0, outages=[lost], reconnects=1, faults={"reset": 1}, asked=1)
    assert verdict(good, conditions=("recover.max < 1s", "lost_bytes == 0")) == ("pass", [])


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (
            {"verdict": "fail", "reasons": ["R1 broken"]},
            "1 of 2 finished sessions failed; sessions/0-1: R1 broken",
        ),
        ({"audio": AudioTotals(sent=9, recorded=5, lost=4)}, "4 bytes of audio were lost"),
    ],
)
def test_a_soak_fails_for_its_sessions(bad: dict[str, Any], said: str) -> None:
    """One that failed, or lost anything, is enough."""
    assert verdict(session(0), session(1, **bad)) == ("fail", [said])


def test_a_soak_fails_for_a_worker_that_died() -> None:
    """Even if every session passed."""
    dead = Death(worker=2, t=312.0, why="killed by signal 9")
    assert verdict(session(0), deaths=[dead]) == (
        "fail",
        ["worker 2 died after 312 s: killed by signal 9"],
    )


def test_a_soak_fails_for_a_condition_that_does_not_hold() -> None:
    """And says what was measured against it."""
    slow = session(0, outages=[Recovered(at=3.0, kind="reset", down=4000.0, first_ack=50.0)])
    found, reasons = verdict(slow, conditions=("recover.max < 3s",))
    assert (found, reasons) == ("fail", ["recover.max < 3s does not hold"])


@pytest.mark.parametrize(
    ("several", "conditions", "said"),
    [
        ((), (), "no session finished"),
        ((session(0, asked=2),), (), "faults were asked for, and none fired"),
        (
            (session(0, asked=2, faults={"reset": 2}),),
            (),
            "faults fired, and nothing was disturbed",
        ),
        (
            (session(0), session(1, verdict="unknown", doubts=["not fetched"])),
            (),
            "1 of 2 finished sessions have no answer; sessions/0-1: not fetched",
        ),
        (
            (session(0),),
            ("recover.p95 < 3s",),
            "recover.p95 < 3s cannot be told: not measured",
        ),
        (
            (session(0),),
            ("rss.slope < 1KiB/reconnect",),
            "rss.slope < 1KiB/reconnect cannot be told: not measured",
        ),
    ],
)
def test_a_soak_that_proves_nothing_is_unknown(
    several: tuple[Outcome, ...], conditions: tuple[str, ...], said: str
) -> None:
    """Nothing finished, nothing happened, something cannot be told: never a pass."""
    assert verdict(*several, conditions=conditions) == ("unknown", [said])


def test_a_session_without_its_fault_is_no_doubt_about_the_soak() -> None:
    """A random fault that happens not to fire in one session does in others: played, and folded."""
    calm = played(1, faults=("reset @ poisson 1/h",), number=1)
    assert (calm.verdict, calm.reasons, calm.doubts) == ("pass", [], [])
    assert calm.missed == ["reset @ poisson 1/h"]
    summary = told(tally([calm, played(2, number=2)]))
    assert summary.verdict == "pass", summary.reasons
    assert summary.faults.missed == {"reset @ poisson 1/h": 1}


def test_a_fault_that_fires_in_no_session_is_a_doubt() -> None:
    """Nobody has been put through what was asked for."""
    spared = [played(1, faults=("reset @ poisson 1/h",), number=n) for n in (1, 2)]
    summary = told(tally([*spared]))
    assert summary.verdict == "unknown"
    assert "reset @ poisson 1/h fired too rarely in every session" in summary.reasons


def test_clients_in_step_after_a_common_cut_fail_the_soak() -> None:
    """Twelve of twelve slots lost at once, and back after the same second."""
    together = [
        session(0, slot=slot, backs=[Back(10**9, [10**9 + slot])], reconnects=1)
        for slot in range(12)
    ]
    summary = told(tally(together))
    assert summary.verdict == "fail"
    assert "12 sessions were cut off together" in summary.reasons[0]
    assert (summary.storm.cuts, summary.storm.sessions, summary.storm.attempts) == (1, 12, 12)
    assert sum(summary.storm.counts) == sum(summary.storm.first) == 12
    # Losses that happen to come together are no common cut: three of twelve slots.
    chance = [*together[:3], *(session(1, slot=slot) for slot in range(12))]
    assert told(tally(chance)).storm.cuts == 0


def test_a_common_cut_is_one_of_all_that_played_then() -> None:
    """Not of all that ever did, nor of another machine's: each machine has a sandbox of its own."""

    def together(slots: range, part: str = "", at: float = 30.0) -> list[Outcome]:
        found = []
        for slot in slots:
            each = session(0, slot=slot, backs=[Back(10**9, [10**9 + slot], at)], reconnects=1)
            each.place.path = part + each.place.path
            found.append(each)
        return found

    here, later = together(range(12)), [session(1, slot=n, began=60.5) for n in range(12, 60)]
    assert told(tally([*here, *later])).storm.state == "fail"  # 48 of 60 slots began later
    there = together(range(12, 60), "two/")
    for each in there:
        each.backs = []
    part = together(range(12), "one/")
    assert told(tally([*part, *there])).storm.state == "fail"
    chance = together(range(12, 15), "two/")  # of 48: no common cut, and not in the way of one
    both = told(tally([*part, *there[3:], *chance])).storm
    assert (both.cuts, both.sessions) == (1, 12)


def test_what_never_recovered_counts_as_long_as_it_was_seen_to_last() -> None:
    """Half of all losses: the figure cannot be lower than that, and no condition holds by them."""
    good = [Recovered(at=at, kind="reset", down=900.0, caught_up=500.0) for at in range(40)]
    never = [Recovered(at=at, kind="reset", down=900.0, lasting=8e4) for at in range(40)]
    summary = told(tally([session(0, outages=[*good, *never], reconnects=80)]))
    found = summary.recoveries[0].recover
    assert (found.n, found.censored, found.p95) == (80, 40, None)
    assert found.p50 == pytest.approx(1400.0, rel=1e-3)
    assert found.at_least["p95"] == pytest.approx(8e4, rel=1e-3)
    assert summary.worst[0].recover == 8e4
    asked = ("recover.p95 < 3s", "recover.p50 < 3s")
    assert verdict(session(0, outages=[*good, *never]), conditions=asked)[1] == [
        "recover.p95 < 3s does not hold: at least this: something never came"
    ]


@pytest.mark.parametrize(
    ("lasting", "recover", "bound"),
    [(None, 950.0, None), (9_000.0, None, None), (11_000.0, None, 11_000.0)],
)
def test_what_was_not_watched_for_long_is_open(
    lasting: float | None, recover: float | None, bound: float | None
) -> None:
    """Partials that lag for a moment before a session ends tell nothing, neither way: a bound that
    is lower than what is usual would take all quantiles with it."""
    outage = Outage(connection=1, cause="wire", down_ms=900.0, first_ack_ms=50.0)
    found = _recovered(Place(slot=0, number=0), 0, outage, lasting)
    assert (found.recover, found.lasting) == (recover, bound)


def test_a_cut_session_says_nothing_of_what_it_was_not_left_to_do() -> None:
    """It might have come back a moment later."""
    faults = ("unreachable(300s) @ 9s", "reset @ 10s")
    (gave_up,) = played(1, faults=faults).outages
    assert gave_up.down is None
    assert gave_up.lasting is not None
    assert gave_up.lasting > 60_000
    (cut,) = played(1, faults=faults, cut=True).outages
    assert cut.lasting is None


@pytest.mark.parametrize(
    ("condition", "certain_so_far"),
    [
        ("reconnects >= 100", False),
        ("reconnects == 30", False),
        ("reconnects == 10", True),
        ("reconnects < 10", True),
        ("recover.p50 < 1s", False),
        ("recover.max < 1s", True),
        ("recover.min > 2s", True),
        ("recover.mean < 1s", False),
    ],
)
def test_what_cannot_come_to_hold_again(condition: str, certain_so_far: bool) -> None:
    """All of these fail now; a soak is ended early only for what no hour to come can mend."""
    lost = [Recovered(at=at, kind="reset", down=900.0, caught_up=500.0) for at in range(20)]
    asked = [parse(condition)]
    whole = tally([session(0, outages=lost, reconnects=20)])
    summary = judge(whole, History(), Facts(plan={}, elapsed=60.0, over=False), asked)
    assert [each.state for each in summary.checks] == ["fail"]
    assert (summary.verdict, summary.reasons) == (
        ("fail", [f"{condition} does not hold"])
        if certain_so_far
        else ("unknown", [f"{condition} does not hold yet"])
    )
    assert judge(whole, History(), Facts(plan={}, elapsed=60.0), asked).verdict == "fail"


# ------------------------------------------------------------------ what is shown


def test_the_worst_sessions_come_first() -> None:
    """Those that failed, those without an answer, then the slowest to recover; twenty of them."""
    several = [
        session(n, outages=[Recovered(at=1.0, down=float(n), first_ack=0.0)]) for n in range(30)
    ]
    several += [session(40, verdict="fail"), session(41, verdict="unknown")]
    worst = told(tally(several)).worst
    assert [each.session for each in worst[:4]] == [
        "sessions/0-40",
        "sessions/0-41",
        "sessions/0-29",
        "sessions/0-28",
    ]
    assert len(worst) == 20
    assert worst[2].recover == 29.0


def test_a_long_soak_is_told_in_few_rows() -> None:
    """Stretches grow with the soak: a week has no more rows than a day, and nothing is left out."""
    week = [
        session(
            n,
            began=n * 3600.0,
            minutes=[Minute(at=n * 60, latency={"ack": histogram([float(n)] * 3, 2)})],
        )
        for n in range(7 * 24)
    ]
    found = tally(week)
    summary = told(found)
    assert summary.row_minutes == 8
    assert len(summary.rows) <= 1440
    assert sum(each.ended for each in summary.rows) == len(week)
    held = sum(each.measures["ack"].n for _, each in found.rows.rows)
    assert held == 3 * len(week)
    # Each session took a minute of its eight.
    assert summary.rows[0].sessions == pytest.approx(1 / 8, abs=0.01)


def test_many_windows_are_thinned() -> None:
    """A chart of ten thousand windows shows no more than it can, and covers them all."""
    many = session(0, windows=[Window(t, t + 0.5, "reset") for t in range(10_000)])
    shown = told(tally([many]), elapsed=10_000.0).windows
    assert len(shown) <= 2000
    assert (shown[0].begun, shown[-1].over) == (0, 9999.5)


def test_findings_are_grouped() -> None:
    """By invariant and severity: how many, in how many sessions, and the first few."""
    bad = [Finding(invariant="R3", severity="error", detail=f"number {n}") for n in range(4)]
    several = [session(n, verdict="fail", findings=bad, found=4) for n in range(3)]
    (found,) = told(tally(several)).findings
    assert (found.invariant, found.count, found.sessions) == ("R3", 12, 3)
    assert [name for name, _ in found.examples] == ["sessions/0-0"] * 4 + ["sessions/0-1"]
