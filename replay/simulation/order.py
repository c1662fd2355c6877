"""trio's tasks in an order that is the same each time.

trio runs the tasks that are ready in an order drawn by lot, so that nobody relies on it, from a set
whose order changes with their addresses. For its own Hypothesis plugin it has a switch that sorts
them before they are drawn, and a generator that can be seeded; there is no public way to either.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio._core._run as scheduler


@contextmanager
def settled_order(seed: int) -> Iterator[None]:
    """Within the block, a `trio.run` of the same program takes its turns in the same order."""
    before = scheduler._ALLOW_DETERMINISTIC_SCHEDULING
    drawn = scheduler._r.getstate()
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    scheduler._r.seed(seed)
    try:
        yield
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = before  # type: ignore[misc]
        scheduler._r.setstate(drawn)
