"""A run's directory: its journal and its audio, read; its summary, written."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

from replay import journal
from replay.audio import wav_data_offset
from replay.continuity import Comparison, compare
from replay.errors import MachineError, UsageError
from replay.judge.meant import meant
from replay.timeline import Timeline

JOURNAL = "journal.jsonl"
SUMMARY = "summary.json"
SENT = "sent.wav"
RECORDED = "recorded.wav"

#: Any WAV header this program or the service writes ends well before this.
_HEAD = 1 << 16


@dataclass(frozen=True, slots=True)
class Run:
    """A run read back. `sent` and `recorded` are the bare samples, None when not there."""

    path: Path
    timeline: Timeline
    sent: memoryview | None
    recorded: memoryview | None

    def compare(self) -> Comparison | None:
        """Hold the recording against what was played, where both are there."""
        if self.sent is None or self.recorded is None:
            return None
        size = self.timeline.format.frame_bytes
        if self.timeline.header.vantage == "proxy":
            said = meant(self.timeline, self.sent)
            return compare(said.audio, self.recorded, size, said.basis)
        # All that was spoken, also what never reached the wire: it is as lost as the rest.
        return compare(self.sent, self.recorded, size)


def load(path: Path) -> Run:
    """Read a run's directory, or the one that a journal lies in.

    Raises:
        UsageError: it is not one, or its journal is broken; the message says where.
    """
    where = path.parent if path.name == JOURNAL else path
    timeline = _timeline(where / JOURNAL)
    return Run(where, timeline, _samples(where / SENT), _samples(where / RECORDED))


def write_summary(path: Path, data: bytes) -> None:
    """Replace the summary in a run's directory.

    Raises:
        MachineError: it cannot be written.
    """
    target = path / SUMMARY
    try:
        partial = target.with_suffix(".json.tmp")
        partial.write_bytes(data)
        partial.replace(target)
    except OSError as error:
        raise MachineError(f"{target}: cannot be written: {error.strerror}") from None


def _timeline(path: Path) -> Timeline:
    try:
        with path.open("rb") as lines:
            return Timeline(journal.decode_lines(lines))
    except FileNotFoundError:
        raise UsageError(
            f"{path.parent}: not a run directory: it has no {JOURNAL}; "
            "give one that `replay run` has made"
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{path}: not a journal of this program: {error}") from None


def _samples(path: Path) -> memoryview | None:
    """The samples of a WAV file as a view of the file, which stays open as long as the view."""
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                return None
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    start = wav_data_offset(bytes(data[:_HEAD]))
    if not start:
        raise UsageError(f"{path}: not a WAV file")
    size = int.from_bytes(data[start - 4 : start], "little")
    # Writers that do not know the size yet leave zeros or all ones there.
    return data[start : start + size] if 0 < size < 0xFFFFFFFF else data[start:]
