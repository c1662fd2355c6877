"""The smallest plan under which a session of a world still fails, on its own."""

from __future__ import annotations

from dataclasses import replace

from replay.errors import UsageError
from replay.faults import Plan, shrink
from replay.simulation.simulate import simulate
from replay.simulation.spec import Simulation
from replay.simulation.verdict import Failure, judged

#: Trials of one failure at most: each plays the session once.
TRIALS = 150
#: After what was found, so much more audio is played.
_MORE_SECONDS = 30.0


class _Enough(Exception):
    """No more trials."""


class _Trials:
    """Plays plans, and says whether they fail for one of the reasons.

    Attributes:
        best: the smallest plan that did.
    """

    def __init__(self, spec: Simulation, reasons: list[str]) -> None:
        self.spec = spec
        self.best = spec.plan
        self._reasons = set(reasons)
        self._left = TRIALS

    def __call__(self, plan: Plan) -> bool:
        if not self._left:
            raise _Enough
        self._left -= 1
        found = judged(simulate(replace(self.spec, plan=plan)))
        failed = bool(self._reasons & set(found.reasons))
        if failed:
            self.best = plan
        return failed


def shrink_session(failure: Failure, spec: Simulation) -> None:
    """Play a session that failed again without the others, with less audio where that does, and
    look for fewer and simpler faults with which it still fails; `failure` is told what came of it.
    """
    for shorter in (_shortened(failure, spec), spec):
        trials = _Trials(shorter, failure.reasons)
        try:
            shrink(shorter.plan, trials)
        except UsageError:
            continue  # so it does not fail
        except _Enough:
            pass
        failure.alone, failure.smallest = True, list(trials.best.texts)
        failure.length = shorter.seconds
        return
    failure.alone = False


def _shortened(failure: Failure, spec: Simulation) -> Simulation:
    """With no more audio than it takes to see the findings."""
    times = [each.at.get("t_ms") for each in failure.findings]
    seen = [float(t) / 1000 for t in times if isinstance(t, int | float)]
    if not seen or len(seen) < len(times) or spec.audio is None:
        return spec
    seconds = min(spec.seconds, float(round(max(seen) + _MORE_SECONDS)))
    audio = spec.audio[: spec.format.bytes_in(seconds)]
    return replace(spec, seconds=seconds, audio=audio)
