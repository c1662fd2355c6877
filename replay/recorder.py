"""Where a session's journal goes: a file, a list, or nowhere.

A recorder stamps entries with its own time, nanoseconds since it was made on trio's clock. The file
recorder never writes on the event loop: lines and audio are put by, and a task writes them in a
worker thread twice a second, so that a slow disk delays nothing that is being measured.
"""

from __future__ import annotations

import errno
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from contextlib import asynccontextmanager
from io import SEEK_END, FileIO
from pathlib import Path
from typing import Protocol

import trio

from replay import journal
from replay.audio import HEADER_BYTES, NS, AudioFormat, wav_header
from replay.errors import MachineError

#: What a process that is killed loses at most. To hand over to a thread costs as much as a chunk.
_FLUSH_SECONDS = 0.5


class Recorder(Protocol):
    """Takes the entries of one journal."""

    def now(self) -> int:
        """ns since the origin."""

    def at(self, moment: float) -> int:
        """`moment` (seconds on trio's clock) as ns since the origin."""

    def write(self, entry: journal.AnyEntry) -> None: ...


class ListRecorder:
    """Keeps the entries in memory: for tests, simulations, and nothing at all (`keep=False`)."""

    def __init__(self, *, keep: bool = True) -> None:
        self.entries: list[journal.AnyEntry] = []
        self._keep = keep
        self._origin = trio.current_time()

    def now(self) -> int:
        return self.at(trio.current_time())

    def at(self, moment: float) -> int:
        return round((moment - self._origin) * NS)

    def write(self, entry: journal.AnyEntry) -> None:
        if self._keep:
            self.entries.append(entry)


class Spool:
    """A file that is appended to from the event loop and written by threads, one at a time.

    What the disk does not take stays first in line, so that the file never has a gap.
    """

    def __init__(self, path: Path, file: FileIO) -> None:
        self.path = path
        self.size = 0
        self._file = file
        self._waiting: deque[bytes] = deque()
        self._rest = b""
        self._writing = threading.Lock()

    @property
    def waits(self) -> bool:
        """Is there anything to write?"""
        return bool(self._waiting or self._rest)

    def append(self, data: bytes) -> None:
        self._waiting.append(data)
        self.size += len(data)

    def write(self) -> None:
        """Write what waits; not for the event loop. Where nothing waits the file is not touched: it
        may be closed.

        Raises:
            MachineError: the disk is full, or another reason why it cannot be written.
        """
        with self._writing:
            rest = memoryview(b"".join([self._rest, *self._taken()]))
            try:
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError as error:
                raise cannot_write(self.path, error) from None
            finally:
                self._rest = bytes(rest)

    def _taken(self) -> Iterator[bytes]:
        while self._waiting:  # one by one: what is appended meanwhile is not missed
            yield self._waiting.popleft()


def cannot_write(path: Path, error: OSError, *, kept: bool = True) -> MachineError:
    """What to say when a file cannot be written. `kept`: what was written until then is."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "; what was written is kept" * kept
        return MachineError(f"the disk is full: cannot write {path}{hint}")
    return MachineError(f"cannot write {path}: {(error.strerror or str(error)).lower()}")


class FileRecorder:
    """Writes `journal.jsonl` and `sent.wav` in a run's directory. Use `open_recorder`."""

    def __init__(
        self, entries: Spool, audio: Spool, watch: Callable[[journal.AnyEntry], None] | None
    ) -> None:
        self._origin = trio.current_time()
        self._entries = entries
        self._audio = audio
        self._watch = watch
        self.spools = (entries, audio)

    def now(self) -> int:
        return self.at(trio.current_time())

    def at(self, moment: float) -> int:
        return round((moment - self._origin) * NS)

    def write(self, entry: journal.AnyEntry) -> None:
        self._entries.append(journal.encode(entry))
        if self._watch is not None:
            self._watch(entry)

    def audio(self, data: bytes) -> None:
        """Session audio as it was handed to the session."""
        self._audio.append(data)

    async def flush(self) -> None:
        """Write what waits, in a worker thread.

        Raises:
            MachineError: the disk does not take it.
        """
        await write_out(self.spools)

    async def flush_forever(self) -> None:
        """Flush it twice a second."""
        await flush_forever([self])


async def flush_forever(recorders: Collection[FileRecorder]) -> None:
    """Flush all of them twice a second. Some may be opened and closed meanwhile.

    Raises:
        MachineError: the disk does not take it.
    """
    while True:
        await trio.sleep(_FLUSH_SECONDS)
        await write_out([spool for recorder in recorders for spool in recorder.spools])


async def write_out(spools: Iterable[Spool]) -> None:
    """Write what waits in `spools`, one after the other, in a worker thread.

    Raises:
        MachineError: the disk does not take it.
    """
    filled = [spool for spool in spools if spool.waits]
    if filled:
        await trio.to_thread.run_sync(_write_all, filled)
    else:
        await trio.lowlevel.checkpoint()


def _write_all(spools: list[Spool]) -> None:
    for spool in spools:
        spool.write()


@asynccontextmanager
async def open_recorder(
    directory: Path, fmt: AudioFormat, watch: Callable[[journal.AnyEntry], None] | None = None
) -> AsyncIterator[FileRecorder]:
    """A recorder for `directory`; on leaving everything is written, whatever happened.

    `watch` is called with every entry as it is written (the live view).

    Raises:
        MachineError: the directory cannot be written to, now or later.
    """
    journal_path, audio_path = directory / "journal.jsonl", directory / "sent.wav"
    try:
        # Unbuffered: what a full disk did not take must not be written again on closing.
        entries_file = FileIO(journal_path, "x")
        audio_file = FileIO(audio_path, "x")
    except OSError as error:
        raise cannot_write(directory, error) from None
    with entries_file, audio_file:
        audio = Spool(audio_path, audio_file)
        audio.append(wav_header(fmt, None))
        recorder = FileRecorder(Spool(journal_path, entries_file), audio, watch)
        try:
            yield recorder
        finally:
            with trio.CancelScope(shield=True):
                try:
                    await recorder.flush()
                finally:
                    await trio.to_thread.run_sync(_finish_wav, audio, audio_file, fmt)


def _finish_wav(audio: Spool, file: FileIO, fmt: AudioFormat) -> None:
    """Put into the header how much audio is in the file, which a full disk makes less than came."""
    try:
        size = max(0, file.seek(0, SEEK_END) - HEADER_BYTES)
        file.seek(0)
        file.write(wav_header(fmt, size))
    except OSError as error:
        raise cannot_write(audio.path, error) from None
