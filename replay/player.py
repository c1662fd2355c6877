"""Plays a source into a session at its pace, and writes down what happened when.

The plan is absolute (`pace.py`): an instant is waited for (`waiting.py`), never a pause.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import trio

from replay import journal as j
from replay.audio import NS, AudioFormat, Chunk
from replay.client import LiveSession
from replay.pace import UNPACED, Phase, Plan
from replay.recorder import Recorder
from replay.source import Item, SourceEvent
from replay.waiting import wait_until

#: Unpaced, the source is held back while so much audio waits for the network, in seconds of audio.
_UNPACED_BACKLOG = 10.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How the audio is paced.

    Attributes:
        phase: see `pace.Phase`.
        speed: times real time; `pace.UNPACED` for as fast as the network takes it.
        spin: seconds before each deadline that are spun instead of slept. 0 in virtual time, where
            the clock does not move while a task runs.
    """

    phase: Phase = Phase.LIVE
    speed: Fraction = Fraction(1)
    spin: float = 0.0


class Source(Protocol):
    """What the player needs of a source (`replay.source`)."""

    @property
    def format(self) -> AudioFormat: ...

    def __aiter__(self) -> AsyncIterator[Item]: ...


class AudioSink(Protocol):
    """Keeps the audio that was played."""

    def audio(self, data: bytes) -> None: ...


class Player:
    """Plays one source into one session."""

    def __init__(
        self,
        source: Source,
        session: LiveSession,
        recorder: Recorder,
        pace: Pace,
        sink: AudioSink | None = None,
    ) -> None:
        self._source = source
        self._session = session
        self._recorder = recorder
        self._pace = pace
        self._sink = sink
        self._stop = trio.CancelScope()

    def stop(self) -> None:
        """End the audio here, as if the source had ended."""
        self._stop.cancel()

    async def play(self) -> None:
        """Play to the end of the source, then end the session's audio.

        The plan starts when the session is connected and the source's first chunk is there.

        Raises:
            SourceError: the source gave nothing that could be played.
            MachineError: the disk is full.
        """
        with self._stop:
            await self._session.wait_opened()
            await self._play()
        self._session.stop()

    async def _play(self) -> None:
        plan: Plan | None = None
        ready = 0
        async for item in self._source:
            if isinstance(item, SourceEvent):
                self._note(item)
                continue
            if plan is None:
                plan = self._start(item)
                ready = round(trio.current_time() * NS)
            # What a live source gave before the session was open is due as soon as it is.
            due = max(plan.due(item), ready) if plan.phase is Phase.ARRIVAL else plan.due(item)
            await self._wait_until(due)
            self._recorder.write(
                j.Produced(
                    t=self._recorder.now(),
                    due=self._recorder.at(due / NS),
                    offset=item.offset,
                    size=len(item.data),
                )
            )
            if self._sink is not None:
                self._sink.audio(item.data)
            await self._session.send(item.data)

    def _start(self, first: Chunk) -> Plan:
        now = trio.current_time()
        phase = Phase.ARRIVAL if first.arrival is not None else self._pace.phase
        # A live source's first sample came in a chunk's length before the chunk was complete.
        start = now if first.arrival is None else first.arrival - self._seconds(first)
        self._recorder.write(j.Started(t=self._recorder.at(start)))
        return Plan(round(start * NS), self._source.format, phase, self._pace.speed)

    def _seconds(self, chunk: Chunk) -> float:
        return self._source.format.seconds(len(chunk.data))

    async def _wait_until(self, due: int) -> None:
        if self._pace.speed == UNPACED:
            backlog = self._source.format.bytes_in(_UNPACED_BACKLOG)
            await self._session.wait_unsent_at_most(backlog)
            return
        await wait_until(due / NS, self._pace.spin)

    def _note(self, event: SourceEvent) -> None:
        self._recorder.write(
            j.SourceNote(
                t=self._recorder.now(),
                event=event.event,
                detail=event.detail,
                offset=event.offset,
            )
        )
