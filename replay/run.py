"""`replay run` as a library call: one source into one session, and a directory of what happened."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

import trio
from msgspec import structs

from replay import __version__
from replay import journal as j
from replay.audio import NS, AudioFormat
from replay.calling import open_calls
from replay.client import Ticket, open_session
from replay.errors import Interrupted, MachineError, ReplayError, UsageError
from replay.faults import Plan, chaos
from replay.observer import calm_collector, sample_resources, watch_stalls
from replay.opening import request_body
from replay.pace import Phase
from replay.player import Pace, Player
from replay.recorder import FileRecorder, cannot_write, open_recorder
from replay.recording import fetch_recording, list_sessions
from replay.repeating import facts
from replay.session import Policy
from replay.source import Shape, Source, SourceSpec, Spoken, find_reference, open_source
from replay.spill import Spill
from replay.target import Target, open_owned_target
from replay.tasks import open_flat_nursery
from replay.transport.http import HttpService, open_service
from replay.wire.config import format_fields

if TYPE_CHECKING:
    from replay.sandbox.process import SandboxProcess

_REFRESH_SECONDS = 0.1


class View(Protocol):
    """Shows a run while it goes on (`report.live`)."""

    def add(self, entry: j.AnyEntry) -> None: ...

    def refresh(self) -> None: ...


@dataclass(frozen=True, slots=True)
class RunOptions:
    """One run.

    Attributes:
        config: the body of `POST /v2/live` without the audio's format, which `shape` says.
        chunk: seconds of audio in a chunk.
        ticket: join this session instead of opening one.
        reference: what is said, instead of what lies beside the source.
        out: the run's directory; by default one under `runs/`.
        fetch_file: get the service's recording at the end.
        seed: of the back-off times, and of the faults.
        plan: the faults.
        chaos: more faults, drawn by lot: mild, rough or cruel.
        controls: what undisturbed runs of the same source understood.
        callback: have callbacks posted to a receiver of the run's own, and measure them.
    """

    source: SourceSpec
    target: Target = field(default_factory=Target)
    shape: Shape = field(default_factory=Shape)
    config: Mapping[str, Any] = field(default_factory=dict)
    region: str | None = None
    ticket: Ticket | None = None
    chunk: Fraction = Fraction(1, 10)
    pace: Pace = field(default_factory=Pace)
    policy: Policy = field(default_factory=Policy)
    reference: Spoken | None = None
    out: Path | None = None
    fetch_file: bool = True
    seed: int = 0
    plan: Plan = field(default_factory=Plan)
    chaos: str | None = None
    controls: tuple[j.Control, ...] = ()
    callback: bool = False


async def run(options: RunOptions, make_view: Callable[[], View] | None = None) -> Path:
    """Play, record, and say where; the summary is made from the directory afterwards.

    SIGINT, SIGTERM and SIGHUP end the session's audio and wait for its end; a second one ends at
    once.

    Raises:
        ReplayError: nothing could be played; or the run broke off, and its directory is kept.
    """
    # Refuse before anything is started what would be refused anyway.
    body = {**options.config, **format_fields(options.shape.format(options.shape.channels or 1))}
    request_body(body)
    async with (
        open_source(options.source, options.shape, options.chunk) as source,
        open_owned_target(options.target) as (service, sandbox),
    ):
        plan = all_faults(options, source.facts.seconds)
        directory = make_directory(options.out, source.facts.name)
        view = make_view() if make_view is not None else None
        watch = view.add if view is not None else None
        async with open_recorder(directory, source.format, watch) as recorder:
            injected = inject(service, options, plan, recorder, source.format, sandbox)
            run_ = _Run(options, source, service, injected, recorder, directory, view)
            try:
                await run_.record()
            finally:
                if not run_.began:
                    shutil.rmtree(directory, ignore_errors=True)
        if not run_.began:
            raise Interrupted("interrupted before the session was open")
    return directory


class _Run:
    """What one run's tasks share."""

    def __init__(
        self,
        options: RunOptions,
        source: Source,
        service: HttpService,
        injected: AbstractAsyncContextManager[tuple[HttpService, Ticket | None]],
        recorder: FileRecorder,
        directory: Path,
        view: View | None,
    ) -> None:
        self.began = False
        self._options = options
        self._source = source
        self._service = service
        self._injected = injected
        self._recorder = recorder
        self._directory = directory
        self._view = view
        self._player: Player | None = None

    async def record(self) -> None:
        """Play from the header to the last line of the journal."""
        self._write_head()
        error = ""
        try:
            with calm_collector(), watch_stalls(self._recorder):
                async with open_flat_nursery() as nursery:
                    nursery.start_soon(self._recorder.flush_forever)
                    nursery.start_soon(sample_resources, self._recorder)
                    nursery.start_soon(self._refresh)
                    await nursery.start(self._heed_signals, nursery.cancel_scope)
                    await self._play()
                    nursery.cancel_scope.cancel()
        except ReplayError as failed:
            error = str(failed)
            raise
        finally:
            self._recorder.write(j.Closed(t=self._recorder.now(), error=error))
            if self._view is not None:
                self._view.refresh()

    async def _play(self) -> None:
        options, recorder = self._options, self._recorder
        config = {**options.config, **format_fields(self._source.format)}
        async with (
            open_calls(recorder, config, wanted=options.callback) as calls,
            self._injected as (service, ticket),
            open_session(
                service,
                {**config, **calls.fields},
                ticket=ticket,
                region=options.region,
                policy=options.policy,
                speed=float(options.pace.speed),
                recorder=recorder,
                rng=Random(options.seed),  # noqa: S311 - spreads attempts, guards nothing
                spill=Spill(self._directory),
            ) as session,
        ):
            self.began = True
            self._player = Player(self._source, session, recorder, options.pace, recorder)
            async with open_flat_nursery() as nursery:
                nursery.start_soon(self._player.play)
                async for message in session:
                    calls.hear(message)  # the recorder has it already
                nursery.cancel_scope.cancel()
            if session.ended is not None and session.ended.outcome in ("complete", "recovered"):
                await calls.wait()
            if options.fetch_file:
                await fetch_recording(session, recorder, self._directory / "recorded.wav")
            if options.target.kind == "sandbox":
                await list_sessions(self._service, recorder)

    async def _heed_signals(
        self, scope: trio.CancelScope, task_status: trio.TaskStatus[None]
    ) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            task_status.started()
            count = 0
            async for _ in signals:
                count += 1
                if self._player is not None and count == 1:
                    self._recorder.write(j.Interrupted(t=self._recorder.now(), how="graceful"))
                    self._player.stop()
                else:
                    self._recorder.write(j.Interrupted(t=self._recorder.now(), how="immediate"))
                    scope.cancel()

    async def _refresh(self) -> None:
        while self._view is not None:
            self._view.refresh()
            await trio.sleep(_REFRESH_SECONDS)

    def _write_head(self) -> None:
        options, source = self._options, self._source
        phase = Phase.ARRIVAL if source.facts.live else options.pace.phase
        self._recorder.write(
            j.Header(
                t=0,
                schema=j.SCHEMA,
                replay_version=__version__,
                created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
                name=self._directory.name,
                source=source.facts,
                format=format_facts(source.format),
                plan=j.PlanFacts(
                    phase=phase.value,
                    chunk_ns=round(options.chunk * NS),
                    speed=float(options.pace.speed),
                ),
                target=options.target.facts(self._service.base_url, options.region),
                config=dict(options.config),
                seed=options.seed,
                options=facts(
                    options.source, options.policy, options.target, callback=options.callback
                ),
            )
        )
        for control in options.controls:
            self._recorder.write(structs.replace(control, t=self._recorder.now()))
        spoken = options.reference or beside(options.source, source)
        if spoken is not None:
            self._recorder.write(
                j.Reference(t=self._recorder.now(), text=spoken.text, words=list(spoken.words))
            )


