"""One session of a simulation: from the header of its journal to the last line."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from io import BytesIO
from random import Random

import trio
from msgspec import structs

from replay import __version__
from replay import journal as j
from replay.audio import NS, AudioFormat, Chunk, wav_data_offset
from replay.client import LiveSession, open_session
from replay.counter import counted
from replay.errors import ReplayError
from replay.player import Player
from replay.proxy.injector import Injector
from replay.recorder import ListRecorder
from replay.sandbox.hub import Sandbox
from replay.simulation.injected import Injected, inject
from replay.simulation.pipes import Alarms
from replay.simulation.spec import Simulated, Simulation
from replay.source import Item
from replay.source.spec import chunk_bytes
from replay.take import format_facts
from replay.tasks import open_flat_nursery
from replay.wire.config import format_fields
from replay.wire.http import file_path

#: The time of day at which every simulation begins.
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
#: Beyond the audio. A session that hangs ends then, in virtual time, instead of never.
_AT_MOST_SECONDS = 3600.0


async def play(
    spec: Simulation,
    sandbox: Sandbox,
    alarms: Alarms,
    *,
    alone: bool = True,
    begun: Callable[[Injector, Player], None] | None = None,
) -> Simulated:
    """Play `spec` into this sandbox, through an injector of its own.

    That nothing could be played is no error here: the journal's last line says it.

    Args:
        alone: nobody else has sessions in the sandbox.
        begun: is told of what can be done to the session by hand, once it is open.

    Raises:
        UsageError: the plan asks for what only a process can do.
    """
    recorder = ListRecorder()
    audio = spec.audio
    if audio is None:
        audio = counted(0, spec.format.bytes_in(spec.seconds))
    _write_head(spec, recorder, spec.format.seconds(len(audio)))
    kept = _Kept()
    recorded: bytes | None = None
    error = ""
    async with inject(
        sandbox,
        spec.plan,
        recorder,
        alarms,
        bytes_per_second=spec.format.bytes_per_second,
        latency=spec.latency,
        seed=spec.seed,
    ) as service:
        with trio.move_on_after(spec.format.seconds(len(audio)) + _AT_MOST_SECONDS):
            try:
                recorded = await _through(spec, audio, service, recorder, kept, begun)
            except ReplayError as failed:
                error = str(failed)
    if alone:
        ids = [entry.live.id for entry in sandbox.newest_first()]
        recorder.write(j.Sessions(t=recorder.now(), ids=ids))
    recorder.write(j.Closed(t=recorder.now(), error=error))
    return Simulated(recorder.entries, audio[: kept.size], recorded)


async def _through(
    spec: Simulation,
    audio: bytes,
    service: Injected,
    recorder: ListRecorder,
    kept: _Kept,
    begun: Callable[[Injector, Player], None] | None,
) -> bytes | None:
    source = _Chunks(audio, spec.format, spec.chunk)
    config = {**spec.config, **format_fields(spec.format)}
    async with open_session(
        service,
        config,
        policy=spec.policy,
        speed=float(spec.pace.speed),
        recorder=recorder,
        rng=Random(spec.seed),  # noqa: S311 - spreads attempts, guards nothing
    ) as session:
        player = Player(source, session, recorder, spec.pace, kept)
        if begun is not None:
            begun(service.injector, player)
        async with open_flat_nursery() as nursery:
            nursery.start_soon(player.play)
            async for _ in session:
                pass  # the recorder has it already
            nursery.cancel_scope.cancel()
        return await _fetch(session, recorder)


class _Chunks:
    """A source that never waits: the player does, for the time of each chunk."""

    def __init__(self, audio: bytes, fmt: AudioFormat, seconds: Fraction) -> None:
        self.format = fmt
        self._audio = audio
        self._size = chunk_bytes(fmt, seconds)
        self._offset = 0

    def __aiter__(self) -> AsyncIterator[Item]:
        return self

    async def __anext__(self) -> Item:
        offset = self._offset
        if offset >= len(self._audio):
            raise StopAsyncIteration
        self._offset += self._size
        return Chunk(offset, self._audio[offset : self._offset])


class _Kept:
    """Counts the audio that was played."""

    def __init__(self) -> None:
        self.size = 0

    def audio(self, data: bytes) -> None:
        self.size += len(data)


async def _fetch(session: LiveSession, recorder: ListRecorder) -> bytes | None:
    """The service's recording, held in memory: virtual time does not wait for a file's thread."""
    t, error, status, into = recorder.now(), "", 200, BytesIO()
    try:
        await session.download(into)
    except ReplayError as failed:
        error, status = str(failed), getattr(failed, "status", None) or 0
    path = file_path(session.id)
    recorder.write(
        j.Http(t=t, done=recorder.now(), method="GET", path=path, status=status, error=error)
    )
    start = 0 if error else wav_data_offset(into.getvalue())
    if not start:
        return None
    data = into.getvalue()[start:]
    recorder.write(
        j.Recorded(t=recorder.now(), size=len(data), sha256=hashlib.sha256(data).hexdigest())
    )
    return data


def _write_head(spec: Simulation, recorder: ListRecorder, seconds: float) -> None:
    began = BEGAN + timedelta(seconds=trio.current_time())
    recorder.write(
        j.Header(
            t=0,
            schema=j.SCHEMA,
            replay_version=__version__,
            created_at=began.isoformat(timespec="milliseconds"),
            name=spec.name,
            source=j.SourceFacts(name=spec.name, seconds=seconds),
            format=format_facts(spec.format),
            plan=j.PlanFacts(
                phase=spec.pace.phase.value,
                chunk_ns=round(spec.chunk * NS),
                speed=float(spec.pace.speed),
            ),
            target=j.TargetFacts(kind="sandbox", url="http://sandbox"),
            config=dict(spec.config),
            clock="virtual",
            seed=spec.seed,
            options={"policy": asdict(spec.policy)},
        )
    )
    for control in spec.controls:
        recorder.write(structs.replace(control, t=0))
    words = spec.said
    if words is None:
        words = [j.ReferenceWord(w.word, w.start, w.end, w.channel) for w in spec.script.words]
    if words:
        recorder.write(j.Reference(t=0, text=" ".join(w.word for w in words), words=list(words)))
