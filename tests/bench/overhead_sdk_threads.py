"""Many sessions in one process with the vendor's threaded client, paced by absolute deadlines."""

from __future__ import annotations

import threading
import time
from typing import Any

from gladiaio_sdk import GladiaClient
from overhead_task import CHUNK_BYTES, CONFIG, WARMING, Task, due_ns, monotonic_ns


class Session:
    """One session, played by a thread of its own."""

    def __init__(self, live: Any) -> None:
        self.session = live.start_session(CONFIG)
        self.ended = threading.Event()
        self.codes: list[int] = []
        self.due: list[int] = []
        self.handed: list[int] = []
        self.messages = 0
        self.session.on("message", self._hear)
        self.session.on("ended", self._end)

    def _hear(self, _message: Any) -> None:
        self.messages += 1

    def _end(self, message: Any) -> None:
        self.codes.append(message.code)
        self.ended.set()

    def play(self, begin: float, data: bytes) -> None:
        sleep_until(begin)
        start = monotonic_ns()
        for k, at in enumerate(range(0, len(data), CHUNK_BYTES)):
            due = due_ns(start, k)
            sleep_until(due / 1e9)
            self.due.append(due)
            self.handed.append(monotonic_ns())
            self.session.send_audio(data[at : at + CHUNK_BYTES])
        self.session.stop_recording()
        self.ended.wait()


def sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def main() -> None:
    task = Task()
    live = GladiaClient(api_key="any", api_url=task.url).live()
    sessions = [Session(live) for _ in range(task.sessions)]
    for session in sessions:
        assert session.session.wait_until_ready(30)
    ids = [session.session.session_id for session in sessions]
    task.ready()
    start = time.monotonic() + 0.2
    threads = [
        threading.Thread(target=session.play, args=(start + task.phase(number), task.audio))
        for number, session in enumerate(sessions)
    ]
    for thread in threads:
        thread.start()
    sleep_until(start + WARMING)
    task.begin()
    sleep_until(start + WARMING + task.counted)
    task.end()
    for thread in threads:
        thread.join()
    assert all(session.codes == [1000] for session in sessions)
    task.tell({name: (each.due, each.handed) for name, each in zip(ids, sessions, strict=True)})


if __name__ == "__main__":
    main()
