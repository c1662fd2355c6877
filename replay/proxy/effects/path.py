"""Faults of the way between client and target, which connections that follow are harmed by too."""

from __future__ import annotations

from replay.faults import BOTH
from replay.proxy.effects.aim import Aim
from replay.proxy.ways import Way


def _ways(aim: Aim) -> list[Way]:
    word = aim.fault.word()
    return [way for name, way in aim.watch.ways.items() if word in (name, BOTH)]


class Throttle:
    async def strike(self, aim: Aim) -> None:
        aim.landed()
        for way in _ways(aim):
            way.throttle(aim.fault.number("rate"), aim.until)


class Delay:
    async def strike(self, aim: Aim) -> None:
        aim.landed()
        for way in _ways(aim):
            way.delay(aim.fault.seconds("mean"), aim.fault.seconds("jitter"), aim.until)


class Slice:
    async def strike(self, aim: Aim) -> None:
        aim.landed()
        for way in _ways(aim):
            way.slice(aim.fault.number("size"), aim.until)


class Coalesce:
    async def strike(self, aim: Aim) -> None:
        aim.landed()
        for way in _ways(aim):
            way.coalesce(aim.fault.number(), aim.until)
