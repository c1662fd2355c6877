"""Faults of the live connection."""

from __future__ import annotations

import math

import trio

from replay.proxy.edits import Again, Cut, Edit, LoseAcks, Spoil
from replay.proxy.effects.aim import Aim
from replay.proxy.frames import text_frame
from replay.proxy.link import Link
from replay.wire.spoilt import oversize


class Reset:
    async def strike(self, aim: Aim) -> None:
        if aim.link is not None:
            aim.landed()
            await aim.link.reset()


class Fin:
    async def strike(self, aim: Aim) -> None:
        if aim.link is not None:
            aim.landed()
            await aim.link.fin()


class HalfClose:
    async def strike(self, aim: Aim) -> None:
        if aim.link is not None:
            aim.landed()
            await aim.link.half_close(aim.fault.word())


class BlackHole:
    async def strike(self, aim: Aim) -> None:
        if aim.link is None:
            return
        aim.landed()
        for pump in aim.link.directions(aim.fault.word()):
            pump.hole_until = max(pump.hole_until, aim.until)
        if math.isfinite(aim.until):
            aim.scene.background.start_soon(self._end, aim.until, aim.link)

    async def _end(self, until: float, link: Link) -> None:
        await trio.sleep_until(until)
        await link.end_holes(until)


class Hold:
    async def strike(self, aim: Aim) -> None:
        if aim.link is not None:
            aim.landed()
            for pump in aim.link.directions(aim.fault.word()):
                pump.hold(aim.until)


class ZeroWindow:
    async def strike(self, aim: Aim) -> None:
        if aim.link is not None:
            aim.landed()
            for pump in aim.link.directions("up"):
                pump.stop_reading(aim.until)


class Close:
    """`leave_open`: the close frame is not followed by the end of the TCP connection."""

    def __init__(self, *, leave_open: bool) -> None:
        self._leave_open = leave_open

    async def strike(self, aim: Aim) -> None:
        if aim.link is None:
            return
        aim.landed()
        reason = "" if self._leave_open else aim.fault.word("reason")
        await aim.link.close(aim.fault.number("code"), reason, leave_open=self._leave_open)


class OnFrame:
    """Arms an edit, which is done to the frame at hand or to the next that it can be done to."""

    async def strike(self, aim: Aim) -> None:
        if aim.link is not None:
            aim.link.edits.append(self._edit(aim))

    def _edit(self, aim: Aim) -> Edit:
        match aim.fault.kind:
            case "loseacks":
                return LoseAcks(aim.fault.number(), aim.landed)
            case "corrupt":
                return Spoil(aim.fault.word("what"), aim.landed)
            case "cutframe":
                return Cut(aim.fault.number(), aim.landed)
            case kind:
                return Again(kind == "regressack", aim.landed)


class Oversize:
    async def strike(self, aim: Aim) -> None:
        if aim.link is not None and not aim.link.pumps["down"].swallowing:
            aim.landed()
            aim.link.pumps["down"].put(text_frame(oversize()))


class Twin:
    """The second connection says nothing, and lives as long as the target lets it, or the first
    one does."""

    async def strike(self, aim: Aim) -> None:
        if aim.link is not None:
            aim.scene.background.start_soon(self._live, aim, aim.link)

    async def _live(self, aim: Aim, link: Link) -> None:
        try:
            stream = await aim.scene.dial(link.url)
        except OSError:
            return  # it never came to be, and so is not told
        try:
            await stream.send_all(link.hello)
            heard = False
            while not link.over and await stream.receive_some():
                if not heard:
                    aim.landed()
                heard = True
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)
