"""`replay shrink` as a library call: the smallest plan that still makes a stored run fail.

A run is simulated from its journal: its form, its words and its sandbox, with audio that counts. A
plan fails when the verdict is fail, with at least one of the reasons of the stored run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from replay import journal as j
from replay.audio import NS, Encoding
from replay.controls import finals
from replay.errors import UsageError
from replay.faults import Plan, from_fired, parse_plan, shrink
from replay.judge import told
from replay.pace import Phase
from replay.player import Pace
from replay.repeating import callback_of, policy_of, sandbox_of
from replay.run import RunOptions, run
from replay.rundir import load
from replay.sandbox.recognizers.scripted import Manner, Script, ScriptWord
from replay.sandbox.settings import Settings
from replay.simulation import Simulation, simulate
from replay.source import Shape, SourceSpec
from replay.summary import Summary, summarise
from replay.target import Target
from replay.timeline import Timeline

#: To a sandbox on this machine, and to anything else, each way.
_NEAR, _FAR = 0.001, 0.025
#: The fault that needs a target in a process of its own.
_RESTART = "restart"

#: Plays a plan, and says what made it fail; nothing when it did not.
Trial = Callable[[Plan], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Failure:
    """A stored run that failed under faults.

    Attributes:
        reasons: the ids of the findings that made it fail, and how the session ended.
        plans: what to begin with: the faults where they fired, and as they were asked for.
    """

    path: Path
    timeline: Timeline
    reasons: frozenset[str]
    plans: tuple[Plan, ...]


@dataclass(frozen=True, slots=True)
class Shrunk:
    """What came of it. `trials`: how many plans were played, in virtual time or for real."""

    plan: Plan
    whole: Plan
    trials: int
    virtual: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """The sandbox of a run, for its simulation. `script` None: what the run's journal says."""

    settings: Settings = field(default_factory=Settings)
    manner: Manner = field(default_factory=Manner)
    script: Script | None = None


def reasons_of(summary: Summary) -> frozenset[str]:
    """What made a run fail, in words that can be compared; empty when it did not fail."""
    if summary.verdict != "fail":
        return frozenset()
    found = {each.invariant for each in summary.findings if each.severity == "error"}
    if summary.session.outcome in ("gave_up", "refused", "timeout"):
        found.add(summary.session.outcome)
    if summary.session.status == "error":
        found.add(summary.session.status)
    return frozenset(found)


def read_failure(path: Path) -> Failure:
    """What there is to shrink in a run's directory.

    Raises:
        UsageError: it is no run of ours, had no faults, or did not fail.
    """
    stored = load(path)
    timeline = stored.timeline
    if timeline.header.vantage == "proxy":
        raise UsageError(f"{path}: only runs of `replay run` can be played again, and so shrunk")
    planned = timeline.all(j.FaultPlanned)
    if not planned:
        raise UsageError(f"{path}: this run had no faults: there is nothing to shrink")
    found = reasons_of(summarise(timeline, stored.compare()))
    if not found:
        raise UsageError(f"{path}: this run did not fail: there is nothing to shrink")
    fired, asked = from_fired(timeline.all(j.FaultFired)), parse_plan(e.text for e in planned)
    plans = tuple(dict.fromkeys(plan for plan in (fired, asked) if len(plan)))
    return Failure(stored.path, timeline, found, plans)


def shrink_failure(
    failure: Failure, trial: Trial, *, virtual: bool, watch: Callable[[int, Plan, bool], None]
) -> Shrunk | None:
    """The smallest plan that fails for one of the run's reasons; None when no whole plan does.

    Args:
        watch: is told of each trial: its number, the plan, and whether it failed.
    """
    known: dict[Plan, bool] = {}

    def fails(plan: Plan) -> bool:
        if plan not in known:
            known[plan] = bool(trial(plan) & failure.reasons)
            watch(len(known), plan, known[plan])
        return known[plan]

    for whole in failure.plans:
        if fails(whole):
            smallest = shrink(whole, fails)
            return Shrunk(smallest, whole, len(known), virtual)
    return None


# ------------------------------------------------------------------ in virtual time


