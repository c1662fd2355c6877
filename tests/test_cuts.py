"""A thousand random schedules of cuts, in virtual time: nothing is lost in any of them."""

from __future__ import annotations

from random import Random

import pytest
import trio
import trio.testing
from judging import judge_recording, judge_session
from world import World, harm, open_world, play, words

from replay import journal as j
from replay.audio import AudioFormat
from replay.recorder import ListRecorder
from replay.sandbox.latency import Spread
from replay.sandbox.recognizers.scripted import Manner
from replay.session import Policy

SCHEDULES = 1000
BATCHES = 10
SECONDS = 6.0
WORDS = [f"word{n}" for n in range(8)]
FORMATS = (AudioFormat(), AudioFormat(sample_rate=8000), AudioFormat(channels=2, bit_depth=24))


async def disturb(world: World, rng: Random) -> None:
    """Cut, silence or bar the connection a few times at random moments."""
    for at in sorted(rng.uniform(0, SECONDS + 1) for _ in range(rng.randint(1, 5))):
        await trio.sleep_until(at)
        await harm(world, rng.choice(["cut", "cut", "cut", "bar", "up", "down", "both"]), rng)


async def disturbed(seed: int) -> None:
    """Play under the schedule that `seed` makes, and judge what came of it."""
    rng = Random(seed)
    fmt = rng.choice(FORMATS)
    audio = rng.randbytes(fmt.bytes_in(SECONDS))
    recorder = ListRecorder()
    manner = Manner(final=Spread(rng.uniform(0, 0.5)))
    async with open_world(words(8), latency=rng.uniform(0.001, 0.15), manner=manner) as world:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(disturb, world, rng)
            session = await play(
                world,
                audio,
                fmt=fmt,
                recorder=recorder,
                policy=Policy(ack_timeout=2.0, json_frames=rng.random() < 0.3),
                chunk=rng.choice([0.05, 0.1, 0.25]),
                rng=Random(seed),
            )
            nursery.cancel_scope.cancel()
        judge_recording(audio, world.recorded(session.id), recorder.entries, fmt.frame_bytes)
        judge_session(world, session, WORDS)
        # What a cut costs is no fault of the service: repeats are told, nothing is an error.
        assert [e for e in recorder.entries if getattr(e, "severity", "") == "error"] == []


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_schedule_of_cuts_loses_anything(batch: int) -> None:
    """Whatever is cut when: the recording is whole, every word is final, the stop is heard."""
    for seed in range(batch, SCHEDULES, BATCHES):
        clock = trio.testing.MockClock(autojump_threshold=0)
        try:
            trio.run(disturbed, seed, clock=clock)
        except Exception as error:
            error.add_note(f"schedule {seed}")
            raise


def test_the_judge_sees_a_lost_byte() -> None:
    """The judge of the recordings is not blind: a gap, a long repeat and garbage are found."""
    audio = Random(1).randbytes(1000)
    once = [
        j.Connected(t=0, connection=1, attempt=1, resume_at=0),
        j.Frame(t=0, done=0, connection=1, offset=0, size=1000),
    ]
    twice = [
        *once,
        j.Lost(t=1, connection=1, code=1006, cause="wire", unacked=100),
        j.Connected(t=2, connection=2, attempt=1, resume_at=500),
        j.Frame(t=2, done=2, connection=2, offset=500, size=500),
    ]
    judge_recording(audio, audio[:600] + audio[500:], twice, 2)
    for recorded, entries in (
        (audio[:-2], once),
        (audio[:400] + audio[500:], twice),
        (audio[:700] + audio[500:], twice),
        (audio[:600] + b"xx" + audio[500:], twice),
    ):
        with pytest.raises(AssertionError):
            judge_recording(audio, recorded, entries, 2)
