"""Every fault: one small class each, with one method, `strike`.

`connection`: what is done to the live connection; `path`: to the way of all connections;
`listener`: to those that are yet to come, to requests, and to the target's process.
"""

from __future__ import annotations

from typing import Protocol

from replay.proxy.effects import connection as c
from replay.proxy.effects import listener as n
from replay.proxy.effects import path as p
from replay.proxy.effects.aim import Aim, Scene, Target, check_sandbox

__all__ = ["EFFECTS", "Aim", "Effect", "Scene", "Target", "check_sandbox"]


class Effect(Protocol):
    """Does one kind of fault."""

    async def strike(self, aim: Aim) -> None:
        """Do it; returns soon, what lasts goes on by itself."""


EFFECTS: dict[str, Effect] = {
    "reset": c.Reset(),
    "fin": c.Fin(),
    "halfclose": c.HalfClose(),
    "blackhole": c.BlackHole(),
    "hold": c.Hold(),
    "throttle": p.Throttle(),
    "delay": p.Delay(),
    "slice": p.Slice(),
    "coalesce": p.Coalesce(),
    "cutframe": c.OnFrame(),
    "refuse": n.Refuse(),
    "unreachable": n.Unreachable(),
    "mute": n.Silence(),
    "reject": n.Rejection(),
    "close": c.Close(leave_open=False),
    "close_open": c.Close(leave_open=True),
    "accept_then_close": n.Brief(),
    "zero_window": c.ZeroWindow(),
    "loseacks": c.OnFrame(),
    "dupack": c.OnFrame(),
    "regressack": c.OnFrame(),
    "corrupt": c.OnFrame(),
    "oversize": c.Oversize(),
    "twin": c.Twin(),
    "restart": n.Restart(),
    "slow_http": n.SlowHttp(),
    "http_error": n.HttpError(),
}
