"""Sessions of the world in virtual time, judged as a stored run would be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

import trio
import trio.testing
from msgspec import structs
from world import World, counting, open_world, play, words

from replay import journal as j
from replay.audio import AudioFormat
from replay.continuity import compare
from replay.judge.meant import meant
from replay.player import Pace
from replay.recorder import ListRecorder
from replay.sandbox.defects import planted
from replay.sandbox.recognizers.scripted import Manner
from replay.sandbox.settings import Settings
from replay.session import Policy
from replay.summary import Summary, summarise
from replay.take import format_facts
from replay.timeline import Timeline
from replay.wire.http import LIVE_PATH

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
    vantage: str = "client",
) -> Summary:
    """Play into a sandbox with these defects, while `disturb` does what it does; the summary.

    `more`: entries that the journal gets besides; `lines`: takes all of its entries; `vantage`:
    whose journal is judged, the client's or that of a proxy that stood right before it.
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
    if vantage == "proxy":
        entries, came = as_proxy(entries, audio)
        found = meant(stored(entries), memoryview(came))
        return summarise(
            stored(entries), compare(found.audio, recorded, fmt.frame_bytes, found.basis)
        )
    return summarise(stored(entries), compare(audio, recorded, fmt.frame_bytes))


def stored(entries: Sequence[j.Entry]) -> Timeline:
    """A journal as it is read back."""
    lines = b"".join(map(j.encode, entries)).splitlines(keepends=True)
    return Timeline(j.decode_lines(lines))


#: Attempts that ended with this may have been connections for the service.
HALF_OPEN = ("hung up in the handshake", "no answer to the websocket handshake")
#: What a proxy does not see.
INSIDE = (
    *(j.Produced, j.Started, j.SourceNote, j.Connecting, j.ConnectRefused, j.Backoff, j.CaughtUp),
    *(j.StopAsked, j.Observation, j.Ended, j.Init),
)


def as_proxy(entries: Sequence[Any], audio: bytes) -> tuple[list[Any], bytes]:
    """The journal that a proxy would have written, and the audio in the order in which it came."""
    found: list[Any] = []
    came = bytearray()
    begun = more = 0
    for each in entries:
        if more and hasattr(each, "connection"):
            each = structs.replace(each, connection=each.connection + more)  # noqa: PLW2901
        match each:
            case j.Connecting():
                begun = each.t
            case j.ConnectRefused() if each.error in HALF_OPEN:
                # For whoever stands on the other side this was a connection.
                number = each.connection
                found += [
                    j.Connected(t=begun, connection=number, attempt=1, resume_at=len(came)),
                    j.Lost(t=each.t, connection=number, code=1006, cause="wire"),
                ]
                more += 1
            case j.Header():
                found.append(structs.replace(each, vantage="proxy"))
                found.append(j.Http(t=0, done=0, method="POST", path=LIVE_PATH, status=201))
            case j.Frame():
                found.append(structs.replace(each, offset=len(came)))
                came += audio[each.offset : each.offset + each.size]
            case j.Ack():
                found.append(structs.replace(each, upto=each.end))
            case j.Connected():
                found.append(structs.replace(each, resume_at=len(came), attempt=1))
            case j.Lost():
                cause = "closed" if each.code != 1006 else "wire"
                found.append(structs.replace(each, unacked=0, cause=cause))
            case _ if not isinstance(each, INSIDE):
                found.append(each)
    return found, bytes(came)


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