def all_faults(options: RunOptions, seconds: float | None) -> Plan:
    """The plan of a run with `seconds` of audio, chaos included.

    Raises:
        UsageError: chaos is asked for without a level that exists, or for audio without end.
    """
    if options.chaos is None:
        return options.plan
    restart = options.target.kind == "sandbox"
    drawn = chaos(options.chaos, options.seed, seconds or 0.0, restart=restart)
    return Plan(options.plan.rules + drawn.rules)


@asynccontextmanager
async def inject(
    service: HttpService,
    options: RunOptions,
    plan: Plan,
    recorder: FileRecorder,
    fmt: AudioFormat,
    sandbox: SandboxProcess | None,
) -> AsyncIterator[tuple[HttpService, Ticket | None]]:
    """The service, and the ticket to join it with, through an injector if there is something to
    inject: on a port of this machine, with its faults in the run's own journal.

    Raises:
        UsageError: the plan asks for what cannot be done to this target.
    """
    ticket = options.ticket
    if not plan:
        yield service, ticket
        return
    from replay.proxy.server import FaultsOnly, open_proxy

    archive = FaultsOnly(recorder, fmt.bytes_per_second)
    rng = Random(options.seed)  # noqa: S311 - faults to be had again, not to be kept secret
    async with (
        open_proxy(service.base_url, plan, archive, rng, sandbox=sandbox) as proxy,
        open_service(proxy.url, options.target.api_key) as through,
    ):
        yield (
            through,
            None if ticket is None else Ticket(ticket.id, proxy.through(ticket.url)),
        )


def beside(spec: SourceSpec, source: Source) -> Spoken | None:
    """The reference that lies beside a recording, as far as its played part has one."""
    if source.facts.live or spec.loops is None:
        return None
    total = source.facts.seconds
    return find_reference(
        spec.location,
        spec.start,
        spec.duration,
        loops=spec.loops,
        length=total / spec.loops if total is not None else None,
        channels=source.format.channels,
    )


def format_facts(fmt: AudioFormat) -> j.FormatFacts:
    """The audio's format as the journal keeps it."""
    return j.FormatFacts(
        encoding=fmt.encoding.name,
        sample_rate=fmt.sample_rate,
        bit_depth=fmt.bit_depth,
        channels=fmt.channels,
    )


def make_directory(out: Path | None, name: str) -> Path:
    """An empty directory for a run: `out`, or a new one under `runs/` named by time and source.

    Raises:
        UsageError: `out` has something in it.
        MachineError: it cannot be made.
    """
    try:
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            if any(out.iterdir()):
                raise UsageError(f"{out} is not empty: name a new directory with --out")
            return out
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(name).stem).strip("-.") or "run"
        base = Path("runs") / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{stem}"
        for number in range(1, 1000):
            candidate = base if number == 1 else base.with_name(f"{base.name}-{number}")
            try:
                candidate.mkdir(parents=True)
            except FileExistsError:
                continue
            return candidate
    except OSError as error:
        raise cannot_write(out or Path("runs"), error) from None
    raise MachineError(f"{base} and a thousand like it exist already")
