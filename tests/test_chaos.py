"""Two thousand plans drawn by lot, in virtual time: our client loses nothing in any of them."""

from __future__ import annotations

from functools import partial
from random import Random

import pytest
import trio
import trio.testing
from injected import open_injected
from judging import judge_recording, judge_session
from world import play, words

from replay.audio import AudioFormat
from replay.faults import LEVELS, Plan, chaos, shrink
from replay.sandbox.latency import Spread
from replay.sandbox.recognizers.scripted import Manner
from replay.session import Policy

PLANS = 2000
BATCHES = 40
SECONDS = 6.0
WORDS = [f"word{n}" for n in range(8)]
FORMATS = (AudioFormat(sample_rate=8000), AudioFormat(sample_rate=8000, channels=2))


def drawn(seed: int) -> Plan:
    """The plan of a seed: each level in turn."""
    return chaos(LEVELS[seed % len(LEVELS)], seed, SECONDS)


async def survive(plan: Plan, seed: int) -> bool:
    """Play under a plan, and judge what came of it; whether something was done at all."""
    rng = Random(seed)
    fmt = rng.choice(FORMATS)
    audio = rng.randbytes(fmt.bytes_in(SECONDS))
    async with open_injected(
        plan=plan,
        latency=rng.uniform(0.001, 0.1),
        script=words(8),
        manner=Manner(final=Spread(rng.uniform(0, 0.5))),
        fmt=fmt,
        seed=seed,
    ) as world:
        session = await play(
            world,
            audio,
            fmt=fmt,
            recorder=world.recorder,
            policy=Policy(ack_timeout=2.0, json_frames=rng.random() < 0.3),
            chunk=0.25,
            rng=Random(seed),
        )
        entries = world.recorder.entries
        judge_recording(audio, world.recorded(session.id), entries, fmt.frame_bytes)
        judge_session(world, session, WORDS)
        return bool(world.fired)


def fails(seed: int, plan: Plan) -> bool:
    """Whether a client does not survive this plan."""
    try:
        trio.run(survive, plan, seed, clock=trio.testing.MockClock(autojump_threshold=0))
    except (AssertionError, ExceptionGroup):
        return True
    return False


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_chaos_loses_anything(batch: int) -> None:
    """Whatever is done to the connection: the recording is whole, every word is in the result."""
    harmed = 0
    for seed in range(batch, PLANS, BATCHES):
        plan = drawn(seed)
        clock = trio.testing.MockClock(autojump_threshold=0)
        try:
            harmed += trio.run(survive, plan, seed, clock=clock)
        except Exception as error:
            smallest = shrink(plan, partial(fails, seed))
            error.add_note(f"seed {seed}; the smallest plan that fails: {smallest.texts}")
            raise
    assert harmed > 0.9 * PLANS / BATCHES, "most plans did nothing, and prove nothing"
