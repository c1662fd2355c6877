"""Many sessions of our client at once, over one process a core, each recorded as `replay run` does.

400 sessions of 100 ms chunks in as many processes as there are cores, each on a core of its own,
with a journal and the audio of every session on disk (`overhead_ours.py`). They play into the
server that does next to nothing (`overhead_server.py`). That has to share the cores, so it runs at
a lower priority (nice 10 more): it stands for one on another machine, and what is measured is the
client, not how two programs share a core. `--server-nice 0` has them share as equals.

- late: from a chunk's due time until it is handed to the client; arrived: until the server has it.
- memory: of the processes with all sessions, less as many with a single one, for each one more;
  grown: by how much that changed in the second half of one long pass.
- one process: the same sessions in a single one, in turns, in the same run.

What is asked for: lateness p99 under 10 ms, and under 300 KiB a session beyond the first.

    python tests/bench/capacity.py [--sessions 400] [--seconds 10] [--passes 5] [--server-nice 10]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec
import psutil
from overhead import on_core, percentile
from overhead_task import WARMING, Measured

HERE = Path(__file__).parent
LATE_MS, MEMORY_KIB = 10.0, 300.0


@dataclass
class Pass:
    """One pass. `client`: what each process measured; `server_cpu`: of the server, in cores;
    `grown`: bytes of all processes in the second half."""

    client: list[Measured]
    server_cpu: float
    grown: int

    @property
    def late(self) -> list[float]:
        return sorted(late for each in self.client for late in each.late)

    @property
    def arrived(self) -> list[float]:
        return sorted(ms for each in self.client for ms in each.arrived)


class Bench:
    def __init__(self, url: str, server: psutil.Process, cores: list[int]) -> None:
        self._url = url
        self._server = server
        self._cores = cores

    @property
    def cores(self) -> int:
        return len(self._cores)

    def play(self, sessions: int, processes: int, seconds: float) -> Pass:
        """So many sessions over so many processes, the last cores first."""
        share = [sessions // processes + (k < sessions % processes) for k in range(processes)]
        clients = [
            self._start(core, count, seconds)
            for core, count in zip(reversed(self._cores), share, strict=False)
        ]
        for client in clients:
            assert client.stdout
            assert client.stdout.readline() == "connected\n"
        before = self._used()
        for client in clients:
            assert client.stdin
            client.stdin.write("go\n")
            client.stdin.flush()
        grown = self._grown(clients, seconds)
        told = [client.communicate()[0] for client in clients]
        used = self._used() - before
        assert not any(client.returncode for client in clients)
        found = [msgspec.json.decode(each, type=Measured) for each in told]
        return Pass(found, used / (seconds + 1.5), grown)  # with warming up, and the farewell

    def _grown(self, clients: list[subprocess.Popen[str]], seconds: float) -> int:
        """By how much the memory grows from the middle of what counts to shortly before its end."""
        programs = [psutil.Process(client.pid) for client in clients]
        time.sleep(WARMING + seconds / 2)
        before = sum(each.memory_info().rss for each in programs)
        time.sleep(seconds / 2)
        return sum(each.memory_info().rss for each in programs) - before

    def _start(self, core: int, sessions: int, seconds: float) -> subprocess.Popen[str]:
        command = [sys.executable, HERE / "overhead_ours.py", self._url, str(sessions)]
        with on_core(core):
            return subprocess.Popen(
                [*command, str(seconds), "together"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )

    def _used(self) -> float:
        return sum(self._server.cpu_times()[:2])


@contextmanager
def open_bench(nice: int) -> Iterator[Bench]:
    server = subprocess.Popen(
        [sys.executable, HERE / "overhead_server.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout
    process = psutil.Process(server.pid)
    process.nice(min(19, process.nice() + nice))
    try:
        yield Bench(server.stdout.readline().strip(), process, sorted(os.sched_getaffinity(0)))
    finally:
        server.communicate()


def rows(many: list[Pass], alone: list[Pass], sessions: int) -> dict[str, float]:
    """Medians over the passes."""

    def mid(figure: Callable[[Pass], float], passes: list[Pass] = many) -> float:
        return median(map(figure, passes))

    def rss(each: Pass) -> float:
        return sum(client.rss for client in each.client) / 1024

    more = sessions - len(many[0].client)
    return {
        "late, ms, p50": mid(lambda each: percentile(each.late, 50)),
        "late, ms, p99": mid(lambda each: percentile(each.late, 99)),
        "late, ms, max": mid(lambda each: each.late[-1]),
        "arrived, ms, p50": mid(lambda each: percentile(each.arrived, 50)),
        "arrived, ms, p99": mid(lambda each: percentile(each.arrived, 99)),
        "CPU, ms a stream-second": mid(
            lambda each: 1000 * sum(c.cpu for c in each.client) / len(each.client)
        ),
        "client, cores": mid(
            lambda each: sum(c.cpu for c in each.client) / len(each.client) * sessions
        ),
        "server, cores": mid(lambda each: each.server_cpu),
        "memory, KiB a session": (mid(rss) - mid(rss, alone)) / more,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--sessions", type=int, default=400, help="at once")
    parser.add_argument("--seconds", type=float, default=10.0, help="that count of each pass")
    parser.add_argument("--long", type=float, default=60.0, help="seconds of the long pass")
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--server-nice", type=int, default=10, help="priority of the server")
    options = parser.parse_args()
    print(
        f"load {os.getloadavg()[0]:.1f} at the start; own nice {os.nice(0)}, "
        f"the server's {options.server_nice} more"
    )
    with open_bench(options.server_nice) as bench:
        kinds = [bench.cores, 1]
        many: dict[int, list[Pass]] = {each: [] for each in kinds}
        print(
            f"{options.sessions} sessions, each process on a core of its own; "
            f"{options.seconds:g} s of each count; medians of {options.passes} passes",
            flush=True,
        )
        for number in range(options.passes):
            # To and fro, so that neither always comes first.
            for processes in kinds[:: -1 if number % 2 else 1]:
                found = bench.play(options.sessions, processes, options.seconds)
                many[processes].append(found)
                print(
                    f"  pass {number + 1}, processes: {processes}; late p99 "
                    f"{percentile(found.late, 99):.2f} ms, max {found.late[-1]:.1f} ms",
                    flush=True,
                )
        long = bench.play(options.sessions, bench.cores, options.long)
        alone = {each: [bench.play(each, each, 1.0) for _ in range(2)] for each in kinds}
    columns = [rows(many[n], alone[n], options.sessions) for n in kinds]
    print(f"{'':28}{f'{kinds[0]} processes':>14}{'one process':>14}{'ratio':>10}")
    for name, value in columns[0].items():
        other = columns[1][name]
        ratio = value / other if other else float("nan")
        print(f"{name:28}{value:14.2f}{other:14.2f}{ratio:10.2f}")
    print(
        f"grown in the second half of {options.long:g} s: "
        f"{long.grown / 1024 / options.sessions:.1f} KiB a session"
    )
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    late, memory = columns[0]["late, ms, p99"], columns[0]["memory, KiB a session"]
    print(
        f"asked for: late p99 < {LATE_MS:g} ms: {late:.2f}; "
        f"memory < {MEMORY_KIB:g} KiB a session: {memory:.0f}"
    )
    sys.exit(not (late < LATE_MS and memory < MEMORY_KIB))


if __name__ == "__main__":
    main()
