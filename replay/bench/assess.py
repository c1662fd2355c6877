"""What a benchmark came to: from its directory's journals to `bench.json`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from replay import __version__, figures, rundir, samples
from replay.bench import soundness
from replay.bench.store import Store
from replay.benchmark import Arm, Benchmark, Measured, Play, Played, Validity, Verdict, side
from replay.checks import Checked, check
from replay.compare import Comparison, compare
from replay.conditions import Condition
from replay.errors import UsageError
from replay.figures import Values
from replay.outages import Outage
from replay.reading import read
from replay.recoveries import recoveries
from replay.summary import summarise


@dataclass(frozen=True, slots=True)
class _Taken:
    """One session, folded. `values` and `outages`: what it adds to its side's figures."""

    played: Played
    values: Values | None
    outages: list[Outage]
    notes: list[str]


def assess(
    store: Store,
    *,
    assertions: Sequence[Condition] = (),
    conditions: Sequence[Condition] = (),
    tell: Callable[[int, int], None] | None = None,
) -> Benchmark:
    """Fold everything that was played.

    Args:
        assertions: what must be true of A, or of B where there is one.
        conditions: what must not be, of B against A.
        tell: hears how many sessions of how many are read.

    Raises:
        UsageError: a run is not what it was.
    """
    plan = store.plan
    seconds: dict[str, float] = {}
    taken = {}
    total = len(store.plays)
    for number, play in enumerate(store.plays, 1):
        taken[_key(play)] = _take(store, play, seconds)
        if tell is not None:
            tell(number, total)
    for recording in plan.recordings:
        recording.seconds = seconds.get(recording.name, recording.seconds)
    measured = [_measure(arm, store, taken) for arm in plan.arms]
    notes = list(dict.fromkeys(chain.from_iterable(each.notes for each in taken.values())))
    found = Benchmark(
        replay_version=__version__,
        name=plan.name,
        created_at=plan.created_at,
        verdict="unknown",
        reasons=[],
        validity=Validity(verdict="valid", reasons=[], notes=notes),
        machine=plan.machine,
        recordings=plan.recordings,
        runs=plan.runs,
        warmup=plan.warmup,
        concurrency=plan.concurrency,
        left=store.left,
        measured=measured,
        assertions=[check(each, measured[-1].figures) for each in assertions],
    )
    soundness.judge(found)
    if len(measured) > 1:
        found.comparison = _versus(found, conditions)
    judge(found)
    return found


def judge(found: Benchmark) -> None:
    """Put the verdict of a benchmark together from its parts."""
    failed, unsure = _sessions(found)
    failed += [f"{each.text}: {_said(each)}" for each in found.assertions if each.state == "fail"]
    unsure += [f"{each.text}: {each.why}" for each in found.assertions if each.state == "unknown"]
    if found.validity.verdict == "invalid":
        unsure += found.validity.reasons[:1]
    if found.comparison is not None:
        words = [f"against {found.comparison.base}: {why}" for why in found.comparison.reasons]
        if found.comparison.verdict == "worse":
            failed += words
        elif found.comparison.verdict == "inconclusive":
            unsure += words
    verdict: Verdict = "fail" if failed else "unknown" if unsure else "pass"
    found.verdict, found.reasons = verdict, failed + unsure


def compare_with(
    found: Benchmark, base: Benchmark, conditions: Sequence[Condition] = (), label: str = ""
) -> Comparison:
    """Hold a benchmark against a baseline."""
    invalid = [
        f"{each.name} is no valid measurement: {each.validity.reasons[0]}"
        for each in (base, found)
        if each.validity.verdict == "invalid"
    ]
    return compare(
        side(base, label=label or base.name),
        side(found),
        conditions=conditions,
        figures=found.measured[0].figures,
        invalid=invalid,
    )


def _versus(found: Benchmark, conditions: Sequence[Condition]) -> Comparison:
    first, second = (each.arm for each in found.measured)
    invalid = found.validity.reasons[:1] if found.validity.verdict == "invalid" else []
    return compare(
        side(found, first.name, f"{first.name} ({first.label})"),
        side(found, second.name, f"{second.name} ({second.label})"),
        interleaved=True,
        conditions=conditions,
        figures=found.measured[1].figures,
        invalid=invalid,
    )


def _said(checked: Checked) -> str:
    return f"measured {checked.measured:g}" + (f", {checked.why}" if checked.why else "")


# ------------------------------------------------------------------ one session


def _key(play: Play) -> tuple[str, int, str, int]:
    return play.arm, play.round, play.recording, play.attempt


def _take(store: Store, play: Play, seconds: dict[str, float]) -> _Taken:
    played = Played(
        round=play.round,
        recording=play.recording,
        attempt=play.attempt,
        path=play.path,
        counts=False,
        verdict="unknown",
        reasons=[play.error],
        validity=None,
        validity_reasons=[],
    )
    if play.error:
        return _Taken(played, None, [], [])
    run = rundir.load(_inside(store.path, play.path))
    summary = summarise(run.timeline, run.compare(), damage=run.damage)
    reading = read(run.timeline)
    sample = samples.take(reading, summary)
    seconds[play.recording] = round(run.timeline.format.seconds(run.timeline.produced), 3)
    played.verdict, played.reasons = summary.verdict, summary.reasons
    played.validity = summary.validity.verdict
    played.validity_reasons = summary.validity.reasons
    last = store.of(play.arm, play.round, play.recording)[-1]
    if play.round > 0 and last.attempt == play.attempt and played.validity != "invalid":
        played.counts, played.sample = True, sample
    values = figures.values(reading, summary, sample)
    return _Taken(played, values, summary.outages, summary.validity.notes)


def _inside(root: Path, path: str) -> Path:
    found = root / path
    if not found.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"{root}: names a run outside of it: {path}")
    return found


# ------------------------------------------------------------------ a side


def _measure(arm: Arm, store: Store, taken: dict[tuple[str, int, str, int], _Taken]) -> Measured:
    mine = [taken[_key(play)] for play in store.plays if play.arm == arm.name]
    counted = [each for each in mine if each.played.counts]
    lost = [each.outages for each in counted]
    return Measured(
        arm=arm,
        plays=[each.played for each in mine],
        figures=figures.pooled(
            [each.values for each in counted if each.values is not None],
            failed=sum(each.played.verdict == "fail" for each in counted),
        ),
        recoveries=recoveries(chain.from_iterable(lost)),
    )


def _sessions(found: Benchmark) -> tuple[list[str], list[str]]:
    """What of the sessions themselves fails the benchmark, and what leaves it open."""
    failed: list[str] = []
    unsure: list[str] = []
    if found.left:
        unsure.append(f"{found.left} sessions are still to be played")
    for each in found.measured:
        counted = [play for play in each.plays if play.counts]
        for verdict, said in (("fail", failed), ("unknown", unsure)):
            bad = [play for play in counted if play.verdict == verdict]
            if bad:
                what = "failed" if verdict == "fail" else "have no answer"
                said.append(
                    f"{each.arm.name}: {len(bad)} of {len(counted)} sessions {what}, "
                    f"the first {bad[0].path}: {bad[0].reasons[0]}"
                )
    return failed, unsure
