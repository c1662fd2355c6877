"""One session of a crowd: opened at its moment, played on its phase until it is asked to leave."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import trio

from replay.audio import NS, AudioFormat, Chunk
from replay.capacity.records import Failure
from replay.client import open_session
from replay.crowd.tape import Tape, Tapes
from replay.errors import ReplayError
from replay.player import Pace, Player
from replay.session import Policy
from replay.source import Item
from replay.tasks import open_flat_nursery
from replay.transport import Service

#: The golden section: phases that are so far apart fill a chunk evenly, however many they are.
_SECTION = (math.sqrt(5) - 1) / 2
#: A target that is busy may take its time for a connection: late is not lost.
_POLICY = Policy(connect_timeout=20.0)
#: A session that is to be left gets so long to be open.
_HALF_OPEN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Part:
    """What all members play. `chunks`: of whole length, again and again; `config`: of a session."""

    service: Service
    config: Mapping[str, Any]
    region: str | None
    format: AudioFormat
    chunks: Sequence[bytes]
    chunk_ns: int


class Loop:
    """A `player.Source` that never ends, and shares its audio with all others."""

    def __init__(self, fmt: AudioFormat, chunks: Sequence[bytes], first: int) -> None:
        self.format = fmt
        self._chunks = chunks
        self._next = first
        self._offset = 0

    def __aiter__(self) -> AsyncIterator[Item]:
        return self

    async def __anext__(self) -> Item:  # the player waits for the chunk's moment: no checkpoint
        chunk = Chunk(self._offset, self._chunks[self._next % len(self._chunks)])
        self._next += 1
        self._offset = chunk.end
        return chunk


class Member:
    """Attributes:
    settled: it is open, or never will be.
    opened: it was let in, also where it is to leave at once. playing: it is open and stays.
    gone: nothing of it is left.
    """

    def __init__(
        self, number: int, part: Part, shared: Tapes, failed: Callable[[Failure], None]
    ) -> None:
        """`failed` hears of it when the session ends without being asked to."""
        self.tape = Tape(number, shared, self._broken)
        self.settled, self.gone = trio.Event(), trio.Event()
        self.opened = self.playing = False
        self._number = number
        self._part = part
        self._failed = failed
        self._begun = self._leaving = False
        self._coming, self._staying = trio.CancelScope(), trio.CancelScope()

    def leave(self) -> None:
        """End the session in the way that lets the service finish it by itself. One that is half
        open is opened first: else the service would keep its place for a client that never comes.
        """
        self._leaving = True
        self._staying.cancel()
        if not self._begun:
            self._coming.cancel()
        elif not self.playing:
            self._coming.deadline = trio.current_time() + _HALF_OPEN_SECONDS

    def drop(self) -> None:
        """Be gone at once."""
        self._leaving = True
        self._coming.cancel()

    def _broken(self, failure: Failure) -> None:
        """What is wrong cannot get right again: a client that comes back would hide it."""
        if not self._leaving:
            self._failed(failure)
            self.leave()

    async def play(self, at: float) -> None:
        """From `at` (trio's clock) until it leaves, or something goes wrong."""
        try:
            with self._coming:
                await trio.sleep_until(at)
                self._begun = True
                await self._play()
        except ReplayError as error:
            self.tape.fail("unreachable", str(error))
        finally:
            self.playing = False
            self.settled.set()
            self.gone.set()

    async def _play(self) -> None:
        part, tape, number = self._part, self.tape, self._number
        async with open_session(
            part.service,
            part.config,
            region=part.region,
            policy=_POLICY,
            recorder=tape,
            rng=Random(number),  # noqa: S311 - spreads attempts, guards nothing
        ) as session:
            await session.wait_opened()
            self.opened, self.playing = True, not self._leaving
            self.settled.set()
            with self._staying:
                await trio.sleep_until(self._moment())
                source = Loop(part.format, part.chunks, number * 7919)
                async with open_flat_nursery() as nursery:
                    nursery.start_soon(Player(source, session, tape, Pace()).play)
                    async for message in session:
                        tape.hear(message)
                    nursery.cancel_scope.cancel()
                detail = session.ended.detail if session.ended is not None else ""
                self.tape.fail("closed", f"the session ended by itself: {detail or 'no reason'}")

    def _moment(self) -> float:
        """The next instant of this member's phase."""
        now = round(trio.current_time() * NS)
        phase = round(self._number * _SECTION % 1 * self._part.chunk_ns)
        return (now + (phase - now) % self._part.chunk_ns) / NS
