"""How every request is answered: JSON with an id on it, also where something went wrong."""

from __future__ import annotations

import logging
import re
import uuid
from datetime import UTC, datetime

import msgspec
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, ExceptionHandler, Message, Receive, Scope, Send

from replay.errors import DiskFull, ReplayError
from replay.sandbox.hub import ApiError
from replay.sandbox.jobs import request_id
from replay.wire.http import REQUEST_ID_HEADER, ErrorBody

_log = logging.getLogger(__name__)

#: The name of the parameter of a path that is about one job.
ID = "job_id"
_ID_FORM = re.compile(r"[0-9a-f]{8}(-[0-9a-f-]*)?")


class NamedAnswers:
    """Gives each answer that has none the id of its request, which is its job's, if it is about
    one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = named(scope.get("path_params", {}).get(ID, ""))
                MutableHeaders(scope=message).setdefault(
                    REQUEST_ID_HEADER, names[REQUEST_ID_HEADER]
                )
            await send(message)

        await self._app(scope, receive, send_named)


def named(asked: str) -> dict[str, str]:
    # It goes into a header, which cannot hold everything that a path can.
    job_id = asked if _ID_FORM.fullmatch(asked) else uuid.uuid4().hex[:8]
    return {REQUEST_ID_HEADER: request_id(job_id)}


def json_answer(
    value: object, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return Response(
        msgspec.json.encode(value),
        status_code=status,
        media_type="application/json",
        headers=headers,
    )


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    headers = {"retry-after": str(error.retry_after)} if error.retry_after else {}
    return _refuse(request, error.status, str(error), error.validation, headers)


async def _own_error(request: Request, error: Exception) -> Response:
    """The machine let the sandbox down; what it says is about paths of this machine only."""
    _log.error("%s %s: %s", request.method, request.url.path, error)
    return _refuse(request, 507 if isinstance(error, DiskFull) else 500, str(error))


async def bug(request: Request, error: Exception) -> Response:
    """Nobody foresaw this: the client learns that much, and the log gets what was raised."""
    what = " ".join(f"{type(error).__name__}: {error}".split())
    _log.error("%s %s: %s", request.method, request.url.path, what)
    _log.debug("it came from here", exc_info=error)
    return _refuse(request, 500, "Internal server error")


async def _gone(request: Request, _error: Exception) -> Response:
    """The client hung up before its request was whole; nobody is there to read an answer."""
    _log.info("%s %s: the client hung up", request.method, request.url.path)
    return _refuse(request, 400, "The request is not whole")


async def _http_error(request: Request, error: Exception) -> Response:
    """The framework's own refusals; an unknown path and a wrong method look alike."""
    assert isinstance(error, HTTPException)
    if error.status_code in (404, 405):
        return _refuse(request, 404, f"Cannot {request.method} {request.url.path}")
    return _refuse(request, error.status_code, error.detail)


def _refuse(
    request: Request,
    status: int,
    message: str,
    validation: list[str] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    names = named(request.path_params.get(ID, ""))
    body = ErrorBody(
        timestamp=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        path=request.url.path,
        request_id=names[REQUEST_ID_HEADER],
        statusCode=status,
        message=message,
    )
    if validation:
        body.validation_errors = validation
    return json_answer(body, status=status, headers={**names, **(headers or {})})


#: What may be raised on the way to an answer, and which one is given then.
HANDLERS: dict[type[Exception], ExceptionHandler] = {
    ApiError: _api_error,
    HTTPException: _http_error,
    ReplayError: _own_error,
    ClientDisconnect: _gone,
}
