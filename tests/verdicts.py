"""Sessions of the world in virtual time, judged as a stored run would be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

import trio
import trio.testing
from world import World, counting, open_world, play, words

from replay import journal as j
from replay.audio import AudioFormat
from replay.continuity import compare
from replay.player import Pace
from replay.recorder import ListRecorder
from replay.run import format_facts
from replay.sandbox.defects import planted
from replay.sandbox.recognizers.scripted import Manner
from replay.sandbox.settings import Settings
from replay.session import Policy
from replay.summary import Summary, summarise
from replay.timeline import Timeline

ASKS = {"messages_config": {"receive_lifecycle_events": True, "receive_partial_transcripts": True}}
Disturb = Callable[[World], Awaitable[None]]


def header(fmt: AudioFormat, seconds: float, chunk: float = 0.1) -> j.Header:
    return j.Header(
        t=0,
        schema=j.SCHEMA,
        replay_version="0",
        created_at="2026-01-01T00:00:00.000Z",
        name="world",
        source=j.SourceFacts(name="world", seconds=seconds),
        format=format_facts(fmt),
        plan=j.PlanFacts(phase="live", chunk_ns=round(chunk * 1e9), speed=1.0),
        target=j.TargetFacts(kind="sandbox", url="http://sandbox"),
        config=ASKS,
        clock="virtual",
    )


async def session(
    *,
    defects: Sequence[str] = (),
    disturb: Disturb | None = None,
    seconds: float = 6.0,
    fmt: AudioFormat | None = None,
    audio: bytes | None = None,
    chunk: float = 0.1,
    latency: float = 0.05,
    manner: Manner | None = None,
    policy: Policy | None = None,
    count: int = 8,
    seed: int = 1,
    more: Sequence[j.Entry] = (),
    lines: list[Any] | None = None,
) -> Summary:
    """Play into a sandbox with these defects, while `disturb` does what it does; the summary.

    `more`: entries that the journal gets besides; `lines`: takes all of its entries.
    """
    fmt = fmt or AudioFormat()
    audio = counting(fmt, seconds) if audio is None else audio
    settings = Settings(defects=tuple(planted(each) for each in defects))
    recorder = ListRecorder()
    recorder.write(header(fmt, seconds, chunk))
    async with (
        open_world(words(count), latency=latency, manner=manner, settings=settings) as world,
        trio.open_nursery() as nursery,
    ):
        if disturb is not None:
            nursery.start_soon(disturb, world)
        live = await play(
            world,
            audio,
            fmt=fmt,
            recorder=recorder,
            policy=policy or Policy(ack_timeout=2.0, give_up_after=20.0, end_timeout=20.0),
            config=ASKS,
            pace=Pace(),
            chunk=chunk,
            rng=Random(seed),
        )
        nursery.cancel_scope.cancel()
        ids = [entry.live.id for entry in world.sandbox.newest_first()]
        recorded = world.recorded(live.id)
    recorder.write(j.Sessions(t=recorder.now(), ids=ids))
    recorder.write(j.Closed(t=recorder.now()))
    entries = [recorder.entries[0], *sorted([*recorder.entries[1:], *more], key=lambda e: e.t)]
    if lines is not None:
        lines += entries
    stored = b"".join(map(j.encode, entries)).splitlines(keepends=True)
    timeline = Timeline(j.decode_lines(stored))
    return summarise(timeline, compare(audio, recorded, fmt.frame_bytes))


def run(**options: Any) -> Summary:
    """`session` in a virtual time of its own."""

    async def main() -> Summary:
        return await session(**options)

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def cut_at(*moments: float) -> Disturb:
    """Cuts the connection at these seconds."""

    async def disturb(world: World) -> None:
        for at in moments:
            await trio.sleep_until(at)
            await world.cut()

    return disturb
