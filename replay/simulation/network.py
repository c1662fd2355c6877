"""A network that takes its time, in memory.

It delays every byte, so that at any moment some are on their way: a cut then loses them, and the
windows that matter (recorded but not acknowledged, stop sent but not heard) really occur.
"""

from __future__ import annotations

import trio

from replay.simulation.pipes import Alarms, Pipe, PipeStream


class Link:
    """A connection through a network that takes `latency` seconds each way.

    `cut` ends it at once and loses what is on its way; `swallow` loses everything from now on
    without a sign, in the directions named.
    """

    def __init__(self, latency: float, alarms: Alarms) -> None:
        self.latency = latency
        self._ways = {"up": Pipe(alarms, latency), "down": Pipe(alarms, latency)}
        up, down = self._ways["up"], self._ways["down"]
        self.client = PipeStream(down, up, deaf=True)
        self.server = PipeStream(up, down, deaf=True)

    def swallow(self, *directions: str) -> None:
        """Lose everything from now on, `up`, `down` or both."""
        for direction in directions:
            self._ways[direction].lose()

    async def cut(self) -> None:
        """End it at once."""
        for stream in (self.client, self.server):
            await trio.aclose_forcefully(stream)
