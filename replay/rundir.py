"""A run's directory: its journal and its audio, read; its summary, written."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec

from replay import journal, storing
from replay.audio import wav_data_offset
from replay.continuity import Comparison, compare
from replay.errors import UsageError
from replay.judge.meant import meant
from replay.recorder import cannot_write
from replay.timeline import Timeline

JOURNAL = "journal.jsonl"
SUMMARY = "summary.json"
SENT = "sent.wav"
RECORDED = "recorded.wav"
#: What processes took meanwhile, beside a proxy's sessions: no run of its own.
RESOURCES = "resources.jsonl"

#: Any WAV header this program or the service writes ends well before this.
_HEAD = 1 << 16


@dataclass(frozen=True, slots=True)
class Run:
    """A run read back. `sent` and `recorded` are the bare samples, None when not there.

    `damage`: in which ways those files are not what the journal says of them.
    """

    path: Path
    timeline: Timeline
    sent: memoryview | None
    recorded: memoryview | None
    damage: tuple[str, ...] = ()

    def compare(self) -> Comparison | None:
        """Hold the recording against what was played, where both are there and undamaged."""
        if self.sent is None or self.recorded is None or self.damage:
            return None
        size = self.timeline.format.frame_bytes
        if self.timeline.header.vantage == "proxy":
            said = meant(self.timeline, self.sent)
            return compare(said.audio, self.recorded, size, said.basis)
        # All that was spoken, also what never reached the wire: it is as lost as the rest.
        return compare(self.sent, self.recorded, size)


def runs(paths: Iterable[Path]) -> list[Path]:
    """Of all that lies in a proxy's directory, what may be a run."""
    return [path for path in paths if path.name != RESOURCES]


def load(path: Path) -> Run:
    """Read a run's directory, or the one that a file lies in.

    Raises:
        UsageError: it is not one, or its journal is broken or too new; the message says where.
    """
    where = path.parent if path.name == JOURNAL or path.is_file() else path
    timeline = _timeline(where / JOURNAL, path)
    sent, recorded = _wav(where / SENT), _wav(where / RECORDED)
    return Run(
        where,
        timeline,
        None if sent is None else sent.samples,
        None if recorded is None else recorded.samples,
        (*_sent_damage(timeline, sent), *_recorded_damage(timeline, recorded)),
    )


def write_summary(path: Path, data: bytes) -> None:
    """Replace the summary in a run's directory.

    Raises:
        MachineError: it cannot be written.
    """
    target = path / SUMMARY
    try:
        storing.replace(target, data)
    except OSError as error:
        raise cannot_write(target, error) from None


def _timeline(path: Path, named: Path) -> Timeline:
    try:
        with path.open("rb") as lines:
            first = next(lines, b"")
            _check_schema(path, first)
            return Timeline(journal.decode_lines(chain([first], lines)))
    except FileNotFoundError:
        raise UsageError(
            f"{named}: not a run directory: it has no {JOURNAL}; "
            "give one that `replay run` has made"
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{path}: not a journal of this program: {error}") from None


class _Stamp(msgspec.Struct):
    """What can be told of any journal's first line, whatever else a later version puts there."""

    schema: int = 0
    replay_version: str = ""


def _check_schema(path: Path, line: bytes) -> None:
    try:
        stamp = msgspec.json.decode(line, type=_Stamp)
    except msgspec.DecodeError:
        return  # and no entry either: the reader of entries says what it is instead
    if stamp.schema > journal.SCHEMA:
        raise UsageError(
            f"{path}: written by a newer replay ({stamp.replay_version or 'version unknown'}; "
            f"journal schema {stamp.schema}, this one reads {journal.SCHEMA}): upgrade to read it"
        )


@dataclass(frozen=True, slots=True)
class _Wav:
    """A WAV file's samples, None when it is no WAV file, and all that stands behind its header."""

    samples: memoryview | None
    tail: memoryview


def _wav(path: Path) -> _Wav | None:
    """Views of the file, which stays open as long as they do; None when it is not there."""
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                return _Wav(None, memoryview(b""))
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    start = wav_data_offset(bytes(data[:_HEAD]))
    if not start:
        return _Wav(None, data)
    size = int.from_bytes(data[start - 4 : start], "little")
    # Writers that do not know the size yet leave zeros or all ones there.
    known = 0 < size < 0xFFFFFFFF
    return _Wav(data[start : start + size] if known else data[start:], data[start:])


def _sent_damage(timeline: Timeline, wav: _Wav | None) -> list[str]:
    """What a finished journal has as played is in the file to the last byte."""
    played = max(timeline.produced, timeline.sent)
    if wav is None or not timeline.finished:
        return []
    held = 0 if wav.samples is None else len(wav.samples)
    if held >= played:
        return []
    return [f"{SENT} does not match the journal: it holds {held:,} of {played:,} bytes played"]


def _recorded_damage(timeline: Timeline, wav: _Wav | None) -> list[str]:
    """The file is as it was fetched."""
    fetched = timeline.final(journal.Recorded)
    if wav is None:
        return []
    if fetched is None:
        if not timeline.finished:
            return [f"{RECORDED} was not fetched to its end"]
    elif len(wav.tail) != fetched.size:
        sizes = f"it holds {len(wav.tail):,} bytes instead of {fetched.size:,}"
        return [f"{RECORDED} does not match the journal: {sizes}"]
    elif hashlib.sha256(wav.tail).hexdigest() != fetched.sha256:
        return [f"{RECORDED} does not match the journal: it was changed after it was fetched"]
    return [f"{RECORDED} is not a WAV file"] if wav.samples is None else []
