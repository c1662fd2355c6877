"""The HTTP side: answers, jobs, error bodies, and the routes (protocol sections 2, 3.4 and 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import msgspec
from msgspec import UNSET, Struct, UnsetType

from replay.wire.messages import FinalResult

API_KEY_HEADER = "x-gladia-key"
LIVE_PATH = "/v2/live"
HEALTH_PATH = "/health"
MODELS_PATH = "/v1/models"
#: Lists of jobs of every kind, which here are live ones.
LIST_PATHS = ("/v2/transcription", "/v1/history")
REQUEST_ID_HEADER = "x-gladia-request-id"
STATUSES = ("queued", "processing", "done", "error")
OFFICIAL_URL = "https://api.gladia.io"


def job_path(job_id: str) -> str:
    return f"{LIVE_PATH}/{quote(job_id, safe='')}"


def file_path(job_id: str) -> str:
    return f"{job_path(job_id)}/file"


def metadata_params(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Query parameters that choose jobs by their custom metadata, in the form the SDKs send."""
    return {f"custom_metadata[{key}]": value for key, value in pairs}


class InitAnswer(Struct, kw_only=True):
    """The answer 201 to `POST /v2/live`; `url` holds the session's secret token."""

    id: str
    url: str
    created_at: str = ""

    def __repr__(self) -> str:
        return f"InitAnswer(id={self.id!r}, url={redact(self.url)!r})"


class ErrorBody(Struct, kw_only=True):
    """The body of every answer from 400 up."""

    timestamp: str = ""
    path: str = ""
    request_id: str = ""
    statusCode: int = 0  # noqa: N815 - the service spells it so
    message: str | list[str] = ""
    validation_errors: list[str] | UnsetType = UNSET


class JobFile(Struct, kw_only=True):
    id: str
    filename: str | None = None
    source: str | None = None
    audio_duration: float | None = None
    number_of_channels: int | None = None


class JobResult(FinalResult, kw_only=True):
    """`messages`: the JSON text of every websocket message of the session."""

    messages: list[str] | UnsetType = UNSET


class Health(Struct, kw_only=True):
    """What `GET /health?tasks` tells of a sandbox; of others no tasks."""

    tasks: int | None = None


class Job(Struct, kw_only=True):
    """A session as `GET /v2/live/{id}` tells it. `status`: queued, processing, done or error."""

    id: str
    request_id: str
    version: int
    status: str
    created_at: str
    kind: str = "live"
    post_session_metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    completed_at: str | None = None
    custom_metadata: dict[str, Any] | None = None
    error_code: int | None = None
    file: JobFile | None = None
    request_params: dict[str, Any] | None = None
    result: JobResult | None = None

    @property
    def ended(self) -> bool:
        return self.status in ("done", "error")


class JobList(Struct, kw_only=True):
    """One page of jobs, newest first; the links are absolute URLs."""

    first: str
    current: str
    items: list[Job]
    next: str | None = None


def redact(url: str) -> str:
    """`url` with its query's values and its user information hidden."""
    parts = urlsplit(url)
    query = "&".join(pair.split("=")[0] + "=***" for pair in parts.query.split("&") if pair)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def session_token(url: str) -> str:
    """The secret in a session's URL that says which session it is, "" where there is none."""
    return parse_qs(urlsplit(url).query).get("token", [""])[0]


def rewrite_url(body: bytes, rewrite: Callable[[str], str]) -> tuple[bytes, InitAnswer] | None:
    """The answer to `POST /v2/live` with its URL replaced by what `rewrite` makes of it, and what
    it was; None when it is no such answer."""
    try:
        answer = msgspec.json.decode(body, type=InitAnswer)
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return msgspec.json.encode({**fields, "url": rewrite(answer.url)}), answer


def route_of(method: str, path: str) -> tuple[str, str]:
    """Which route a request is for (init, job, file, list, delete, or "" for another), and the id
    of the job, where it names one."""
    if path.rstrip("/") == LIVE_PATH:
        return {"POST": "init", "GET": "list"}.get(method, ""), ""
    if not path.startswith(LIVE_PATH + "/"):
        return "", ""
    job_id, _, rest = path.removeprefix(LIVE_PATH + "/").partition("/")
    if rest == "file":
        return ("file" if method in ("GET", "HEAD") else ""), job_id
    known = {"GET": "job", "DELETE": "delete"} if not rest else {}
    return known.get(method, ""), job_id
