"""What a soak came to: a fold over its directory, to be made again at any time."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from replay.audio import NS
from replay.conditions import Condition
from replay.endurance.growth import warm_up
from replay.endurance.judging import Facts, judge
from replay.endurance.outcome import Outcome
from replay.endurance.resources import History, Sample
from replay.endurance.summary import SoakSummary
from replay.endurance.tally import Tally
from replay.faults.quantities import duration_text
from replay.soak.rota import visits
from replay.soak.store import OUTCOMES, SAMPLES, Store


def assess(store: Store, conditions: Sequence[Condition]) -> SoakSummary:
    """The summary of everything that has been put down.

    Raises:
        UsageError: something of it cannot be read.
    """
    tally, judged = Tally(), set[str]()
    for outcome in store.read(OUTCOMES, Outcome):
        tally.add(outcome)
        judged.add(outcome.place.path)
    missing = [*unplayed(store), *unjudged(store, judged)]
    return sum_up(store, tally, History(store.read(SAMPLES, Sample)), conditions, missing)


def sum_up(
    store: Store,
    tally: Tally,
    history: History,
    conditions: Sequence[Condition],
    missing: Sequence[str] | None = None,
) -> SoakSummary:
    """The same of what somebody has read already. `missing`: of what should be there, once it has
    ended; None while it is under way."""
    facts = _facts(store)
    facts.over, facts.missing = missing is not None, list(missing or ())
    return judge(tally, history, facts, conditions)


def unplayed(store: Store) -> list[str]:
    """What a soak that has ended has not played, in words."""
    known = list(store.state.missing)
    if store.asked.parts or not store.left:
        return known
    played, asked = (
        duration_text(round(seconds) * NS)
        for seconds in (store.state.elapsed, store.asked.rota.seconds)
    )
    return [f"stopped after {played} of {asked}", *known]


def unjudged(store: Store, judged: set[str]) -> list[str]:
    """What of it nobody has judged, in words."""
    count = len(store.unjudged(judged))
    return [f"{count:,} of its sessions were never judged"] if count else []


def _facts(store: Store) -> Facts:
    asked, state = store.asked, store.state
    plan = msgspec.to_builtins(asked)
    for name in ("arguments", "schema", "directory"):
        del plan[name]
    firsts = (next(visits(asked.rota, slot), None) for slot in asked.rota.slots)
    begun = max((each.begin for each in firsts if each is not None), default=0.0)
    # Until then more and more sessions have lived for long, and what they hold grows with that.
    rotated = begun + asked.rota.session_length
    # And before the last slot has begun, more and more live at all.
    settled = max(begun, warm_up(state.elapsed, begun), min(rotated, (begun + state.elapsed) / 2))
    return Facts(
        plan=plan,
        seed=asked.seed,
        elapsed=state.elapsed,
        asked=asked.rota.seconds,
        shards=max(1, len(asked.parts)),
        settled=settled,
        deaths=state.deaths,
    )
