"""Many sessions in one process with the vendor's asyncio client, paced by absolute deadlines."""

from __future__ import annotations

import asyncio
from typing import Any

from gladiaio_sdk import GladiaClient
from overhead_task import CHUNK_BYTES, CONFIG, WARMING, Task, due_ns, monotonic_ns


class Session:
    """One session. Its loop's clock is the machine's monotonic clock."""

    def __init__(self, live: Any) -> None:
        self.session = live.start_session(CONFIG)
        self.connected, self.ended = asyncio.Event(), asyncio.Event()
        self.codes: list[int] = []
        self.due: list[int] = []
        self.handed: list[int] = []
        self.messages = 0
        self.session.on("connected", lambda _: self.connected.set())
        self.session.on("message", self._hear)
        self.session.on("ended", self._end)

    def _hear(self, _message: Any) -> None:
        self.messages += 1

    def _end(self, message: Any) -> None:
        self.codes.append(message.code)
        self.ended.set()

    async def play(self, begin: float, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(begin - loop.time())
        start = monotonic_ns()
        for k, at in enumerate(range(0, len(data), CHUNK_BYTES)):
            due = due_ns(start, k)
            await asyncio.sleep(max(0.0, due / 1e9 - loop.time()))
            self.due.append(due)
            self.handed.append(monotonic_ns())
            self.session.send_audio(data[at : at + CHUNK_BYTES])
        self.session.stop_recording()
        await self.ended.wait()
        assert self.codes == [1000], self.codes


async def main() -> None:
    task, loop = Task(), asyncio.get_running_loop()
    live = GladiaClient(api_key="any", api_url=task.url).live_async()
    sessions = [Session(live) for _ in range(task.sessions)]
    for session in sessions:
        await session.connected.wait()
    ids = [session.session.session_id for session in sessions]
    task.ready()
    start = loop.time() + 0.2
    async with asyncio.TaskGroup() as group:
        for number, session in enumerate(sessions):
            group.create_task(session.play(start + task.phase(number), task.audio))
        await asyncio.sleep(start + WARMING - loop.time())
        task.begin()
        await asyncio.sleep(start + WARMING + task.counted - loop.time())
        task.end()
    task.tell({name: (each.due, each.handed) for name, each in zip(ids, sessions, strict=True)})


if __name__ == "__main__":
    asyncio.run(main())
