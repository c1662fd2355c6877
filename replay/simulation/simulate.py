"""One session simulated: an hour of audio with reconnections in seconds."""

from __future__ import annotations

from contextlib import AsyncExitStack
from random import Random

from replay.sandbox.hub import open_sandbox
from replay.sandbox.recognizers.scripted import ScriptedRecognizer
from replay.simulation.clock import VirtualClock
from replay.simulation.kernel import run
from replay.simulation.play import BEGAN, play
from replay.simulation.spec import Simulated, Simulation
from replay.tasks import open_flat_nursery


def simulate(spec: Simulation) -> Simulated:
    """Play `spec` from the header to the last line of the journal, in virtual time.

    That nothing could be played is no error here: the journal's last line says it.

    Raises:
        UsageError: the plan asks for what only a process can do.
    """
    clock = VirtualClock()
    return run(_simulate, spec, clock, clock=clock, seed=spec.seed)


async def _simulate(spec: Simulation, clock: VirtualClock) -> Simulated:
    async with AsyncExitStack() as stack:
        # The outermost, so that what is raised within comes out as itself.
        await stack.enter_async_context(open_flat_nursery())
        sandbox = await stack.enter_async_context(
            open_sandbox(
                spec.settings,
                ScriptedRecognizer(spec.script, spec.manner),
                rng=Random(spec.seed),  # noqa: S311 - the same names each time are what is wanted
                began=BEGAN,
            )
        )
        return await play(spec, sandbox, clock)
    raise AssertionError("nothing is swallowed")
