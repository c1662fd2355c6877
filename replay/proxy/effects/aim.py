"""What a fault is given when it strikes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import trio

from replay import journal as j
from replay.errors import UsageError
from replay.faults import Fault, Firing
from replay.proxy.door import Door
from replay.proxy.gates import Answering, Gate
from replay.proxy.link import Link
from replay.proxy.watch import Watch


class Target(Protocol):
    """A target whose process can be killed and started again."""

    async def kill(self) -> None: ...

    async def start(self) -> None: ...


class Scene(Protocol):
    """What all sessions share: the injector, as the faults see it.

    Attributes:
        gates: what new websocket connections meet; answers: what requests meet.
        background: runs what goes on after a strike.
    """

    door: Door
    gates: list[Gate]
    answers: list[Answering]
    background: trio.Nursery
    sandbox: Target | None

    async def dial(self, url: str) -> trio.abc.Stream: ...


@dataclass(slots=True)
class Aim:
    """One strike. `link`: the live connection, None when there is none.

    `began`: when it struck, on trio's clock.
    """

    firing: Firing
    watch: Watch
    link: Link | None
    scene: Scene
    began: float = field(default_factory=trio.current_time)
    _told: bool = False

    @property
    def fault(self) -> Fault:
        return self.firing.fault

    @property
    def until(self) -> float:
        """When it is over; infinite for what has no end."""
        return self.began + self.fault.seconds() if self.fault.spec.lasting else math.inf

    def landed(self) -> None:
        """It was really done: write that down, the first time it is."""
        if self._told:
            return
        self._told = True
        witness, fault = self.watch.witness, self.fault
        names = {param.name for param in fault.spec.params}
        until = None
        if math.isfinite(self.until):
            late = trio.current_time() - self.began
            until = witness.now() + round((self.until - self.began - late) * 1e9)
        witness.write(
            j.FaultFired(
                t=witness.now(),
                rule=self.firing.rule,
                step=self.firing.step,
                text=str(fault),
                fault=fault.kind,
                connection=self.firing.at.connection,
                direction=fault.word() if "dir" in names else "",
                at=self.firing.at.as_dict(),
                until=until,
            )
        )


def check_sandbox(scene: Scene) -> Target:
    """The target's process.

    Raises:
        UsageError: it is not ours.
    """
    if scene.sandbox is None:
        raise UsageError("restart needs a sandbox of our own: use --target sandbox")
    return scene.sandbox
