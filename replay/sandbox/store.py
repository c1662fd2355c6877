"""What a session took in and gave out, on disk, so that hours of it take no memory.

A session's directory holds `audio.raw` (every byte of audio as it was received), `utterances.jsonl`
(finals, as they came), `messages.jsonl` (messages of the websocket, acknowledgements left out) and
`delivered` (how many of the messages worth keeping were handed over), and at the end
`addons.json` (what add-ons came to). Everything is written before
anybody is told of it, so that a process that is killed has lost nothing it spoke of; against the
loss of the machine's power nothing is done.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import msgspec

from replay.audio import AudioFormat, wav_data_offset, wav_differences, wav_header
from replay.errors import MachineError
from replay.sandbox.files import Appender, Boundless, Counter, Space, remove, trouble
from replay.wire.messages import AddonResults, Utterance

_BLOCK = 1 << 18
#: A WAV header longer than this is taken for audio after all.
_LONGEST_HEADER = 1 << 16
_AUDIO, _UTTERANCES, _MESSAGES = "audio.raw", "utterances.jsonl", "messages.jsonl"
_DELIVERED, _ADDONS = "delivered", "addons.json"


class Store:
    """The records of one session. Positions count from the first byte that is audio.

    Attributes:
        hidden: bytes at the beginning that are a WAV header and no audio.
        tentative: bytes at the end that may yet be forgotten, and so are not heard.

    Raises (all methods that write):
        MachineError: the disk is full or the directory cannot be written.
    """

    def __init__(
        self,
        directory: Path,
        fmt: AudioFormat,
        *,
        durable: bool = False,
        space: Space | None = None,
    ) -> None:
        """Make the records, or go on with those that are there.

        `durable`: somebody may go on with them, so note also what was delivered. `space`: what
        they may take; None for all there is.
        """
        self._space = space or Boundless()
        self._directory = directory
        self._format = fmt
        self.hidden = 0
        self.tentative = 0
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise trouble(directory, error) from None
        with ExitStack() as opened:

            def appender(name: str) -> Appender:
                file = Appender(directory / name, self._space)
                opened.callback(file.close)
                return file

            self._audio = appender(_AUDIO)
            self._utterances = appender(_UTTERANCES)
            self._messages = appender(_MESSAGES)
            self._delivered = Counter(directory / _DELIVERED) if durable else None
            opened.pop_all()
        self._space.count(_size(directory / _ADDONS))

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
        data = msgspec.json.encode(results)
        before = _size(path)
        self._space.take(len(data))
        try:
            whole.write_bytes(data)
            whole.replace(path)
        except OSError as error:
            self._space.count(-len(data))
            raise trouble(path, error) from None
        self._space.count(-before)

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
        """Remove everything from the disk; that needs no room."""
        self.close()
        remove(self._directory)
        self._space.release()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> MachineError:
    return MachineError(f"cannot read {path}: {error.strerror or error}")
