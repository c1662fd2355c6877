"""Planted defects of the process, not of a session: what leaks or tires, a little with each
reconnection, over all sessions of a sandbox."""

from __future__ import annotations

import os

import trio

from replay import units
from replay.audio import AudioFormat
from replay.sandbox.defect import Defect

_MEMORY_BYTES, _EVERY, _TIRING = "64KiB", 10, "5ms"
_KINDS = ("memory", "descriptor", "task")


class Leak(Defect):
    """One reconnection in N (10) leaks memory (64KiB, or so much), a descriptor, or a task."""

    name = "leak"
    argument = "memory[:SIZE][:N]|descriptor[:N]|task[:N]"

    def __init__(self, fmt: AudioFormat, argument: str | None = None) -> None:
        super().__init__(fmt, argument)
        self._kind, *rest = (argument or "memory").split(":")
        if self._kind not in _KINDS:
            raise ValueError(f"{self._kind!r} is nothing that leaks: use {', '.join(_KINDS)}")
        every = rest.pop() if rest and rest[-1].isdecimal() else str(_EVERY)
        size = rest.pop() if rest and self._kind == "memory" else _MEMORY_BYTES
        if rest or int(every) < 1:
            raise ValueError(f"write {self.argument}, such as memory:{_MEMORY_BYTES}:{_EVERY}")
        self._every, self._size = int(every), units.size(size)

    def come_back(self, received: int, seconds: float) -> None:  # noqa: ARG002
        self.common.reconnections += 1
        if self.common.reconnections % self._every == 0:
            self._leak()

    def _leak(self) -> None:
        match self._kind:
            case "memory":
                # Of zeros alone the system would keep one page for all.
                self.common.leaked.append(b"\xa5" * self._size)
            case "descriptor":
                self.common.leaked.append(_Descriptor())
            case _:
                trio.lowlevel.spawn_system_task(trio.sleep_forever)


class _Descriptor:
    """One that is held until the sandbox is gone."""

    def __init__(self) -> None:
        self._number = os.open(os.devnull, os.O_RDONLY)

    def __del__(self) -> None:
        os.close(self._number)


class Tiring(Defect):
    """Each reconnection is served a bit later than the one before it, by default 5ms."""

    name = "tiring"
    argument = "DURATION"

    def __init__(self, fmt: AudioFormat, argument: str | None = None) -> None:
        super().__init__(fmt, argument)
        self._step = float(units.duration(argument or _TIRING))

    def come_back(self, received: int, seconds: float) -> None:  # noqa: ARG002
        self.common.reconnections += 1
        self.delay = self.common.reconnections * self._step
