"""What a session took in and gave out, on disk, so that hours of it take no memory.

A session's directory holds `audio.raw` (every byte of audio as it was received), `utterances.jsonl`
(finals, as they came), `messages.jsonl` (messages of the websocket, acknowledgements left out) and
`delivered` (how many of the messages worth keeping were handed over), and at the end
`addons.json` (what add-ons came to). Everything is written before
anybody is told of it, so that a process that is killed has lost nothing it spoke of; against the
loss of the machine's power nothing is done.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Generator
from pathlib import Path

import msgspec

from replay.audio import AudioFormat, wav_data_offset, wav_differences, wav_header
from replay.errors import MachineError
from replay.wire.messages import AddonResults, Utterance

_BLOCK = 1 << 18
#: A WAV header longer than this is taken for audio after all.
_LONGEST_HEADER = 1 << 16
_AUDIO, _UTTERANCES, _MESSAGES = "audio.raw", "utterances.jsonl", "messages.jsonl"
_DELIVERED, _ADDONS = "delivered", "addons.json"


class Appender:
    """A file that only grows, written at once and readable anywhere."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = _open(path, os.O_APPEND)
        self.size = os.fstat(self._fd).st_size

    def append(self, data: bytes) -> None:
        """All of `data`, or nothing."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            self.truncate(self.size)
            raise _trouble(self._path, error) from None
        self.size += len(data)

    def truncate(self, size: int) -> None:
        """Forget everything from `size` on; making a file shorter needs no room."""
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            raise _trouble(self._path, error) from None
        self.size = size

    def drop_torn_line(self) -> None:
        """Forget a last line that was cut short together with its writer."""
        at = self.size
        while at:
            start = max(0, at - _BLOCK)
            newline = self.read(start, at - start).rfind(b"\n")
            if newline >= 0:
                at = start + newline + 1
                break
            at = start
        self.truncate(at)

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self._fd, size, offset)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Store:
    """The records of one session. Positions count from the first byte that is audio.

    Attributes:
        hidden: bytes at the beginning that are a WAV header and no audio.
        tentative: bytes at the end that may yet be forgotten, and so are not heard.

    Raises (all methods that write):
        MachineError: the disk is full or the directory cannot be written.
    """

    def __init__(self, directory: Path, fmt: AudioFormat, *, durable: bool = False) -> None:
        """Make the records, or go on with those that are there.

        `durable`: somebody may go on with them, so note also what was delivered.
        """
        self._directory = directory
        self._format = fmt
        self.hidden = 0
        self.tentative = 0
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _trouble(directory, error) from None
        self._audio = Appender(directory / _AUDIO)
        self._utterances = Appender(directory / _UTTERANCES)
        self._messages = Appender(directory / _MESSAGES)
        self._delivered = _Counter(directory / _DELIVERED) if durable else None

    @property
    def received(self) -> int:
        """Bytes of audio on record, a leading header included."""
        return self._audio.size

    @property
    def size(self) -> int:
        """Bytes of audio recorded."""
        return max(0, self._audio.size - self.hidden)

    @property
    def settled(self) -> int:
        """Bytes of audio that are sure to stay."""
        return max(0, self.size - self.tentative)

    @property
    def seconds(self) -> float:
        """How long the recorded audio sounds."""
        return self._format.seconds(self._format.align(self.size))

    def append(self, data: bytes) -> None:
        """Record audio."""
        self._audio.append(data)

    def forget(self) -> None:
        """Take what is tentative off the record."""
        self._audio.truncate(self._audio.size - self.tentative)
        self.tentative = 0

    def look_for_header(self) -> bool:
        """Leave out a WAV header that opens the audio. False while more must come to tell."""
        head = self._audio.read(0, _LONGEST_HEADER)
        offset = wav_data_offset(head) if head else None
        decided = offset is not None or len(head) >= _LONGEST_HEADER
        self.hidden = (offset or 0) if decided else len(head)
        return decided

    def header_differences(self) -> list[str]:
        """What a header that opens the audio says that does not hold of the session, in words."""
        return wav_differences(self._audio.read(0, self.hidden), self._format)

    def read(self, offset: int, size: int) -> bytes:
        """Recorded audio; fewer bytes than `size` at its end."""
        return self._audio.read(self.hidden + offset, size)

    def add_utterance(self, utterance: Utterance) -> None:
        self._utterances.append(msgspec.json.encode(utterance) + b"\n")

    def add_message(self, text: str) -> None:
        self._messages.append(text.encode() + b"\n")

    def file_addons(self, results: AddonResults) -> None:
        """What the add-ons came to, over what was filed before."""
        path = self._directory / _ADDONS
        whole = path.with_suffix(".new")
        try:
            whole.write_bytes(msgspec.json.encode(results))
            whole.replace(path)
        except OSError as error:
            raise _trouble(path, error) from None

    def addons(self) -> AddonResults:
        """What was filed of them; nothing where nothing was.

        Raises:
            MachineError: the file cannot be read, or was damaged.
        """
        path = self._directory / _ADDONS
        try:
            return msgspec.json.decode(path.read_bytes(), type=AddonResults)
        except FileNotFoundError:
            return AddonResults()
        except OSError as error:
            raise _unreadable(path, error) from None
        except msgspec.DecodeError as error:
            raise MachineError(f"{path} is damaged: {error}") from None

    def note_delivered(self) -> None:
        """One more of the messages worth keeping was handed over."""
        if self._delivered:
            self._delivered.add()

    @property
    def delivered(self) -> int:
        """How many messages worth keeping were handed over; 0 when nobody counts."""
        return self._delivered.value if self._delivered else 0

    def mend(self) -> None:
        """Make the records whole again after their writer was killed."""
        self._utterances.drop_torn_line()
        self._messages.drop_torn_line()

    def utterances(self) -> list[Utterance]:
        """All finals, in the order they came.

        Raises:
            MachineError: the file cannot be read, or was damaged.
        """
        decoder = msgspec.json.Decoder(Utterance)
        path = self._directory / _UTTERANCES
        try:
            return [decoder.decode(line) for line in _contents(path).splitlines()]
        except msgspec.DecodeError as error:
            raise MachineError(f"{path} is damaged: {error}") from None

    def messages(self) -> list[str]:
        """The JSON text of each message, in the order they were put out.

        Raises:
            MachineError: the file cannot be read, or was damaged.
        """
        path = self._directory / _MESSAGES
        try:
            return _contents(path).decode().split("\n")[:-1]
        except UnicodeDecodeError as error:
            raise MachineError(f"{path} is damaged: {error}") from None

    def wav_size(self) -> int:
        """Bytes of the recording as a WAV file."""
        return len(wav_header(self._format, self.size)) + self.size

    def wav(self) -> Generator[bytes]:
        """The recording as a WAV file, in pieces. Readable while it exists, open or closed.

        Raises:
            MachineError: the file cannot be read, or is shorter than what was written into it.
        """
        path = self._directory / _AUDIO
        try:
            with path.open("rb") as file:
                file.seek(self.hidden)
                left = self.size
                yield wav_header(self._format, left)
                while left and (block := file.read(min(_BLOCK, left))):
                    left -= len(block)
                    yield block
        except OSError as error:
            raise _unreadable(path, error) from None
        if left:
            raise MachineError(f"{path} is damaged: {left} bytes are missing at its end")

    def close(self) -> None:
        """Nothing more will be written."""
        for file in (self._audio, self._utterances, self._messages, self._delivered):
            if file:
                file.close()

    def delete(self) -> None:
        """Remove everything from the disk."""
        self.close()
        shutil.rmtree(self._directory, ignore_errors=True)


class _Counter:
    """A number in a file, always written whole. Its room is taken at once, so that counting on
    needs none."""

    _WIDTH = 8

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = _open(path, 0)
        stored = os.pread(self._fd, self._WIDTH, 0)
        self.value = int.from_bytes(stored, "little")
        if len(stored) < self._WIDTH:
            self._write()

    def add(self) -> None:
        self.value += 1
        self._write()

    def _write(self) -> None:
        try:
            os.pwrite(self._fd, self.value.to_bytes(self._WIDTH, "little"), 0)
        except OSError as error:
            raise _trouble(self._path, error) from None

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | flags, 0o600)
    except OSError as error:
        raise _trouble(path, error) from None


def _trouble(path: Path, error: OSError) -> MachineError:
    hint = ": make room, or use another --data DIR" if error.errno == errno.ENOSPC else ""
    return MachineError(f"cannot write {path}: {error.strerror or error}{hint}")


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> MachineError:
    return MachineError(f"cannot read {path}: {error.strerror or error}")
