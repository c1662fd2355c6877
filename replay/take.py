"""One source into one session, recorded: what a run and a benchmark are made of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from msgspec import structs

from replay import __version__
from replay import journal as j
from replay.audio import NS, AudioFormat
from replay.calling import open_calls
from replay.client import Ticket, open_session
from replay.errors import ReplayError
from replay.faults import Plan, chaos
from replay.observer import sample_resources, watch_stalls
from replay.pace import Phase
from replay.player import Pace, Player
from replay.recorder import FileRecorder
from replay.recording import fetch_recording, list_sessions
from replay.repeating import facts
from replay.session import Policy
from replay.source import Shape, Source, SourceSpec, Spoken, find_reference
from replay.spill import Spill
from replay.target import Target
from replay.tasks import open_flat_nursery
from replay.transport.http import HttpService, open_service
from replay.wire.config import format_fields

if TYPE_CHECKING:
    from replay.sandbox.process import SandboxProcess


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
        alone: nobody else plays into the target, so that its sessions are this run's.
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
    alone: bool = True


class Take:
    """A source, a session, and the recorder between them.

    Attributes:
        began: the session was open, so that there is something to keep.
        player: plays, once the session is open.
    """

    def __init__(
        self,
        options: RunOptions,
        source: Source,
        service: HttpService,
        injected: AbstractAsyncContextManager[tuple[HttpService, Ticket | None]],
        recorder: FileRecorder,
        directory: Path,
        *,
        observed: bool = True,
    ) -> None:
        """Args:
        injected: the service as the session reaches it (`inject`).
        observed: watch this process meanwhile, and write the recorder's files; where many are
            taken in one process, whoever runs them does.
        """
        self.began = False
        self.player: Player | None = None
        self._options = options
        self._source = source
        self._service = service
        self._injected = injected
        self._recorder = recorder
        self._directory = directory
        self._observed = observed

    async def record(self) -> None:
        """Play from the header to the last line of the journal.

        Raises:
            ReplayError: it broke off; what was recorded is kept, and the last line says why.
        """
        self._write_head()
        error = ""
        try:
            if self._observed:
                await self._play_observed()
            else:
                await self._play()
        except ReplayError as failed:
            error = str(failed)
            raise
        finally:
            self._recorder.write(j.Closed(t=self._recorder.now(), error=error))

    async def _play_observed(self) -> None:
        with watch_stalls([self._recorder]):
            async with open_flat_nursery() as nursery:
                nursery.start_soon(self._recorder.flush_forever)
                nursery.start_soon(sample_resources, self._recorder)
                await self._play()
                nursery.cancel_scope.cancel()

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
            self.player = Player(self._source, session, recorder, options.pace, recorder)
            async with open_flat_nursery() as nursery:
                nursery.start_soon(self.player.play)
                async for message in session:
                    calls.hear(message)  # the recorder has it already
                nursery.cancel_scope.cancel()
            if session.ended is not None and session.ended.outcome in ("complete", "recovered"):
                await calls.wait()
            if options.fetch_file:
                await fetch_recording(session, recorder, self._directory / "recorded.wav")
            if options.target.kind == "sandbox" and options.alone:
                await list_sessions(self._service, recorder)

    def _write_head(self) -> None:
        options, source = self._options, self._source
        age = timedelta(microseconds=self._recorder.now() / 1000)  # of the journal's origin
        phase = Phase.ARRIVAL if source.facts.live else options.pace.phase
        self._recorder.write(
            j.Header(
                t=0,
                schema=j.SCHEMA,
                replay_version=__version__,
                created_at=(datetime.now(UTC) - age).isoformat(timespec="milliseconds"),
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
