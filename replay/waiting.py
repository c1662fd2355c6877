"""Waiting for an instant, more exactly than trio does."""

from __future__ import annotations

import trio

#: trio wakes up to a millisecond late; so much before an instant is spun instead of slept.
SPIN_SECONDS = 0.0015


async def wait_until(moment: float, spin: float) -> None:
    """Return at `moment` (trio's clock), the last `spin` seconds before it without sleeping.

    While it spins the task stays runnable, and others run between two looks at the clock. In
    virtual time `spin` has to be 0: there the clock does not move while a task runs.
    """
    await trio.sleep_until(moment - spin)
    while trio.current_time() < moment:
        await trio.lowlevel.checkpoint()
