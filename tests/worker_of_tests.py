"""A worker that adds numbers up: `tests/test_workers.py` is its owner."""

from __future__ import annotations

import os

from replay.workers import Desk, work


async def add(desk: Desk[list[int], int]) -> None:
    async for numbers in desk:
        if not numbers:
            os.kill(os.getpid(), 9)
        print("this is no answer")
        await desk.say(sum(numbers))
    await desk.say(-1)


if __name__ == "__main__":
    work(list[int], add)
