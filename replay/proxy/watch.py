"""One session as the injector sees it: what passes, what is due, what is done about it.

Frames are shown to `passing` by both pumps of each connection. What fires is struck by the one task
of `run`, in order; whoever's frame it was waits for that, so that nothing passes in between.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from random import Random
from typing import Protocol

import trio

from replay import journal as j
from replay.faults import BOTH, DOWN, UP, Firing, Plan, Schedule
from replay.faults.events import Event, Reconnecting
from replay.faults.moments import BETWEEN
from replay.faults.rules import Rule
from replay.proxy.edits import ACKS_KEPT, Unit
from replay.proxy.frames import CLOSE, Frame, Message
from replay.proxy.link import Link
from replay.proxy.pump import Pump
from replay.proxy.traffic import Traffic
from replay.proxy.ways import Way
from replay.wire import messages as m
from replay.wire.closing import ABNORMAL

#: A fault waits so long for the frame of its moment to have passed.
_PASS_SECONDS = 0.25
_NO_CODE = 1005


class Witness(Protocol):
    """Takes down what is seen; `replay.recorder`'s recorders are such."""

    def now(self) -> int: ...

    def write(self, entry: j.AnyEntry) -> None: ...

    def audio(self, data: bytes) -> None: ...


Strike = Callable[["Watch", Firing, Link | None], Awaitable[None]]
_Job = Callable[[], Awaitable[None]]


