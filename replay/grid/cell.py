"""Runs one agent in one case: a sandbox, the injector before it, the agent, and then the judge."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import psutil
import trio

from replay import rundir
from replay.errors import UsageError
from replay.grid import material
from replay.grid.cases import GridCase
from replay.grid.grading import Grade, Ran, grade, grade_search
from replay.grid.judging import judge_session
from replay.grid.limit import Search
from replay.grid.results import Agent, Cell

#: What a program may take beyond the speech and the faults' own time, in seconds.
_GRACE = 40.0
#: What the injector may take to end, and to fetch what there is, after its program.
_END_SECONDS = 45.0
_TAIL = 300
_STATUS = "status"
_OUTPUT = "output.txt"
_SESSIONS = "sessions"
#: The injector's line on a session, with its directory.
_VERDICT = re.compile(rf"(pass|fail|unknown): /.*/{_SESSIONS}/")


@dataclass(frozen=True, slots=True)
class Done:
    """One run of an agent. `complete`: one of its sessions came to its proper end."""

    grade: Grade
    ran: Ran
    sessions: list[Path]
    complete: bool


async def run_cell(agent: Agent, case: GridCase, out: Path) -> Cell:
    """One cell, in its own directory below `out`; what lay there is replaced."""
    place = cell_directory(out, agent.name, case.name)
    began = trio.current_time()
    if case.longest is None:
        done = await _attempt(agent, case, out, place)
        result = done.grade
    else:
        result, done = await _search(agent, case, case.longest, out, place)
    return Cell(
        agent=agent.name,
        case=case.name,
        command=agent.command,
        faults=list(case.faults),
        state=result.state,
        headline=result.headline,
        notes=result.notes,
        repeat=shlex.join(["replay", *_repeat(agent, case, out, place)]),
        seconds=round(trio.current_time() - began, 1),
        exit_status=done.ran.status,
        sessions=[str(path.relative_to(out)) for path in done.sessions],
    )


def cell_directory(out: Path, agent: str, case: str) -> Path:
    """Where everything of a cell lies."""
    return out / "cells" / agent / case


async def _search(
    agent: Agent, case: GridCase, longest: float, out: Path, place: Path
) -> tuple[Grade, Done]:
    search = Search(longest)
    while True:
        outage = search.next
        assert outage is not None  # the first is always tried, and the loop ends with the last
        here = place / f"{outage:.3f}s"
        done = await _attempt(agent, case.outage(outage), out, here)
        if done.grade.state == "not run":
            return grade_search(search, done.grade), done
        search = search.told(outage, survived=done.complete)
        if search.next is None:
            return grade_search(search, None), done


async def _attempt(agent: Agent, case: GridCase, out: Path, place: Path) -> Done:
    wav = (await trio.to_thread.run_sync(material.make, out / "speech", case.seconds)).wav
    await trio.to_thread.run_sync(_clear, place)
    command = _proxy_command(agent, case, wav, place, noting=place / _STATUS)
    await _run([sys.executable, "-m", "replay", *command], _limit(case), place / _OUTPUT)
    return await trio.to_thread.run_sync(_judge, agent, case, place, wav)


def _limit(case: GridCase) -> float:
    return case.seconds + _GRACE


def _repeat(agent: Agent, case: GridCase, out: Path, place: Path) -> list[str]:
    """The arguments that do a cell again, with its verdict from the injector alone."""
    if case.longest is None:
        wav = material.names(out / "speech", case.seconds).wav
        return _proxy_command(agent, case, wav, place)
    mine = f"{agent.name}={agent.command}"
    return ["grid", "--agent", mine, "--case", case.name, "--out", f"{out}-again"]


def _clear(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)


def _proxy_command(
    agent: Agent, case: GridCase, wav: Path, place: Path, noting: Path | None = None
) -> list[str]:
    """The arguments of `replay` that put the agent through the case.

    Args:
        noting: where the agent's exit status is to be put down.
    """
    faults = [word for text in case.faults for word in ("--fault", text)]
    script = str(material.names(wav.parent, case.seconds).words)
    return [
        *("proxy", "--target", "sandbox", "--script", script),
        *(f"--sandbox-option={option}" for option in case.sandbox),
        *("--journal", str(place / _SESSIONS)),
        *faults,
        "--",
        *agent_command(agent.command, wav, place, noting),
    ]


def agent_command(command: str, wav: Path, place: Path, noting: Path | None = None) -> list[str]:
    """The agent's command as words, with its placeholders filled in.

    `{wav}` is the recording and `{dir}` a directory for what the agent leaves behind. `{url}` is
    not known before the injector listens: a shell puts it in from the environment.

    Raises:
        UsageError: the command's quotes do not match.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"agent command {command!r}: {str(error).lower()}") from None
    filled = [word.replace("{wav}", str(wav)).replace("{dir}", str(place)) for word in words]
    if noting is None and not any("{url}" in word for word in filled):
        return filled
    line = " ".join(
        '"$GLADIA_API_URL"'.join(shlex.quote(part) if part else "" for part in word.split("{url}"))
        or "''"
        for word in filled
    )
    note = (
        ""
        if noting is None
        else f"; status=$?; echo $status > {shlex.quote(str(noting))}; exit $status"
    )
    return ["sh", "-c", line + note]


async def _run(command: list[str], limit: float, output: Path) -> None:
    """Run the injector with its agent; whatever is left of them after `limit` seconds is ended."""
    with output.open("wb") as sink:
        process = await trio.lowlevel.open_process(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        with trio.move_on_after(limit):
            await process.wait()
        if process.returncode is None:
            _end_agent(process.pid)
            with trio.move_on_after(_END_SECONDS):
                await process.wait()
    finally:
        # The agent is in the injector's group, and may have outlived it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with trio.CancelScope(shield=True):
            await process.wait()


def _end_agent(pid: int) -> None:
    """End what the injector runs, so that it can put down what the session came to. Its sandbox is
    in a session of its own, and stays."""
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(ProcessLookupError, psutil.NoSuchProcess):
                if os.getpgid(child.pid) == pid:
                    child.kill()


def _judge(agent: Agent, case: GridCase, place: Path, wav: Path) -> Done:
    noted = place / _STATUS
    status = int(noted.read_text()) if noted.exists() else None
    ran = Ran(status, _limit(case), last_words(place / _OUTPUT), agent.statuses)
    paths = sorted(path.parent for path in (place / _SESSIONS).rglob(rundir.JOURNAL))
    content = status in agent.statuses
    judged = [judge_session(path, wav, content=content) for path in paths]
    complete = any(each.complete for each in judged)
    return Done(grade(case, ran, judged), ran, paths, complete)


def last_words(output: Path) -> str:
    """The last line that a program printed, and not the injector around it, which has its verdicts
    behind everything else."""
    lines = output.read_text(errors="replace").splitlines()
    said = [
        line for line in takewhile(lambda line: not _VERDICT.match(line), lines) if line.strip()
    ]
    mine = [line for line in said if not line.startswith("replay: ")]
    return mine[-1].strip()[-_TAIL:] if mine else ""
