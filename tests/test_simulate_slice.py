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

#: Chunks, in ns: small ones are what is usual, larger ones make quicker hours.
SMALL, MIDDLE, LARGE = 100_000_000, 500_000_000, 1_000_000_000


def rotating() -> int:
    """A seed that nobody has tried yet: of this run of the CI, or else of today."""
    run = os.environ.get("GITHUB_RUN_ID") or os.environ.get("CI_PIPELINE_ID") or ""
    return int(run) % 10**9 if run.isdigit() else int(f"{datetime.now(UTC):%Y%m%d}")


#: Seed, level, chunk, hours of audio in two slots.
WORLDS = [
    (rotating() + 1, "cruel", LARGE, 4),
    (rotating() + 2, "rough", LARGE, 5),
    (rotating() + 3, "rough", LARGE, 5),
    (14, "mild", LARGE, 4),
    (rotating() + 4, "mild", LARGE, 4),
    (rotating() + 5, "mild", LARGE, 4),
    (15, "cruel", LARGE, 2),
    (12, "rough", MIDDLE, 1),
    (rotating(), "cruel", SMALL, 1),
]


@pytest.mark.parametrize(
    ("seed", "level", "chunk", "hours"),
    WORLDS,
    ids=[f"world-{number}-{world[1]}" for number, world in enumerate(WORLDS)],
)
def test_nothing_fails_in_hours_of_faults(seed: int, level: str, chunk: int, hours: int) -> None:
    """Every session of every world holds every invariant; nothing is lost."""
    asked = Asked(hours=hours / 2, sessions=2, chaos=level, chunk_ns=chunk)
    fold = Fold(seed)
    simulate_world(asked.terms(seed), fold.add)
    result = fold.result
    again = [asked.again(seed, each) for each in result.failures]
    told = [(each.reasons, each.findings[:2]) for each in result.failures]
    assert not result.failed, (again, told)
    assert (result.lost_bytes, result.passed > 0, result.reconnects > 0) == (0, True, True)


def test_the_slice_is_thirty_hours() -> None:
    """Of audio time, all worlds together."""
    assert sum(hours for *_, hours in WORLDS) == 30
