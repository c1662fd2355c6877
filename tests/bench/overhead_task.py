"""What the clients of `overhead.py` share: what is played, and what is measured of it.

A client is a process of its own: `CLIENT.py URL SESSIONS SECONDS` plays so many sessions at once
and prints one `Measured` as JSON; with a last argument `together` it prints a line when all of them
are connected, and begins when it is sent one. Everybody does the same: all sessions are connected
before the first begins, their phases are spread evenly over a chunk, chunk k is due at
start + (k + 1) · d, and lateness is taken just before the chunk is handed to the client. What is
due in the first second, and after `SECONDS` more, is played and not counted: neither warming up nor
tidying up is.
"""

from __future__ import annotations

import gc
import resource
import sys
import time
from bisect import bisect_left
from dataclasses import dataclass, field

import httpx
import msgspec
import psutil

CHUNK_SECONDS = 0.1
CHUNK_BYTES = 3200
CONFIG = {
    "encoding": "wav/pcm",
    "sample_rate": 16000,
    "bit_depth": 16,
    "channels": 1,
    "messages_config": {"receive_partial_transcripts": True},
}
WARMING, TAIL = 1.0, 0.3

monotonic_ns = time.monotonic_ns


@dataclass
class Measured:
    """Attributes:
    late: ms from a chunk's due time to its handing over, sorted.
    arrived: ms from a chunk's due time to its arrival at the server, sorted.
    cpu: CPU seconds of the client per second of one stream, while all played.
    rss: bytes of memory while all played.
    """

    late: list[float] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    cpu: float = 0.0
    rss: int = 0


class Task:
    """What this process was asked for.

    Attributes:
        url: of the server.
        sessions: how many.
        audio: of each session.
    """

    def __init__(self) -> None:
        self.url, self.sessions = sys.argv[1], int(sys.argv[2])
        self._seconds = float(sys.argv[3])
        self._together = sys.argv[4:] == ["together"]
        chunks = round((WARMING + self._seconds + TAIL) / CHUNK_SECONDS)
        self.audio = bytes(chunks * CHUNK_BYTES)
        self._measured = Measured()
        self._start = 0

    def ready(self) -> None:
        """All sessions are connected, and none plays yet; some time may pass before they do."""
        # As `replay run` does (`observer.settle_memory`).
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 10, 10)
        if self._together:
            print("connected", flush=True)
            sys.stdin.readline()

    def phase(self, number: int) -> float:
        """Seconds by which a session begins after the first."""
        return CHUNK_SECONDS * number / self.sessions

    @property
    def counted(self) -> float:
        """Seconds for which it counts."""
        return self._seconds

    def begin(self) -> None:
        """What is due from now on counts."""
        self._start = monotonic_ns()
        self._measured.cpu = -_used()

    def end(self) -> None:
        """What was due until now counted."""
        self._measured.cpu = (self._measured.cpu + _used()) / (self.sessions * self._seconds)
        self._measured.rss = psutil.Process().memory_info().rss

    def tell(self, sessions: dict[str, tuple[list[int], list[int]]]) -> None:
        """Print what was measured. `sessions`: by id when each chunk was due and handed over, in ns
        of the monotonic clock."""
        measured = self._measured
        end = self._start + round(self._seconds * 1e9)
        with httpx.Client(base_url=self.url, trust_env=False) as http:
            for session, (due, handed) in sessions.items():
                seen = http.get(f"/arrivals/{session}").json()
                assert seen["counts"][-1] == len(self.audio), "audio was lost or repeated"
                for k, (planned, there) in enumerate(zip(due, handed, strict=True)):
                    if self._start <= planned < end:
                        # A client that is behind may send several chunks as one frame.
                        came = bisect_left(seen["counts"], (k + 1) * CHUNK_BYTES)
                        measured.late.append((there - planned) / 1e6)
                        measured.arrived.append((seen["arrivals"][came] - planned) / 1e6)
        measured.late.sort()
        measured.arrived.sort()
        sys.stdout.buffer.write(msgspec.json.encode(measured))


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def due_ns(start: int, k: int) -> int:
    """When chunk `k` of a session that began at `start` is due."""
    return start + round((k + 1) * CHUNK_SECONDS * 1e9)
