"""Simulations as they were first: websockets by trio-websocket and wsproto, and `trio.run`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import trio

from replay.sandbox.websocket import ServerWebSocket
from replay.simulation import injected, kernel
from replay.simulation.clock import VirtualClock
from replay.simulation.pipes import PipeStream
from replay.transport import Steps, Wire
from replay.transport.websocket import wrap


@asynccontextmanager
async def _open_wire(
    stream: PipeStream, host: str, resource: str, deadline: float
) -> AsyncIterator[Wire]:
    async with wrap(stream, host, resource, deadline, Steps()) as wire:
        yield wire


def _run(main: Any, *args: Any, clock: VirtualClock, seed: int) -> Any:
    with kernel.settled_order(seed):
        return trio.run(main, *args, clock=clock)


@contextmanager
def libraries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within the block simulations take the libraries' websockets."""
    with monkeypatch.context() as patch:
        patch.setattr(injected, "open_wire", _open_wire)
        patch.setattr(injected, "MemoryWebSocket", ServerWebSocket)
        yield


@contextmanager
def trio_itself(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within the block simulations run in trio's own loop."""
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["replay.simulation.simulate"], "run", _run)
        yield
