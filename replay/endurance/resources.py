"""What a process took, now and again."""

from __future__ import annotations

from msgspec import Struct

#: What of a sample may grow without end, and its unit per reconnection.
MEASURES = {"rss": "bytes", "fds": "", "threads": "", "tasks": ""}


class Sample(Struct, kw_only=True, omit_defaults=True):
    """One process at one moment.

    t: the soak's clock, in seconds. who: "worker 1", "sandbox", "supervisor", "pid 4711".
    generation: from 0; a process that was started again begins a new one, and no slope is taken
    across. rss: bytes, of the process and its children where `who` has some. tasks: None for
    processes that nobody can look into. reconnects: so far, in what this process serves: a
    worker's own sessions; for the sandbox and for others all.
    """

    t: float
    who: str
    pid: int
    generation: int = 0
    rss: int
    fds: int
    threads: int
    tasks: int | None = None
    reconnects: int = 0