def virtual_trial(failure: Failure, scene: Scene) -> Trial | None:
    """Simulates the run with a plan; None when the plan is nothing for virtual time."""
    if any(step.fault.kind == _RESTART for plan in failure.plans for r in plan for step in r.steps):
        return None
    spec = simulation_of(failure.timeline, scene)
    if failure.timeline.all(j.Control):
        # What was heard is not what the script says: the control is simulated like the run.
        calm = simulate(spec).timeline
        spec = replace(spec, controls=(j.Control(t=0, name="simulated", finals=finals(calm)),))

    def trial(plan: Plan) -> frozenset[str]:
        return reasons_of(simulate(replace(spec, plan=plan)).summarise())

    return trial


def simulation_of(timeline: Timeline, scene: Scene) -> Simulation:
    """A run without its faults, as a simulation of it."""
    header = timeline.header
    near = header.target.kind == "sandbox"
    return Simulation(
        seconds=max(timeline.format.seconds(timeline.produced), header.plan.chunk_ns / NS),
        format=timeline.format,
        script=scene.script or _script(timeline),
        manner=scene.manner,
        latency=_NEAR if near else _FAR,
        config=header.config,
        policy=policy_of(header),
        pace=_pace(header),
        chunk=Fraction(header.plan.chunk_ns, NS),
        seed=header.seed or 0,
        settings=scene.settings,
        name=header.source.name,
    )


def _script(timeline: Timeline) -> Script:
    """The words of the reference, or else those that the run understood, spread evenly."""
    reference = timeline.first(j.Reference)
    if reference is not None and reference.words:
        return Script([ScriptWord(w.word, w.start, w.end, w.channel) for w in reference.words])
    words = []
    for final in told.once(told.told(timeline)):
        said = final.text.split()
        each = (final.end - final.start) / max(len(said), 1)
        for n, word in enumerate(said):
            start = max(0.0, final.start + n * each)
            words.append(ScriptWord(word, start, max(start, start + each), final.channel))
    return Script(words)


# ------------------------------------------------------------------ for real


def real_trial(failure: Failure, api_key: str | None, spin: float) -> Trial:
    """Plays the run's source again, each time into a directory that goes away. The sandbox says
    nothing of what is planted in it.

    Raises:
        UsageError: the journal does not say what was played, or it cannot be had again.
    """
    options = options_of(failure.timeline.header, api_key, spin)
    controls = tuple(failure.timeline.all(j.Control))
    # What each sandbox would warn of as it starts is known; the run's own --log-level is stronger.
    quiet = replace(options.target, sandbox=("--log-level", "error", *options.target.sandbox))

    def trial(plan: Plan) -> frozenset[str]:
        with TemporaryDirectory(prefix="replay-shrink-") as made:
            out = Path(made) / "run"
            tried = replace(options, target=quiet, plan=plan, out=out, controls=controls)
            stored = load(trio.run(partial(run, tried)))
            return reasons_of(summarise(stored.timeline, stored.compare()))

    return trial


def options_of(header: j.Header, api_key: str | None, spin: float) -> RunOptions:
    """The options of a stored run, its faults left out.

    Raises:
        UsageError: the journal does not say what was played, or it cannot be had again.
    """
    source = header.options.get("source")
    if source is None:
        raise UsageError(
            f"{header.source.name}: the journal does not say where this source can be had again"
        )
    target, fmt = header.target, header.format
    return RunOptions(
        source=SourceSpec(**source),
        target=Target.parse(
            target.url if target.kind == "url" else target.kind, api_key, sandbox_of(header)
        ),
        shape=Shape(Encoding[fmt.encoding], fmt.sample_rate, fmt.bit_depth, fmt.channels),
        config=header.config,
        region=target.region,
        chunk=Fraction(header.plan.chunk_ns, NS),
        pace=_pace(header, spin=spin),
        policy=policy_of(header),
        seed=header.seed or 0,
        callback=callback_of(header),
    )


def _pace(header: j.Header, spin: float = 0.0) -> Pace:
    phase = Phase.EAGER if header.plan.phase == Phase.EAGER.value else Phase.LIVE
    return Pace(phase, Fraction(header.plan.speed), spin)