class Watch:
    """Watches one session.

    Args:
        strike: does a fault.

    Attributes:
        ways: how bytes pass, up and down; outlives connections.
        links: the connections that are there.
        taken: it has its session; until then it waits for one.
    """

    def __init__(
        self, plan: Plan, rng: Random, bytes_per_second: int, witness: Witness, strike: Strike
    ) -> None:
        self.witness = witness
        self.traffic = Traffic()
        self.schedule = Schedule(plan, rng, bytes_per_second=bytes_per_second)
        self.ways = {
            way: Way(Random(rng.getrandbits(64)))  # noqa: S311 - spreads delays, guards nothing
            for way in (UP, DOWN)
        }
        self.links: list[Link] = []
        self.rules = len(plan)
        self.taken = False
        self._released = False
        self._strike = strike
        self._attempts = 0
        self._jobs: deque[tuple[_Job, trio.Event]] = deque()
        self._wake = trio.Event()
        self._due: float | None = None
        for number, text in enumerate(plan.texts):
            witness.write(j.FaultPlanned(t=witness.now(), rule=number, text=text))

    @property
    def link(self) -> Link | None:
        """The live connection; the newest, where there are several."""
        return next((link for link in reversed(self.links) if not link.over), None)

    async def run(self) -> None:
        """Do what comes due, for as long as the session may go on."""
        self._put_off(self.schedule.start(trio.current_time()))
        while self._jobs or not self._released:
            self._wake = trio.Event()
            self._put_off(self.schedule.tick(trio.current_time()))
            while self._jobs:
                job, done = self._jobs.popleft()
                await job()
                done.set()
            self._due = due = self.schedule.due()
            with trio.move_on_at(float("inf") if due is None else due):
                await self._wake.wait()

    def release(self) -> None:
        """The session is over: nothing more comes due."""
        self._released = True
        self._wake.set()

    # ------------------------------------------------------------------ what is told from outside

    def tell(self, event: Event) -> trio.Event:
        """Something happened that is no frame; the result is set once all that fires is done."""
        return self._put_off(self.schedule.observe(event, trio.current_time()))

    def attempted(self) -> trio.Event | None:
        """A connection attempt comes in; waits for nothing when it is not a reconnection."""
        if not self.traffic.connections or self.link is not None:
            return None
        self._attempts += 1
        return self.tell(Reconnecting(self._attempts))

    def opened(self, link: Link) -> trio.Event:
        """The connection is open for the client."""
        self._attempts = 0
        for earlier in self.links:
            self._settle(earlier)
        self.links.append(link)
        event = self.traffic.opened()
        self.witness.write(
            j.Connected(
                t=self.witness.now(),
                connection=event.k,
                attempt=1,
                resume_at=self.traffic.received,
            )
        )
        return self.tell(event)

    def lost(self, link: Link) -> None:
        """The connection is over for the client."""
        if link in self.links:
            self.links.remove(link)
        self.witness.write(
            j.Lost(
                t=self.witness.now(),
                connection=link.number,
                code=link.code,
                cause="closed" if link.code != ABNORMAL else "wire",
                reason=f"ended by the {link.by}" + f": {link.reason}" * bool(link.reason),
            )
        )
        self._settle(link)
        self.tell(self.traffic.lost(link.number))

    def add(self, rule: Rule) -> trio.Event:
        """One more rule, by hand."""
        text = str(rule)
        self.witness.write(j.FaultPlanned(t=self.witness.now(), rule=self.rules, text=text))
        self.rules += 1
        return self._put_off(self.schedule.add(rule, trio.current_time()))

    async def heal(self) -> None:
        """Nothing fires any more, and what is being done to the way of bytes ends."""
        for number in range(self.rules):
            self.schedule.withdraw(number)
        for way in self.ways.values():
            way.heal()
        for link in list(self.links):
            link.edits.clear()
            await link.end_holes()
            for pump in link.directions(BOTH):
                pump.release()

    # ------------------------------------------------------------------ frames

    async def passing(self, link: Link, way: str, frame: Frame) -> None:
        """A frame is at hand: see what it is, do to it what is to be done, put what passes."""
        pump = link.pumps[way]
        message = pump.frames.message(frame)
        if link.over:
            self._put(pump, [frame.raw])
            return
        unit = Unit(way, frame, whole=message is not None and message.alone)
        after: list[Firing] = []
        if message is not None:
            if way == UP:
                after = await self._see_up(link, message)
            else:
                after = await self._see_down(link, unit, message)
        elif frame.opcode == CLOSE and way == DOWN and not pump.swallowing:
            _note_close(link, frame.payload)
        for edit in [edit for edit in link.edits if edit.takes(unit)]:
            if unit.out and edit.apply(unit, link.last_acks):
                link.edits.remove(edit)
        self._put(pump, unit.out)
        if unit.told is not None and frame.raw in unit.out and not pump.swallowing:
            link.told.append((pump.taken, unit.told))
        if unit.ack and frame.raw in unit.out:  # one that was spoilt has told the client nothing
            link.last_acks = [*link.last_acks, frame.raw][-ACKS_KEPT:]
        done = self._put_off(after, link, pump)
        piece = unit.cut
        if piece is not None:

            async def cut() -> None:
                await link.cut(way, piece)

            done = self._submit(cut)
        if after or piece is not None:
            await done.wait()

    def _settle(self, link: Link) -> None:
        """Counts the acknowledgements that the client has of a connection by now."""
        for ack in link.heard():
            self.traffic.ack_heard(link.number, ack)

    def _put(self, pump: Pump, out: list[bytes]) -> None:
        if pump.swallowing:
            pump.swallowed = not pump.shut
            return
        for data in out:
            pump.put(data)

    async def _see_up(self, link: Link, message: Message) -> list[Firing]:
        said = m.decode_client(message.data)
        if isinstance(said, m.BadFrame):
            return []
        now = self.witness.now()
        if isinstance(said, m.StopFrame):
            self.witness.write(j.StopSent(t=now, done=now, connection=link.number))
        else:
            offset, size = self.traffic.received, len(said.data)
            self.witness.write(
                j.Frame(t=now, done=now, connection=link.number, offset=offset, size=size)
            )
            self.witness.audio(said.data)
        return await self._observe(link, self.traffic.up(link.number, said))

    async def _see_down(self, link: Link, unit: Unit, message: Message) -> list[Firing]:
        said = m.decode(message.data)
        if isinstance(said, m.AudioAck) and said.acknowledged and said.data is not None:
            unit.ack = unit.whole
            return await self._see_ack(link, unit, said)
        self._note(link, message.data)
        if link.pumps[DOWN].swallowing:
            return []
        return await self._observe(link, self.traffic.down(said))

    async def _see_ack(self, link: Link, unit: Unit, ack: m.AudioAck) -> list[Firing]:
        assert ack.data is not None  # it is told by its having one
        unit.told = ack
        self._settle(link)
        start, end = ack.data.byte_range
        self.witness.write(
            j.Ack(
                t=self.witness.now(),
                connection=link.number,
                start=start,
                end=end,
                upto=end,
                created_at=ack.created_at,
            )
        )
        about = self.traffic.ack_at_hand(link.number, ack)
        if link.pumps[DOWN].swallowing:
            return []
        after = await self._observe(link, [about])
        if any(each.at.trigger.startswith(BETWEEN) and each.fault.spec.takes_ack for each in after):
            unit.lose()
            return after
        if any(edit.takes(unit) and edit.loses for edit in link.edits):
            return after
        return after + await self._observe(link, [self.traffic.ack_passes(ack)])

    async def _observe(self, link: Link, events: Iterable[Event]) -> list[Firing]:
        """Tells events; does what is to be done to the frame at hand, returns what comes after."""
        after: list[Firing] = []
        for event in events:
            for firing in self.schedule.observe(event, trio.current_time()):
                if firing.fault.spec.at_hand:
                    await self._strike(self, firing, link)
                else:
                    after.append(firing)
        self._look()
        return after

    def _note(self, link: Link, data: str | bytes) -> None:
        body = j.raw(data)
        now = self.witness.now()
        if body is not None:
            self.witness.write(j.Received(t=now, connection=link.number, body=body))
        else:
            text = data if isinstance(data, str) else data.decode("utf-8", "replace")
            self.witness.write(j.Received(t=now, connection=link.number, text=text))

    # ------------------------------------------------------------------ strikes

    def _put_off(
        self, firings: list[Firing], link: Link | None = None, pump: Pump | None = None
    ) -> trio.Event:
        """Has faults struck by `run`, once what is in the pump has passed."""

        async def strike() -> None:
            if pump is not None and not pump.held:
                with trio.move_on_after(_PASS_SECONDS):
                    await pump.flush()
            for firing in firings:
                await self._strike(self, firing, self.link or link)

        if not firings:
            self._look()
            done = trio.Event()
            done.set()
            return done
        return self._submit(strike)

    def _look(self) -> None:
        """Have `run` look at its clock again, if something else is due next."""
        if self.schedule.due() != self._due:
            self._wake.set()

    def _submit(self, job: _Job) -> trio.Event:
        done = trio.Event()
        self._jobs.append((job, done))
        self._wake.set()
        return done


def _note_close(link: Link, payload: bytes) -> None:
    link.code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else _NO_CODE
    link.reason = payload[2:].decode("utf-8", "replace")
