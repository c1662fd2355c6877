"""What a soak came to: a fold over its directory, to be made again at any time."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from replay.conditions import Condition
from replay.endurance.growth import warm_up
from replay.endurance.judging import Facts, judge
from replay.endurance.outcome import Outcome
from replay.endurance.resources import History, Sample
from replay.endurance.summary import SoakSummary
from replay.endurance.tally import Tally
from replay.soak.rota import visits
from replay.soak.store import OUTCOMES, SAMPLES, Store


def assess(store: Store, conditions: Sequence[Condition]) -> SoakSummary:
    """The summary of everything that has been put down.

    Raises:
        UsageError: something of it cannot be read.
    """
    tally = Tally()
    for outcome in store.read(OUTCOMES, Outcome):
        tally.add(outcome)
    return sum_up(store, tally, History(store.read(SAMPLES, Sample)), conditions)


def sum_up(
    store: Store, tally: Tally, history: History, conditions: Sequence[Condition]
) -> SoakSummary:
    """The same of what somebody has read already."""
    return judge(tally, history, _facts(store), conditions)


def _facts(store: Store) -> Facts:
    asked, state = store.asked, store.state
    plan = msgspec.to_builtins(asked)
    for name in ("arguments", "schema", "directory"):
        del plan[name]
    firsts = (next(visits(asked.rota, slot), None) for slot in asked.rota.slots)
    begun = max((each.begin for each in firsts if each is not None), default=0.0)
    # Until then more and more sessions have lived for long, and what they hold grows with that.
    rotated = begun + asked.rota.session_length
    return Facts(
        plan=plan,
        seed=asked.seed,
        elapsed=state.elapsed,
        asked=asked.rota.seconds,
        shards=max(1, len(asked.parts)),
        settled=max(warm_up(state.elapsed, begun), min(rotated, state.elapsed / 2)),
        deaths=state.deaths,
    )
