"""A slice of `replay simulate`: thirty hours of harmed sessions, from fixed and rotating seeds.

The rotating seed is the CI's run, or the day; what fails prints the command that has it again, here
and anywhere.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

from replay.simulation.asked import Asked
from replay.simulation.verdict import Fold
from replay.simulation.world import simulate_world

#: Each world is played by two slots for half of these hours.
HOURS = 3.0
SMALL, LARGE = 100_000_000, 500_000_000


def rotating() -> int:
    """A seed that nobody has tried yet: of this run of the CI, or else of today."""
    run = os.environ.get("GITHUB_RUN_ID") or os.environ.get("CI_PIPELINE_ID") or ""
    return int(run) % 10**9 if run.isdigit() else int(f"{datetime.now(UTC):%Y%m%d}")


#: Seed, level, chunk. Larger chunks make quicker hours; small ones are what is usual.
WORLDS = [
    (11, "cruel", SMALL),
    (12, "rough", LARGE),
    (13, "cruel", LARGE),
    (14, "mild", LARGE),
    (15, "cruel", LARGE),
    (rotating(), "cruel", SMALL),
    *((rotating() + n, "cruel", LARGE) for n in range(1, 4)),
    (rotating() + 4, "rough", LARGE),
]


@pytest.mark.parametrize(("seed", "level", "chunk"), WORLDS)
def test_nothing_fails_in_hours_of_faults(seed: int, level: str, chunk: int) -> None:
    """Every session of every world holds every invariant; nothing is lost."""
    asked = Asked(hours=HOURS / 2, sessions=2, chaos=level, chunk_ns=chunk)
    fold = Fold(seed)
    simulate_world(asked.terms(seed), fold.add)
    result = fold.result
    again = [asked.again(seed, each) for each in result.failures]
    told = [(each.reasons, each.findings[:2]) for each in result.failures]
    assert not result.failed, (again, told)
    assert (result.lost_bytes, result.passed > 0, result.reconnects > 0) == (0, True, True)


def test_the_slice_is_thirty_hours() -> None:
    """Of audio time, all worlds together."""
    assert HOURS * len(WORLDS) == 30
