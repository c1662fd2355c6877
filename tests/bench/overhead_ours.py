"""Many sessions in one process with our own client, each as `replay run` plays its one."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path
from random import Random

import trio
from overhead_task import CONFIG, WARMING, Task, monotonic_ns

from replay import journal as j
from replay.audio import AudioFormat
from replay.client import open_session
from replay.observer import sample_resources, watch_stalls
from replay.player import Pace, Player
from replay.recorder import FileRecorder, flush_forever, open_recorder
from replay.source import PreparedSource
from replay.spill import Spill
from replay.transport.http import HttpService, open_service

FORMAT = AudioFormat()


class Crowd:
    """What the sessions share. `journals`: by session its journal, and what to add to its times."""

    def __init__(self, task: Task, service: HttpService, scratch: Path) -> None:
        self.task = task
        self.service = service
        self.scratch = scratch
        self.all_connected, self.begun = trio.Event(), trio.Event()
        self.start = 0.0
        self.recorders: list[FileRecorder] = []
        self.journals: dict[str, tuple[Path, int]] = {}

    async def play(self, number: int) -> None:
        directory = self.scratch / str(number)
        directory.mkdir()
        source = PreparedSource(self.task.audio, FORMAT, Fraction(1, 10))
        async with (
            open_recorder(directory, FORMAT) as recorder,
            trio.open_nursery() as nursery,
        ):
            self.recorders.append(recorder)
            async with open_session(
                self.service,
                CONFIG,
                recorder=recorder,
                rng=Random(number),
                spill=Spill(directory),
            ) as session:
                await session.wait_opened()
                shift = monotonic_ns() - recorder.now()
                self.journals[session.id] = directory / "journal.jsonl", shift
                if len(self.journals) == self.task.sessions:
                    self.all_connected.set()
                await self.begun.wait()
                await trio.sleep_until(self.start + self.task.phase(number))
                nursery.start_soon(Player(source, session, recorder, Pace(), recorder).play)
                async for _ in session:
                    pass
                assert session.ended is not None
                assert session.ended.outcome == "complete", session.ended
            nursery.cancel_scope.cancel()

    async def play_all(self) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(self.task.sessions):
                nursery.start_soon(self.play, number)
            await self.all_connected.wait()
            self.task.ready()
            self.start = trio.current_time() + 0.2
            self.begun.set()
            await trio.sleep_until(self.start + WARMING)
            self.task.begin()
            await trio.sleep_until(self.start + WARMING + self.task.counted)
            self.task.end()


async def main(scratch: Path) -> None:
    task = Task()
    async with (
        open_service(task.url) as service,
        open_recorder(scratch, FORMAT) as recorder,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(sample_resources, recorder)
        crowd = Crowd(task, service, scratch)
        crowd.recorders.append(recorder)
        nursery.start_soon(flush_forever, crowd.recorders)
        with watch_stalls([recorder]):
            await crowd.play_all()
        nursery.cancel_scope.cancel()
    task.tell({name: times(*where) for name, where in crowd.journals.items()})


def times(path: Path, shift: int) -> tuple[list[int], list[int]]:
    """When the chunks of a journal were due, and when each was there."""
    with path.open("rb") as lines:
        chunks = [entry for entry in j.decode_lines(lines) if isinstance(entry, j.Produced)]
    return [entry.due + shift for entry in chunks], [entry.t + shift for entry in chunks]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        trio.run(main, Path(directory))
