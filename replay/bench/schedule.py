"""In which order a benchmark is played."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Block:
    """All recordings once, on one side. `round`: from 1; warm-ups from 0 down, the last one 0."""

    round: int
    arm: str


def blocks(arms: Sequence[str], runs: int, warmup: int) -> Iterator[Block]:
    """Round by round. Of two arms the first begins every other round (A B, B A, …), so that neither
    of them has the better half of a machine or a service that drifts."""
    for number in range(1 - warmup, runs + 1):
        for arm in arms if number % 2 else reversed(arms):
            yield Block(number, arm)
