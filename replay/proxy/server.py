"""The injector on a port of this machine."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from replay import journal as j
from replay.faults import Plan
from replay.proxy.door import SocketDoor
from replay.proxy.effects import Target
from replay.proxy.exchange import Request
from replay.proxy.injector import Archive, Injector
from replay.proxy.upstream import open_upstream
from replay.proxy.watch import Witness
from replay.recorder import Recorder
from replay.tasks import open_flat_nursery
from replay.wire.http import InitAnswer

#: Kinds that need small buffers at the door, or nobody notices them for long.
_BLOCKING = ("zero_window", "throttle")


@asynccontextmanager
async def open_proxy(
    target: str,
    plan: Plan,
    archive: Archive,
    rng: Random,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    sandbox: Target | None = None,
    bytes_per_second: int = 32_000,
) -> AsyncIterator[Injector]:
    """An injector in front of the base URL `target`, for as long as the block; its `url` is where
    clients are to go, plain http and ws.

    Args:
        rng: of everything that the plan leaves to chance.
        sandbox: the target's process, where it is ours.
        bytes_per_second: of the audio, as long as the archive has not seen a session's format.

    Raises:
        UsageError: the target is no base URL, or the plan asks for what cannot be done.
        MachineError: the port is taken.
    """
    async with open_upstream(target, tls) as upstream, open_flat_nursery() as nursery:
        injector = Injector(
            upstream,
            plan,
            archive,
            rng,
            nursery,
            sandbox=sandbox,
            bytes_per_second=bytes_per_second,
        )
        kinds = {step.fault.kind for rule in plan for step in rule.steps}
        door = SocketDoor(
            nursery, injector.handle, host, port, small_buffers=bool(kinds & {*_BLOCKING})
        )
        injector.door = door
        await door.be_open()
        injector.url = f"http://{host}:{door.port}"
        injector.start()
        try:
            yield injector
        finally:
            nursery.cancel_scope.cancel()
            door.be_gone()


class FaultsOnly:
    """An archive that puts the faults, and nothing else, into a journal which somebody else keeps:
    the player's, which has all the rest from its own side."""

    def __init__(self, recorder: Recorder, bytes_per_second: int) -> None:
        self._recorder = recorder
        self._bytes_per_second = bytes_per_second

    def witness(self) -> Witness:
        return self

    def asked(self, _witness: Witness, _request: Request) -> int:
        return self._bytes_per_second

    def opened(self, _witness: Witness, _answer: InitAnswer) -> None:
        return

    def over(self, _witness: Witness) -> bool:
        return False

    def now(self) -> int:
        return self._recorder.now()

    def write(self, entry: j.AnyEntry) -> None:
        if isinstance(entry, j.FaultPlanned | j.FaultFired):
            self._recorder.write(entry)

    def audio(self, _data: bytes) -> None:
        return
