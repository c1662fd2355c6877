"""Directories that go away, also after a process that could not remove its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from replay.errors import MachineError
from replay.sandbox.scratch import scratch_directory, sweep

HOLD = """
import sys
from replay.sandbox.scratch import scratch_directory
with scratch_directory() as made:
    (made / "audio.raw").write_bytes(bytes(1000))
    print(made, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@contextmanager
def holder() -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """Another process that has such a directory, and the directory."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield Path(process.stdout.readline().strip()), process
        finally:
            process.kill()


def test_it_goes_with_its_block(place: Path) -> None:
    """The directory is there inside the block, and nothing is left after it."""
    with scratch_directory() as made:
        assert made.parent == place
        (made / "audio.raw").write_bytes(b"sound")
    assert os.listdir(place) == []


def test_what_a_killed_process_left_is_removed(place: Path) -> None:
    """After SIGKILL the directory stays, with the audio in it, until the next one is made."""
    with holder() as (left, process):
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (left / "audio.raw").exists()
        with scratch_directory() as made:
            assert os.listdir(place) == [made.name]


def test_what_somebody_uses_stays() -> None:
    """The directory of a process that lives, this one or another, is let be."""
    with holder() as (used, _), scratch_directory() as own:
        sweep()
        assert (used / "audio.raw").exists()
        assert own.exists()


def test_what_is_not_ours_stays(place: Path) -> None:
    """Without a lock inside, behind a link, or of another name, nothing is touched."""
    with holder() as (left, process):
        process.kill()
        process.wait()
    elsewhere = left.rename(place / "elsewhere")
    (place / "replay-sandbox-link").symlink_to(elsewhere)
    (place / "replay-sandbox-file").write_bytes(b"")
    (place / "replay-sandbox-bare").mkdir()
    before = sorted(os.listdir(place))
    sweep()
    assert sorted(os.listdir(place)) == before
    assert (elsewhere / "audio.raw").exists()


def test_what_is_anothers_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory of another user is let be, whether or not its lock can be taken."""
    with holder() as (left, process):
        process.kill()
        process.wait()
    with monkeypatch.context() as other:
        mine = os.geteuid()
        other.setattr(os, "geteuid", lambda: mine + 1)
        sweep()
        assert left.exists()
    sweep()
    assert not left.exists()


def test_no_place_for_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none can be made, one line says so and what to do."""
    monkeypatch.setattr(tempfile, "tempdir", str(place / "none"))
    with pytest.raises(MachineError, match="TMPDIR") as caught, scratch_directory():
        pass
    assert "\n" not in str(caught.value)
