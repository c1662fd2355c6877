"""Sessions as the plain HTTP routes tell of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from replay.sandbox import result
from replay.sandbox.mail import Mail
from replay.sandbox.standing import Session, Stage
from replay.wire.http import Job, JobFile, JobResult


@dataclass(slots=True, kw_only=True)
class Entry:
    """A session and what is known of it beside its audio and its words."""

    live: Session
    created: datetime
    mail: Mail

    @property
    def token(self) -> str:
        return self.live.row.token

    @property
    def created_at(self) -> str:
        return self.live.row.created

    @property
    def metadata(self) -> dict[str, Any] | None:
        given = self.live.config.custom_metadata
        return given if isinstance(given, dict) else None

    @property
    def status(self) -> str:
        if self.live.failure:
            return "error"
        if self.live.stage is Stage.WAITING:
            return "queued"
        return "done" if self.live.stage in (Stage.CONCLUDED, Stage.OVER) else "processing"


def job(entry: Entry) -> Job:
    """A session with everything that is known of it."""
    live = entry.live
    done = entry.status == "done"
    params = msgspec.to_builtins(live.config)
    params.pop("custom_metadata", None)
    return Job(
        id=live.id,
        request_id=request_id(live.id),
        version=2,
        status=entry.status,
        created_at=entry.created_at,
        post_session_metadata=live.row.post_metadata,
        completed_at=live.row.ended_at,
        custom_metadata=entry.metadata,
        error_code=500 if live.failure else None,
        file=_file(live) if has_file(entry) else None,
        request_params=params,
        result=_result(live) if done else None,
    )


def has_file(entry: Entry) -> bool:
    """Is there a recording to fetch? Not before the end, and not of a session without audio."""
    return entry.status in ("done", "error") and entry.live.store.size > 0


def _file(live: Session) -> JobFile:
    return JobFile(
        id=live.id,
        filename=f"{live.id}.wav",
        audio_duration=live.store.seconds,
        number_of_channels=live.config.channels,
    )


def _result(live: Session) -> JobResult:
    assert live.result is not None
    final = result.final_result(
        result.transcription(live.store.utterances()), live.result, live.store.addons()
    )
    return JobResult(
        **{name: getattr(final, name) for name in final.__struct_fields__},
        messages=live.store.messages(),
    )


def request_id(job_id: str) -> str:
    """The id under which the service speaks of a request about this job."""
    return f"G-{job_id.split('-', maxsplit=1)[0]}"
