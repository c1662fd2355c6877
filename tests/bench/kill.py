"""A sandbox that is killed in the middle of its sessions, again and again, and what that cost.

Each round plays twenty sessions of 1.2 to 3.1 s into a sandbox of its own on an empty directory,
kills it (SIGKILL) at a moment drawn between 0.3 and 3 s, starts it again on the same port, and
waits for all sessions to end. Every recording is compared byte for byte with what was sent, every
transcript with the script. Then: how long a sandbox with stored jobs takes from its start to its
ready line, and what they take of its memory.

    python tests/bench/kill.py [--rounds 200] [--jobs 1000] [--seed 0]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from random import Random
from statistics import median

import trio
import trio.testing

sys.path.insert(0, str(Path(__file__).parent.parent))

from killing import SESSIONS, Seen, killable, killed_once
from sandboxes import SECOND, Client, sandbox, scripted


async def one_round(moment: float) -> Seen:
    with tempfile.TemporaryDirectory() as directory:
        async with killable(Path(directory)) as target:
            with trio.fail_after(300):
                return await killed_once(target, SESSIONS, moment)


def rounds(count: int, rng: Random) -> bool:
    """Are all of them without a fault?"""
    total = Seen()
    for number in range(count):
        seen = trio.run(one_round, rng.uniform(0.3, 3.0))
        for name in ("resumed", "processing", "restarts", "faults"):
            getattr(total, name).extend(getattr(seen, name))
        total.finished += seen.finished
        total.missing += seen.missing
        total.again += seen.again
        total.repeated += seen.repeated
        for fault in seen.faults:
            print(f"round {number}: {fault}")
    print(f"rounds {count}, sessions {count * SESSIONS}, finished {total.finished}")
    print(f"running when it was killed {sum(total.resumed)}, of them", end=" ")
    print(f"in post-processing {sum(total.processing)}")
    print(f"bytes missing {total.missing}, faults {len(total.faults)}")
    print(f"not acknowledged at the kill, and so recorded twice: {total.repeated} bytes", end="; ")
    print(f"messages that came twice: {total.again}")
    print(f"restart to ready line: median {median(total.restarts):.2f} s", end=", ")
    print(f"max {max(total.restarts):.2f} s")
    return not total.faults and not total.missing and total.finished == count * SESSIONS


async def store(directory: Path, jobs: int) -> None:
    """Sessions of two seconds each, lived through in virtual time."""
    async with sandbox(scripted(), data=directory) as box, trio.open_nursery() as nursery:
        for _ in range(jobs):
            entry, client = box.init({}), Client()
            nursery.start_soon(entry.live.serve, client)
            await client.say(bytes(2 * SECOND))
            await client.stop()
            await trio.sleep(1)
            assert entry.status == "done"


async def restart(directory: Path) -> tuple[float, int]:
    """Median seconds of five restarts, and resident bytes after the last."""
    async with killable(directory) as target:
        times = []
        for _ in range(5):
            await target.kill()
            times.append(await target.start())
        return median(times), target.memory()


def restarts(jobs: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        empty, least = trio.run(restart, directory)
        trio.run(
            store, directory / "data", jobs, clock=trio.testing.MockClock(autojump_threshold=0)
        )
        full, most = trio.run(restart, directory)
    print(f"restart with no job: {empty:.2f} s; with {jobs}: {full:.2f} s", end="; ")
    print(f"{(most - least) / jobs / 1024:.1f} KiB of memory a job")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of death")
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} at the start")
    restarts(options.jobs)
    fine = not options.rounds or rounds(options.rounds, Random(options.seed))
    sys.exit(not fine)


if __name__ == "__main__":
    main()
