"""What is asked of the service once a session is over: its job, its recording, and which sessions
it has."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import IO, Protocol

import trio

from replay import journal as j
from replay.audio import wav_data_offset
from replay.errors import ReplayError
from replay.recorder import Recorder, cannot_write
from replay.transport import Service
from replay.transport.http import HttpService
from replay.wire.closing import Close, on_status
from replay.wire.http import Job, file_path, job_path

_MOST_SESSIONS = 100
_POLL_SECONDS = 0.5


class Downloads(Protocol):
    """A session whose recording can be had, such as `LiveSession`."""

    @property
    def id(self) -> str: ...

    async def download(self, into: IO[bytes]) -> int: ...


async def fetch_job(
    service: Service, job_id: str, recorder: Recorder, deadline: float, *, wait: bool = True
) -> Job | None:
    """The job once it has ended, or as it was at `deadline` (trio's clock); None without an answer.

    A service that cannot answer now is asked again; one that does not have the job is not.

    Args:
        wait: for its end; otherwise the first answer will do.
    """
    job: Job | None = None
    with trio.CancelScope(deadline=deadline):
        while True:
            t, status, error = recorder.now(), 200, ""
            try:
                body, job = await service.job(job_id)
            except ReplayError as failed:
                status, error = getattr(failed, "status", None) or 0, str(failed)
            recorder.write(
                j.Http(
                    t=t,
                    done=recorder.now(),
                    method="GET",
                    path=job_path(job_id),
                    status=status,
                    error=error,
                )
            )
            if status >= 400 and on_status(status) is Close.REFUSED:
                return None
            if job is not None and not error:
                if job.ended:
                    raw = j.raw(body)
                    assert raw is not None, "it was decoded just now"
                    recorder.write(j.Result(t=recorder.now(), body=raw))
                if job.ended or not wait:
                    return job
            await trio.sleep(_POLL_SECONDS)
    return job


async def fetch_recording(session: Downloads, recorder: Recorder, path: Path) -> None:
    """Write the recording to `path`; that the service does not give it out, or gives out something
    else, is only put down.

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
    measured = None if error else await trio.to_thread.run_sync(measure, path)
    if measured is None:
        await trio.to_thread.run_sync(path.unlink)
    else:
        size, digest = measured
        recorder.write(j.Recorded(t=recorder.now(), size=size, sha256=digest))


async def list_sessions(service: HttpService, recorder: Recorder) -> None:
    """Put down which sessions a target has that nobody else plays into; none may be left over."""
    try:
        page = await service.jobs({"limit": _MOST_SESSIONS})
    except ReplayError:
        return  # the question stays open, which is no fault of the session
    recorder.write(j.Sessions(t=recorder.now(), ids=[job.id for job in page.items]))


def measure(path: Path) -> tuple[int, str] | None:
    """Bytes of audio in a WAV file, and their SHA-256; None when it is something else."""
    with path.open("rb") as file:
        start = wav_data_offset(file.read(1 << 16))
        if not start:
            return None
        file.seek(start)
        digest = hashlib.file_digest(file, "sha256")
        return file.tell() - start, digest.hexdigest()
