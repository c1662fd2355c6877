"""The verdict on a soak, and its summary: a fold over what was kept, to be made again at any time.

Fail takes evidence: a session that failed, bytes that were lost, a leak or a drift that is sure, a
condition that does not hold, a worker that died, clients in step after a common cut. Unknown is a
soak that was stopped before its time or lacks a part, of which nothing finished, in which nothing
was disturbed though faults were asked for, with a session of which it is open whether it was kept
whole, or a condition that cannot be decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from replay import __version__
from replay.checks import Checked
from replay.conditions import Condition
from replay.endurance import growth, tables
from replay.endurance.outcome import Verdict
from replay.endurance.promises import hold, is_final
from replay.endurance.resources import History
from replay.endurance.rows import middle
from replay.endurance.summary import Death, Sessions, SoakSummary
from replay.endurance.tally import STEPS, Tally
from replay.endurance.trend import Trend
from replay.figures import Figures
from replay.statistics import Distribution


class Facts(Struct, kw_only=True):
    """What only whoever runs a soak knows.

    plan: as it was asked for, without secrets. elapsed, asked: seconds of the soak's clock.
    settled: when its load had settled (`growth.warm_up`). shards: parts that it was put together
    from. missing: what of it has not been played or judged, in words. over: it has ended; until
    then a condition that does not hold yet leaves the verdict open.
    """

    plan: dict[str, Any]
    seed: int | None = None
    elapsed: float
    asked: float | None = None
    settled: float = 0.0
    shards: int = 1
    deaths: list[Death] = msgspec.field(default_factory=list)
    missing: list[str] = msgspec.field(default_factory=list)
    over: bool = True


def judge(
    tally: Tally, history: History, facts: Facts, conditions: Sequence[Condition] = ()
) -> SoakSummary:
    """The summary of all sessions so far."""
    trends = growth.leaks(history, facts.settled)
    drifts = _drifts(tally)
    summary = SoakSummary(
        replay_version=__version__,
        verdict="unknown",
        reasons=[],
        plan=facts.plan,
        seed=facts.seed,
        shards=facts.shards,
        elapsed=round(facts.elapsed, 3),
        asked=facts.asked,
        sessions=_sessions(tally),
        reconnects=tally.reconnects,
        faults=tables.faults(tally),
        audio=tables.audio(tally),
        words=tables.words(tally),
        latency=tables.latency(tally),
        recoveries=tables.recoveries(tally),
        trends=trends,
        drifts=drifts,
        checks=[],
        deaths=facts.deaths,
        row_minutes=tally.rows.minutes,
        rows=tables.rows(tally.rows),
        windows=tables.windows(tally.windows, facts.elapsed),
        worst=tables.worst(tally),
        resources=tables.courses(history),
        findings=tables.findings(tally),
        invariants={name: dict(tally.invariants[name]) for name in sorted(tally.invariants)},
        storm=tables.storm(tally),
    )
    known = figures(summary)
    summary.checks = [hold(each, known, [*trends, *drifts]) for each in conditions]
    told = zip(conditions, summary.checks, strict=True)
    final = [each for condition, each in told if facts.over or is_final(condition, each)]
    summary.verdict, summary.reasons = _verdict(tally, summary, final, facts.missing)
    return summary


def _sessions(tally: Tally) -> Sessions:
    passed, failed, unknown = (
        tally.verdicts[verdict, False] for verdict in ("pass", "fail", "unknown")
    )
    cut = sum(count for (_, was_cut), count in tally.verdicts.items() if was_cut)
    return Sessions(
        finished=passed + failed + unknown,
        passed=passed,
        failed=failed,
        unknown=unknown,
        doubtful=tally.doubtful,
        cut=cut,
        cut_failed=tally.verdicts["fail", True],
        again=tally.again,
    )


def _drifts(tally: Tally) -> list[Trend]:
    """Of what no outage touched, and of recoveries, all and by the kind of their fault."""
    rows, minutes = tally.rows.rows, tally.rows.minutes
    found = [
        growth.drift(name, "", *middle(rows, minutes, f"clear_{name}"))
        for name in ("ack", "word_final")
    ]
    kinds = sorted(tally.recoveries)
    every = [tally.recoveries[kind] for kind in kinds]
    at = [t for each in every for t in each.at]
    took = [ms for each in every for ms in each.took]
    found.append(growth.drift("recover", "", at, took))
    if len(kinds) > 1:
        found += [
            growth.drift("recover", kind or "no fault", each.at, each.took)
            for kind, each in zip(kinds, every, strict=True)
        ]
    return found


def figures(summary: SoakSummary) -> Figures:
    """What conditions are held against, by the names of `catalogue.SOAK`."""
    audio, words, sessions = summary.audio, summary.words, summary.sessions
    found: dict[str, Distribution | float | None] = dict(summary.latency.all)
    found |= {f"clear_{name}": each for name, each in summary.latency.undisturbed.items()}
    found["lateness"] = summary.latency.lateness
    for step in STEPS:
        found[step] = getattr(summary.recoveries[0], step)
    compared = audio.compared > 0
    for name in ("lost_bytes", "repeated_bytes", "reordered_bytes", "garbage_bytes"):
        found[name] = getattr(audio, name) if compared else None
    for name in ("lost", "duplicated", "changed"):
        found[f"words_{name}"] = getattr(words, name) if words.compared else None
    return {
        **found,
        "finished_sessions": sessions.finished,
        "failed_sessions": sessions.failed + sessions.cut_failed,
        "unknown_sessions": sessions.unknown,
        "reconnects": summary.reconnects,
        "faults": summary.faults.fired,
        "worker_deaths": len(summary.deaths),
        "stalls": summary.latency.stalls,
    }


# ------------------------------------------------------------------ the verdict


def _verdict(
    tally: Tally, summary: SoakSummary, final: list[Checked], missing: list[str]
) -> tuple[Verdict, list[str]]:
    failed = _failures(summary, final)
    if failed:
        return "fail", failed
    open_still = [
        f"{each.text} does not hold yet"
        for each in summary.checks
        if each.state == "fail" and each not in final
    ]
    unsure = [*missing, *open_still, *_doubts(tally, summary)]
    return ("unknown", unsure) if unsure else ("pass", [])


def _failures(summary: SoakSummary, final: Sequence[Checked]) -> list[str]:
    sessions, worst = summary.sessions, [each for each in summary.worst if each.verdict == "fail"]
    reasons = []
    if worst:
        first = f"; {worst[0].session}: {worst[0].reasons[0]}" if worst[0].reasons else ""
        reasons.append(
            f"{sessions.failed:,} of {sessions.finished:,} finished sessions failed"
            + (f", and {sessions.cut_failed:,} that were cut off" if sessions.cut_failed else "")
            + first
        )
    if summary.audio.lost_bytes:
        reasons.append(f"{summary.audio.lost_bytes:,} bytes of audio were lost")
    reasons += [leak_sentence(each) for each in growth.sure(summary.trends)]
    reasons += [drift_sentence(each) for each in growth.sure(summary.drifts)]
    reasons += [
        f"{each.text} does not hold" + (f": {each.why}" if each.why else "")
        for each in final
        if each.state == "fail"
    ]
    reasons += [
        (f"worker {each.worker} died" if each.worker else "the sandbox died")
        + f" after {each.t:,.0f} s"
        + (f": {each.why}" if each.why else "")
        for each in summary.deaths
    ]
    if summary.storm.state == "fail":
        reasons.append(summary.storm.why)
    return reasons


def _doubts(tally: Tally, summary: SoakSummary) -> list[str]:
    sessions, reasons = summary.sessions, []
    if not sessions.finished:
        reasons.append("no session finished")
    if tally.totals["asked"] and not summary.faults.fired:
        reasons.append("faults were asked for, and none fired")
    elif summary.faults.fired and not summary.reconnects and not summary.windows:
        reasons.append("faults fired, and nothing was disturbed")
    if sessions.finished and not sessions.cut:
        never = [rule for rule, count in tally.missed.items() if count == sessions.finished]
        reasons += [f"{rule} fired too rarely in every session" for rule in sorted(never)]
    if tally.doubt is not None:
        (*_, path), why = tally.doubt
        reasons.append(
            f"{tally.doubtful:,} of {sessions.finished:,} finished sessions have no answer; "
            f"{path or 'the first'}: {why}"
        )
    reasons += [
        f"{each.text} cannot be told" + (f": {each.why}" if each.why else "")
        for each in summary.checks
        if each.state == "unknown"
    ]
    return reasons


_LEAKS = {"rss": "memory", "fds": "file descriptors", "threads": "threads", "tasks": "tasks"}


def leak_sentence(trend: Trend) -> str:
    """What leaks, and how much, in words."""
    scale, unit = (1024, " KiB") if trend.of == "rss" else (1, "")
    slope, low, high = (
        "?" if each is None else f"{each / scale:,.3g}{unit}"
        for each in (trend.slope, trend.low, trend.high)
    )
    return (
        f"{trend.who} leaks {_LEAKS[trend.of]}: {slope} a reconnection "
        f"(99 %: {low} to {high}), over {trend.span:,.0f} reconnections"
    )


_DRIFTS = {"ack": "acknowledgements", "word_final": "final words", "recover": "recoveries"}


def drift_sentence(trend: Trend) -> str:
    """What drifts, and how much, in words."""
    whose = f" from {trend.who}" if trend.who else ""
    slope, low, high = (
        "?" if each is None else f"{each:,.3g} ms" for each in (trend.slope, trend.low, trend.high)
    )
    return (
        f"{_DRIFTS[trend.of]}{whose} come later and later: by {slope} an hour "
        f"(99 %: {low} to {high}), over {trend.span:,.3g} h"
    )
