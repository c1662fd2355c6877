"""What our own client costs, beside the published SDK playing the same sessions in the same run.

First what a stamp and a line of the journal cost. Then three clients in turns, each a process of
its own on one core: ours (`open_session`, `Player` and a journal on disk, as `replay run`), and the
vendor's for asyncio and for threads. The server is a process on the other core that does next to
nothing (`overhead_server.py`); all play 16 kHz audio in chunks of 100 ms by absolute deadlines, and
hear an acknowledgement for each and two partials a second (`overhead_task.py`).

- CPU: of the client's process, in ms per second of one stream, with so many sessions at once.
- late: from a chunk's due time until it is handed to the client; arrived: until the server has it.
- sessions: the most for which the p99 of `late` stays under 10 ms, in steps of an eighth. One that
  fails is given a second try: another program's burst is not the client's fault.
- memory: of a process with all sessions, less one with a single session, for each one more.

    python tests/bench/overhead.py [--sessions 50] [--seconds 3] [--passes 3] [--no-limit]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter_ns

import msgspec
import trio
from overhead_task import Measured

from replay import journal as j
from replay.recorder import FileRecorder, Spool
from replay.wire import messages as m

HERE = Path(__file__).parent
CLIENTS = {
    "replay": "overhead_ours.py",
    "sdk asyncio": "overhead_sdk_asyncio.py",
    "sdk threads": "overhead_sdk_threads.py",
}
#: ms that a chunk may be late in one of a hundred cases.
BOUND = 10.0
STEP = 1.125


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Programs started within run on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Bench:
    """A server on one core, clients on another."""

    def __init__(self, url: str, core: int) -> None:
        self._url = url
        self._core = core

    def play(self, client: str, sessions: int, seconds: float) -> Measured:
        command = [sys.executable, HERE / CLIENTS[client], self._url, str(sessions), str(seconds)]
        with on_core(self._core):
            ended = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        return msgspec.json.decode(ended.stdout, type=Measured)


@contextmanager
def open_bench() -> Iterator[Bench]:
    cores = sorted(os.sched_getaffinity(0))
    server_core, client_core = cores[0], cores[-1]
    print(f"server on core {server_core}, clients on core {client_core}")
    with on_core(server_core):
        server = subprocess.Popen(
            [sys.executable, HERE / "overhead_server.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    assert server.stdout
    try:
        yield Bench(server.stdout.readline().strip(), client_core)
    finally:
        server.communicate()


# ------------------------------------------------------------------ stamps and lines


async def stamps() -> dict[str, float]:
    """What each of these takes, in ns."""
    with FileIO(os.devnull, "w") as sink:
        journal, audio = Spool(Path("journal"), sink), Spool(Path("audio"), sink)
        recorder = FileRecorder(journal, audio, None)
        text = m.encode(partial())
        ack = {"connection": 1, "start": 320_000, "end": 323_200, "upto": 323_200}
        costs = {
            "a stamp": _each(recorder.now),
            "a chunk's line, 2 stamps": _each(
                lambda: recorder.write(
                    j.Produced(t=recorder.now(), due=recorder.at(1.5), offset=320_000, size=3200)
                )
            ),
            "a frame's line, 2 stamps": _each(
                lambda: recorder.write(
                    j.Frame(
                        t=recorder.at(1.5),
                        done=recorder.now(),
                        connection=1,
                        offset=320_000,
                        size=3200,
                    )
                )
            ),
            "an ack's line, 1 stamp": _each(
                lambda: recorder.write(j.Ack(t=recorder.at(1.5), created_at="…" * 8, **ack))
            ),
            "a partial's line, 1 stamp": _each(
                lambda: recorder.write(
                    j.Received(t=recorder.at(1.5), connection=1, body=j.raw(text) or msgspec.UNSET)
                )
            ),
            "a partial, parsed": _each(lambda: m.decode(text)),
        }
        await recorder.flush()
    return costs


def partial() -> m.Transcript:
    """Six words, as the server says them."""
    words = [m.Word(f" word{n}", n * 0.4, n * 0.4 + 0.35, 0.95) for n in range(6)]
    utterance = m.Utterance(
        start=0.0, end=2.4, confidence=0.9, channel=0, words=words, text=" word" * 6, language="en"
    )
    data = m.TranscriptData(id="00_00000000", is_final=False, utterance=utterance)
    return m.Transcript(data=data, session_id="0" * 36, created_at="2026-11-22T09:00:00.000Z")


def _each(act: Callable[[], object], times: int = 4000, passes: int = 7) -> float:
    """ns that `act` takes, the median over the passes."""
    took = []
    for _ in range(passes):
        began = perf_counter_ns()
        for _ in range(times):
            act()
        took.append((perf_counter_ns() - began) / times)
    return median(took)


# ------------------------------------------------------------------ beside each other


def compare(bench: Bench, sessions: int, seconds: float, passes: int) -> dict[str, list[float]]:
    """One row a figure, one column a client; medians over the passes."""
    many: dict[str, list[Measured]] = {client: [] for client in CLIENTS}
    alone: dict[str, list[Measured]] = {client: [] for client in CLIENTS}
    for number in range(passes):
        # To and fro, so that no client always comes first.
        for client in list(CLIENTS)[:: -1 if number % 2 else 1]:
            many[client].append(bench.play(client, sessions, seconds))
            if number == 0:
                alone[client].append(bench.play(client, 1, 1.0))

    def row(figure: Callable[[Measured], float]) -> list[float]:
        return [median(map(figure, many[client])) for client in CLIENTS]

    memory = [
        (median(each.rss for each in many[client]) - median(each.rss for each in alone[client]))
        / (sessions - 1)
        / 1024
        for client in CLIENTS
    ]
    return {
        "CPU, ms a stream-second": row(lambda each: each.cpu * 1000),
        "late, ms, p50": row(lambda each: percentile(each.late, 50)),
        "late, ms, p99": row(lambda each: percentile(each.late, 99)),
        "arrived, ms, p50": row(lambda each: percentile(each.arrived, 50)),
        "arrived, ms, p99": row(lambda each: percentile(each.arrived, 99)),
        "memory, KiB a session": memory,
    }


def percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def limits(bench: Bench, cpu: dict[str, float], seconds: float) -> dict[str, int]:
    """The most sessions of each client that are in time, sought in turns.

    `cpu`: seconds that a stream takes a second, from which the search begins.
    """
    best = dict.fromkeys(CLIENTS, 0)
    searches = {client: search(round(0.9 / cpu[client])) for client in CLIENTS}
    asked = {client: next(each) for client, each in searches.items()}
    while asked:
        for client, sessions in list(asked.items()):
            good = any(in_time(bench.play(client, sessions, seconds)) for _ in range(2))
            best[client] = max(best[client], sessions if good else 0)
            try:
                asked[client] = searches[client].send(good)
            except StopIteration:
                del asked[client]
    return best


def in_time(measured: Measured) -> bool:
    return percentile(measured.late, 99) < BOUND


def search(guess: int) -> Generator[int, bool, None]:
    """Ask for ever more, or ever fewer, until the answer changes; `send` it back."""
    first = yield guess
    steps = 0
    while True:
        steps += 1 if first else -1
        sessions = max(1, round(guess * STEP**steps))
        good = yield sessions
        if good is not first or sessions == 1 or abs(steps) == 8:
            return


# ------------------------------------------------------------------ the tables


def show(rows: dict[str, list[float]]) -> None:
    names = list(CLIENTS)
    heads = [*names, *(f"ratio to {name.split()[-1]}" for name in names[1:])]
    print(f"{'':28}" + "".join(f"{head:>18}" for head in heads))
    for name, values in rows.items():
        ratios = [values[0] / value if value else float("nan") for value in values[1:]]
        print(f"{name:28}" + "".join(f"{value:18.2f}" for value in [*values, *ratios]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sessions", type=int, default=50, help="at once, for all but the limit")
    parser.add_argument("--seconds", type=float, default=3.0, help="that count of each session")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--no-limit", action="store_true", help="do not seek the most sessions")
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} at the start")
    for name, cost in trio.run(stamps).items():
        print(f"{name:28}{cost:10.0f} ns")
    with open_bench() as bench:
        print(
            f"{options.sessions} sessions at once, {options.seconds:g} s of each count; "
            f"medians of {options.passes} passes",
            flush=True,
        )
        rows = compare(bench, options.sessions, options.seconds, options.passes)
        show(rows)
        if not options.no_limit:
            cpu = dict(
                zip(CLIENTS, [x / 1000 for x in rows["CPU, ms a stream-second"]], strict=True)
            )
            best = limits(bench, cpu, options.seconds)
            show({"sessions on one core": [float(best[client]) for client in CLIENTS]})
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
