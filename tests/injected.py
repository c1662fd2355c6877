"""A world with the injector in the middle, in memory, with what tests take for granted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from world import Alarms, words

from replay.audio import AudioFormat
from replay.faults import Plan, parse_plan
from replay.recorder import ListRecorder
from replay.sandbox.hub import open_sandbox
from replay.sandbox.recognizers.base import Recognizer
from replay.sandbox.recognizers.scripted import Manner, Script, ScriptedRecognizer
from replay.sandbox.settings import Settings
from replay.simulation.injected import Injected, inject

__all__ = ["Injected", "open_injected"]


@asynccontextmanager
async def open_injected(
    *faults: str,
    plan: Plan | None = None,
    latency: float = 0.05,
    script: Script | None = None,
    manner: Manner | None = None,
    settings: Settings | None = None,
    recognizer: Recognizer | None = None,
    fmt: AudioFormat | None = None,
    seed: int = 0,
) -> AsyncIterator[Injected]:
    """A world for a test, with an injector that has these faults to do."""
    heard = recognizer or ScriptedRecognizer(script or words(20), manner or Manner())
    recorder = ListRecorder()
    async with (
        open_sandbox(settings or Settings(), heard) as sandbox,
        trio.open_nursery() as nursery,
        inject(
            sandbox,
            plan or parse_plan(faults),
            recorder,
            Alarms(nursery),
            bytes_per_second=(fmt or AudioFormat()).bytes_per_second,
            latency=latency,
            seed=seed,
        ) as world,
    ):
        yield world
        nursery.cancel_scope.cancel()
