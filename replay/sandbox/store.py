"""What a session took in and gave out, on disk, so that hours of it take no memory.

A session's directory holds `audio.raw` (the audio as it was sent, odd bytes included, a leading
WAV header left out), `utterances.jsonl` (finals, as they came) and `messages.jsonl` (messages of
the websocket). Everything is appended; nothing is rewritten.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Generator
from pathlib import Path

import msgspec

from replay.audio import AudioFormat, wav_header
from replay.errors import MachineError
from replay.wire.messages import Utterance

_BLOCK = 1 << 18


class _Appender:
    """A file that only grows, written at once and readable anywhere."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = _open(path)
        self.size = 0

    def append(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            raise _trouble(self._path, error) from None
        self.size += len(data)

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self._fd, size, offset)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Store:
    """The records of one session.

    Raises (all methods that write):
        MachineError: the disk is full or the directory cannot be written.
    """

    def __init__(self, directory: Path, fmt: AudioFormat) -> None:
        self._directory = directory
        self._format = fmt
        try:
            directory.mkdir(parents=True)
        except OSError as error:
            raise _trouble(directory, error) from None
        self._audio = _Appender(directory / "audio.raw")
        self._utterances = _Appender(directory / "utterances.jsonl")
        self._messages = _Appender(directory / "messages.jsonl")

    @property
    def size(self) -> int:
        """Bytes of audio recorded."""
        return self._audio.size

    @property
    def seconds(self) -> float:
        """How long the recorded audio sounds."""
        return self._format.seconds(self._format.align(self.size))

    def append(self, data: bytes) -> None:
        """Record audio."""
        self._audio.append(data)

    def read(self, offset: int, size: int) -> bytes:
        """Recorded audio; fewer bytes than `size` at its end."""
        return self._audio.read(offset, size)

    def add_utterance(self, utterance: Utterance) -> None:
        self._utterances.append(msgspec.json.encode(utterance) + b"\n")

    def add_message(self, text: str) -> None:
        self._messages.append(text.encode() + b"\n")

    def utterances(self) -> list[Utterance]:
        """All finals, in the order they came."""
        path = self._directory / "utterances.jsonl"
        decoder = msgspec.json.Decoder(Utterance)
        return [decoder.decode(line) for line in path.read_bytes().splitlines()]

    def messages(self) -> list[str]:
        """The JSON text of each message, in the order they were put out."""
        path = self._directory / "messages.jsonl"
        return path.read_text(encoding="utf-8").split("\n")[:-1]

    def wav_size(self) -> int:
        """Bytes of the recording as a WAV file."""
        return len(wav_header(self._format, self.size)) + self.size

    def wav(self) -> Generator[bytes]:
        """The recording as a WAV file, in pieces. Readable while it exists, open or closed."""
        yield wav_header(self._format, self.size)
        with (self._directory / "audio.raw").open("rb") as file:
            left = self.size
            while left and (block := file.read(min(_BLOCK, left))):
                left -= len(block)
                yield block

    def close(self) -> None:
        """Nothing more will be written."""
        for file in (self._audio, self._utterances, self._messages):
            file.close()

    def delete(self) -> None:
        """Remove everything from the disk."""
        self.close()
        shutil.rmtree(self._directory, ignore_errors=True)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _trouble(path, error) from None


def _trouble(path: Path, error: OSError) -> MachineError:
    hint = ": make room, or use another --data DIR" if error.errno == errno.ENOSPC else ""
    return MachineError(f"cannot write {path}: {error.strerror or error}{hint}")
