"""A network that takes its time, in memory.

It delays every byte, so that at any moment some are on their way: a cut then loses them, and the
windows that matter (recorded but not acknowledged, stop sent but not heard) really occur.
"""

from __future__ import annotations

import math

import trio
import trio.testing


class Link:
    """A connection through a network that takes `latency` seconds each way.

    `cut` ends it at once and loses what is on its way; `swallow` loses everything from now on
    without a sign, in the directions named.
    """

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.client, self._near = trio.testing.memory_stream_pair()
        self._far, self.server = trio.testing.memory_stream_pair()
        self._swallowed: set[str] = set()

    async def run(self) -> None:
        """Carry what both ends say."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._carry, self._near, self._far, "up")
            nursery.start_soon(self._carry, self._far, self._near, "down")

    def swallow(self, *directions: str) -> None:
        """Lose everything from now on, `up`, `down` or both."""
        self._swallowed.update(directions)

    async def cut(self) -> None:
        """End it at once."""
        for stream in (self._near, self._far, self.client, self.server):
            await trio.aclose_forcefully(stream)

    async def _carry(
        self, source: trio.abc.Stream, sink: trio.abc.HalfCloseableStream, direction: str
    ) -> None:
        put, take = trio.open_memory_channel[tuple[float, bytes]](math.inf)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._deliver, take, sink, direction)
            with put:
                while True:
                    try:
                        data = bytes(await source.receive_some())
                    except (trio.BrokenResourceError, trio.ClosedResourceError):
                        return
                    put.send_nowait((trio.current_time() + self.latency, data))
                    if not data:
                        return

    async def _deliver(
        self,
        take: trio.MemoryReceiveChannel[tuple[float, bytes]],
        sink: trio.abc.HalfCloseableStream,
        direction: str,
    ) -> None:
        try:
            async for due, data in take:
                await trio.sleep_until(due)
                if direction in self._swallowed:
                    continue
                if data:
                    await sink.send_all(data)
                else:
                    await sink.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
