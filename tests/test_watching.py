"""Processes watched from outside, by `replay proxy` too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec
import pytest
import trio
from click.testing import CliRunner
from played_soaks import process

from replay import watching
from replay.cli import proxy as cli
from replay.endurance.growth import leaks
from replay.endurance.resources import History, Sample
from replay.errors import MachineError, UsageError
from replay.proxying import PROGRAM, Proxied, ProxyOptions
from replay.report import watched as report
from replay.watching import Watch, Watched

#: A program with a child, both of which wait to be told to go.
FAMILY = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "print(1, flush=True); input()"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
held = [open("/dev/null") for _ in range(50)]
print("ready", flush=True)
sys.stdin.readline()
child.communicate(b"go")
"""


@pytest.fixture
def family() -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    yield started
    started.kill()
    started.communicate()


def test_a_process_is_taken_with_its_children(family: subprocess.Popen[str]) -> None:
    """Memory, files and threads of all of them together."""
    alone, together = (watching.sample(family.pid, children=some) for some in (False, True))
    assert alone is not None
    assert together is not None
    assert (alone.processes, together.processes) == (1, 2)
    assert (alone.threads, together.threads) == (1, 2)
    assert together.fds > alone.fds >= 50
    assert together.rss > alone.rss > 1 << 20
    assert together.began == alone.began


def test_a_process_that_is_not_there_is_none(family: subprocess.Popen[str]) -> None:
    """One that has ended, also where nobody has asked for its exit code yet."""
    family.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, family.pid, os.WEXITED | os.WNOWAIT)
    assert watching.sample(family.pid) is None
    family.wait()
    assert watching.sample(family.pid) is None


async def test_a_watch_keeps_what_it_sees(
    autojump_clock: trio.testing.MockClock, family: subprocess.Popen[str], tmp_path: Path
) -> None:
    """A line for each process at every look; when one went away is kept, and no more of it."""
    path = tmp_path / "resources.jsonl"
    watch = Watch(path, lambda: (7, 3))
    watch.add(os.getpid(), "this")
    watch.add(family.pid)
    await watch.look()
    await trio.sleep(2)
    family.communicate("go\n")
    await watch.look()
    kept = [msgspec.json.decode(line, type=Sample) for line in path.read_bytes().splitlines()]
    other = f"pid {family.pid}"
    assert {each.who for each in kept} == {"this", other}
    assert (kept[0].reconnects, kept[0].sessions) == (7, 3)
    assert watch.watched[0].gone is None
    assert [each.t for each in kept if each.who == other] == [0.0]
    assert watch.watched[1].gone == 2.0
    mine = watch.history.tracks["this", 0].column("t")
    assert mine.tolist() == [each.t for each in kept if each.who == "this"] == [0.0, 2.0]


async def test_a_number_that_was_given_away_again_is_another_process(tmp_path: Path) -> None:
    """A process that began later than the one under watch is not the one under watch."""
    watch = Watch(tmp_path / "resources.jsonl", lambda: (0, 0))
    watch.watched.append(Watched("old", os.getpid(), began=1.0))
    await watch.look()
    assert watch.watched[0].gone is not None
    assert not watch.history.tracks


async def test_what_cannot_be_watched_is_said(tmp_path: Path) -> None:
    """A process that is not there, and a place that cannot be written to."""
    with pytest.raises(UsageError, match="there is no process 4194305 to watch"):
        Watch(tmp_path / "x", lambda: (0, 0)).add(1 << 22 | 1)
    watch = Watch(tmp_path / "no" / "x", lambda: (0, 0))
    watch.add(os.getpid())
    with pytest.raises(MachineError, match="cannot write"):
        await watch.run()


# ------------------------------------------------------------------ replay proxy


def test_a_process_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    """One line, exit 2, and nothing was started."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "replay", "proxy", "--recognizer", "silent"),
            *("--journal", str(tmp_path / "sessions"), "--watch-pid", str(1 << 22 | 1)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("replay: there is no process 4194305 to watch")


HONEST, LEAKY, BRIEF = (
    {"a_minute": 20.0},
    {"a_minute": 20.0, "descriptors": 1.0},
    {"a_minute": 20.0, "minutes": 1.0},
)


def ended(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    gone: float | None = None,
    **took: dict[str, float],
) -> tuple[int, str]:
    """Exit code and output of a proxy whose one session passed and whose processes took so much."""
    samples = [
        each
        for at, (who, what) in enumerate(took.items())
        for each in process(Random(at + 1), who=who.replace("_", " "), **what)
    ]
    watched = [Watched(who.replace("_", " "), 4711, 0.0, gone) for who in took]

    async def proxied(options: ProxyOptions, *_: object) -> Proxied:
        await trio.lowlevel.checkpoint()
        return Proxied([], 0, watched, leaks(History(samples)))

    monkeypatch.setattr("replay.proxying.proxy", proxied)
    monkeypatch.setattr(cli._Verdicts, "__init__", _passed(cli._Verdicts.__init__))
    done = CliRunner().invoke(cli.command, ["--journal", str(tmp_path / "sessions")])
    return done.exit_code, done.stderr


def _passed(before: object) -> object:
    def init(self: object) -> None:
        before(self)
        self._verdicts.add("pass")

    return init


def test_what_was_asked_about_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that stays as it is passes; what came of each measure is said."""
    code, told = ended(monkeypatch, tmp_path, pid_4711=HONEST)
    assert code == 0, told
    assert told.startswith("pid 4711:\n  memory: ")
    assert "  files: 0 a reconnection (99 %: " in told
    assert told.count(": flat") == 4


def test_one_that_leaks_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whether it was asked about or is the command's own."""
    code, told = ended(monkeypatch, tmp_path, pid_4711=LEAKY)
    assert (code, "files: 0.1" in told, told.count(": leaks")) == (1, True, 1)
    code, told = ended(monkeypatch, tmp_path, the_program=LEAKY)
    assert (code, told.splitlines()[0]) == (1, "the program:")


def test_what_cannot_be_told_is_unknown_where_it_was_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A minute is too short: that is no pass for a --watch-pid, and nothing against a command."""
    code, told = ended(monkeypatch, tmp_path, pid_4711=BRIEF)
    assert code == 3
    assert "  memory: unknown: 5 points are too few: it takes 10" in told
    assert ended(monkeypatch, tmp_path, the_program=BRIEF) == (0, "")


def test_one_that_went_away_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With when; what had been seen by then counts. A command is expected to end."""
    code, told = ended(monkeypatch, tmp_path, gone=1799.6, pid_4711=HONEST)
    assert (code, told.splitlines()[0]) == (0, "replay: pid 4711 went away after 1800 s")
    assert ended(monkeypatch, tmp_path, gone=1799.6, the_program=HONEST) == (0, "")
    assert PROGRAM == "the program"
    assert report.lines([], "pid 1") == ["it was gone before anything was seen of it"]
