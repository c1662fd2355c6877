"""Many sessions in one world: one sandbox, one clock, one run of trio, for hours.

Each slot plays session after session, each through a network and an injector of its own, into the
sandbox that all share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import trio

from replay.audio import NS
from replay.sandbox.hub import Sandbox, open_sandbox
from replay.sandbox.recognizers.scripted import ScriptedRecognizer
from replay.simulation import draw
from replay.simulation.clock import VirtualClock
from replay.simulation.draw import Terms
from replay.simulation.kernel import run
from replay.simulation.play import BEGAN, play
from replay.simulation.simulate import simulate
from replay.simulation.spec import Simulated, Simulation
from replay.tasks import open_flat_nursery

#: Less audio than this is no session any more.
SHORTEST_SECONDS = 20.0
#: Between two sessions of a slot at most.
_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Played:
    """A session that is over. `began`, `ended`: virtual seconds; slots and numbers from 1."""

    slot: int
    number: int
    began: float
    ended: float
    spec: Simulation
    done: Simulated


def simulate_world(terms: Terms, tell: Callable[[Played], None]) -> float:
    """Simulate a world to its end; returns when that was, in virtual seconds.

    Args:
        tell: is given each session as it ends; nothing else keeps it.

    Raises:
        UsageError: the plan asks for what only a process can do.
    """
    if terms.only is not None:
        slot, number = terms.only
        spec = draw.session(terms, slot, number, terms.length)
        done = simulate(spec)
        ended = done.entries[-1].t / NS
        tell(Played(slot, number, 0.0, ended, spec, done))
        return ended
    clock = VirtualClock()
    return run(_World(terms, tell, clock).live, clock=clock, seed=terms.seed)


class _World:
    def __init__(self, terms: Terms, tell: Callable[[Played], None], clock: VirtualClock) -> None:
        self._terms = terms
        self._tell = tell
        self._clock = clock

    async def live(self) -> float:
        terms = self._terms
        async with (
            open_flat_nursery() as outer,
            open_sandbox(
                draw.settings(terms),
                ScriptedRecognizer(draw.script(terms), draw.manner(terms)),
                rng=Random(terms.seed),  # noqa: S311 - the same names each time are wanted
                began=BEGAN,
            ) as sandbox,
        ):
            async with trio.open_nursery() as slots:
                for slot in range(1, terms.slots + 1):
                    slots.start_soon(self._slot, slot, sandbox)
            outer.cancel_scope.cancel()
        return trio.current_time()

    async def _slot(self, slot: int, sandbox: Sandbox) -> None:
        terms = self._terms
        rng = Random(f"{terms.seed}/{slot}")  # noqa: S311 - as above
        # Slots begin one after the other, so that their sessions do not end together.
        await trio.sleep((slot - 1) * min(terms.length, terms.ends) / terms.slots)
        number = 0
        while True:
            seconds = min(terms.length, terms.ends - trio.current_time())
            if seconds < SHORTEST_SECONDS and number:
                return
            number += 1
            spec = draw.session(terms, slot, number, max(seconds, SHORTEST_SECONDS))
            began = trio.current_time()
            done = await play(spec, sandbox, self._clock, alone=False)
            self._tell(Played(slot, number, began, trio.current_time(), spec, done))
            await trio.sleep(rng.uniform(0, _PAUSE_SECONDS))
