"""Fetching the service's own recording of a session, to hold it against what was sent."""

from __future__ import annotations

import hashlib
from pathlib import Path

import trio

from replay import journal as j
from replay.audio import wav_data_offset
from replay.client import LiveSession
from replay.errors import ReplayError
from replay.recorder import Recorder, cannot_write
from replay.wire.http import file_path


async def fetch_recording(session: LiveSession, recorder: Recorder, path: Path) -> None:
    """Write the recording to `path`; that the service does not give it out is only put down.

    Raises:
        MachineError: it cannot be written.
    """
    t, error, status = recorder.now(), "", 200
    try:
        with path.open("w+b") as file:
            try:
                await session.download(file)
            except ReplayError as failed:
                error, status = str(failed), getattr(failed, "status", None) or 0
    except OSError as failed:
        raise cannot_write(path, failed) from None
    recorder.write(
        j.Http(
            t=t,
            done=recorder.now(),
            method="GET",
            path=file_path(session.id),
            status=status,
            error=error,
        )
    )
    if error:
        await trio.to_thread.run_sync(path.unlink)
    else:
        size, digest = await trio.to_thread.run_sync(measure, path)
        recorder.write(j.Recorded(t=recorder.now(), size=size, sha256=digest))


def measure(path: Path) -> tuple[int, str]:
    """Bytes of audio in a WAV file, and their SHA-256."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
        start = wav_data_offset(head) or 0
        file.seek(start)
        digest = hashlib.file_digest(file, "sha256")
        return file.tell() - start, digest.hexdigest()
