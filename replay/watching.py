"""Looking at processes from outside: what they and their children take."""

from __future__ import annotations

from collections.abc import Iterable

import psutil
from msgspec import Struct


class Usage(Struct, kw_only=True):
    """What a process and its children take together. rss: bytes; processes: how many there are;
    began: when the process itself did, in seconds of the epoch: another one of the same number
    began later."""

    began: float
    rss: int = 0
    fds: int = 0
    threads: int = 0
    processes: int = 0


def sample(pid: int, *, children: bool = True) -> Usage | None:
    """What the process takes now, with its children and theirs; None when it is gone.

    What it has no right to ask of a process counts as nothing: another user's open files.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        began = process.create_time()
        family = [process, *(process.children(recursive=True) if children else ())]
    except psutil.Error:
        return None
    return _together(family, Usage(began=began))


def exists(pid: int) -> bool:
    """Is there such a process, which has not ended?"""
    return sample(pid, children=False) is not None


def _together(family: Iterable[psutil.Process], total: Usage) -> Usage | None:
    for process in family:
        try:
            with process.oneshot():
                rss, threads = process.memory_info().rss, process.num_threads()
        except psutil.Error:
            continue  # it ended meanwhile
        total.rss += rss
        total.threads += threads
        total.fds += _fds(process)
        total.processes += 1
    return total if total.processes else None


def _fds(process: psutil.Process) -> int:
    try:
        return process.num_fds()
    except psutil.Error:
        return 0
