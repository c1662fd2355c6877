"""Where a backlog goes that is too long for memory: a file, by offset."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO

import trio

from replay.errors import MachineError
from replay.recorder import cannot_write


class Spill:
    """Bytes by their offset in the session's audio; the file is made on the first write.

    A file without a name in `directory` (default: the system's temporary one): it is gone with
    the process, however that ends.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._file: IO[bytes] | None = None

    async def __aenter__(self) -> Spill:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    async def write(self, offset: int, data: bytes) -> None:
        """Keep `data`.

        Raises:
            MachineError: the disk would not take it.
        """
        await trio.to_thread.run_sync(self._write, offset, data)

    async def read(self, offset: int, size: int) -> bytes:
        """What was written there.

        Raises:
            MachineError: it cannot be read again.
        """
        return await trio.to_thread.run_sync(self._read, offset, size)

    def _read(self, offset: int, size: int) -> bytes:
        assert self._file is not None, "nothing was written"
        try:
            data = os.pread(self._file.fileno(), size, offset)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise MachineError(f"cannot read the spilled backlog again: {reason}") from None
        assert len(data) == size, "it was not written whole"
        return data

    def _write(self, offset: int, data: bytes) -> None:
        try:
            if self._file is None:
                # Without buffering: what a full disk did not take must not come again on closing.
                self._file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115
            rest = memoryview(data)
            while rest:
                done = os.pwrite(self._file.fileno(), rest, offset)
                offset, rest = offset + done, rest[done:]
        except OSError as error:
            raise cannot_write(self._directory or Path(tempfile.gettempdir()), error) from None
