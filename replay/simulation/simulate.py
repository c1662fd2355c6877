"""What is to be simulated, and the simulation: an hour of audio with reconnections in seconds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from io import BytesIO
from random import Random
from typing import Any

import trio
from msgspec import structs

from replay import __version__
from replay import journal as j
from replay.audio import NS, AudioFormat, wav_data_offset
from replay.client import LiveSession, open_session
from replay.continuity import compare
from replay.counter import counted
from replay.errors import ReplayError
from replay.faults import Plan
from replay.player import Pace, Player
from replay.recorder import ListRecorder
from replay.sandbox.hub import Sandbox, open_sandbox
from replay.sandbox.recognizers.scripted import Manner, Script, ScriptedRecognizer
from replay.sandbox.settings import Settings
from replay.session import Policy
from replay.simulation.clock import VirtualClock
from replay.simulation.injected import Injected, inject
from replay.simulation.kernel import run
from replay.source import PreparedSource
from replay.summary import Summary, summarise
from replay.take import format_facts
from replay.tasks import open_flat_nursery
from replay.timeline import Timeline
from replay.wire.config import format_fields
from replay.wire.http import file_path

#: The time of day at which every simulation begins.
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
#: Beyond the audio. A session that hangs ends then, in virtual time, instead of never.
_AT_MOST_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What to simulate; the same one gives the same journal.

    Attributes:
        audio: what is played, whole frames; by default `seconds` of counting audio.
        script, manner: what the sandbox hears, and how it tells it.
        said: what is really said; None for what the script says.
        latency: of the network, in seconds each way.
        config: the body of `POST /v2/live` without the audio's format.
        chunk: seconds of audio in a chunk.
        settings: of the sandbox, with what is planted in it.
        seed: of the back-off times and the faults, as in a run, and of everything else.
        controls: what undisturbed runs understood.
    """

    seconds: float = 10.0
    audio: bytes | None = field(default=None, repr=False)
    format: AudioFormat = field(default_factory=AudioFormat)
    script: Script = field(default_factory=lambda: Script(words=[]))
    manner: Manner = field(default_factory=Manner)
    said: Sequence[j.ReferenceWord] | None = None
    latency: float = 0.025
    config: Mapping[str, Any] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    pace: Pace = field(default_factory=Pace)
    chunk: Fraction = Fraction(1, 10)
    plan: Plan = field(default_factory=Plan)
    seed: int = 0
    settings: Settings = field(default_factory=Settings)
    controls: Sequence[j.Control] = ()
    name: str = "simulation"


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of it. `recorded`: what the service gave out as its recording, None for nothing."""

    entries: list[j.AnyEntry]
    sent: bytes
    recorded: bytes | None

    @property
    def journal(self) -> bytes:
        """The journal as a file holds it."""
        return b"".join(map(j.encode, self.entries))

    @property
    def timeline(self) -> Timeline:
        """Read back from the journal's lines, as a stored run is."""
        return Timeline(j.decode_lines(self.journal.splitlines(keepends=True)))

    def summarise(self) -> Summary:
        """The run in figures, judged."""
        timeline = self.timeline
        if self.recorded is None:
            return summarise(timeline, None)
        size = timeline.format.frame_bytes
        return summarise(timeline, compare(self.sent, self.recorded, size))


def simulate(spec: Simulation) -> Simulated:
    """Play `spec` from the header to the last line of the journal, in virtual time.

    That nothing could be played is no error here: the journal's last line says it.

    Raises:
        UsageError: the plan asks for what only a process can do.
    """
    clock = VirtualClock()
    return run(_simulate, spec, clock, clock=clock, seed=spec.seed)


async def _simulate(spec: Simulation, clock: VirtualClock) -> Simulated:
    recorder = ListRecorder()
    audio = spec.audio
    if audio is None:
        audio = counted(0, spec.format.bytes_in(spec.seconds))
    _write_head(spec, recorder, spec.format.seconds(len(audio)))
    kept = _Kept()
    recorded: bytes | None = None
    async with AsyncExitStack() as stack:
        # The outermost, so that what is raised within comes out as itself.
        await stack.enter_async_context(open_flat_nursery())
        sandbox = await stack.enter_async_context(
            open_sandbox(
                spec.settings,
                ScriptedRecognizer(spec.script, spec.manner),
                rng=Random(spec.seed),  # noqa: S311 - the same names each time are what is wanted
                began=_BEGAN,
            )
        )
        service = await stack.enter_async_context(
            inject(
                sandbox,
                spec.plan,
                recorder,
                clock,
                bytes_per_second=spec.format.bytes_per_second,
                latency=spec.latency,
                seed=spec.seed,
            )
        )
        error = ""
        with trio.move_on_after(spec.format.seconds(len(audio)) + _AT_MOST_SECONDS):
            try:
                recorded = await _play(spec, audio, service, recorder, kept)
            except ReplayError as failed:
                error = str(failed)
        _write_end(sandbox, recorder, error)
    return Simulated(recorder.entries, bytes(kept.data), recorded)


async def _play(
    spec: Simulation, audio: bytes, service: Injected, recorder: ListRecorder, kept: _Kept
) -> bytes | None:
    source = PreparedSource(audio, spec.format, spec.chunk, name=spec.name)
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
        async with open_flat_nursery() as nursery:
            nursery.start_soon(player.play)
            async for _ in session:
                pass  # the recorder has it already
            nursery.cancel_scope.cancel()
        return await _fetch(session, recorder)


class _Kept:
    """Keeps the audio that was played."""

    def __init__(self) -> None:
        self.data = bytearray()

    def audio(self, data: bytes) -> None:
        self.data += data


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
    recorder.write(
        j.Header(
            t=0,
            schema=j.SCHEMA,
            replay_version=__version__,
            created_at=_BEGAN.isoformat(timespec="milliseconds"),
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


def _write_end(sandbox: Sandbox, recorder: ListRecorder, error: str) -> None:
    ids = [entry.live.id for entry in sandbox.newest_first()]
    recorder.write(j.Sessions(t=recorder.now(), ids=ids))
    recorder.write(j.Closed(t=recorder.now(), error=error))
