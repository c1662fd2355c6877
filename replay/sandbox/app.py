"""The plain HTTP routes (protocol 2, 3 and 8), as a starlette application."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime
from hmac import compare_digest
from itertools import chain
from typing import Any

import msgspec
import trio
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from replay.errors import DiskFull, MachineError, ReplayError
from replay.sandbox import jobs
from replay.sandbox.hub import ApiError, Sandbox
from replay.sandbox.jobs import Entry, request_id
from replay.sandbox.listing import Filters
from replay.sandbox.log import SESSION
from replay.sandbox.page import HEADERS, render
from replay.sandbox.status import status
from replay.sandbox.store import Store
from replay.wire import http
from replay.wire.config import MODELS
from replay.wire.http import (
    API_KEY_HEADER,
    HEALTH_PATH,
    LIST_PATHS,
    LIVE_PATH,
    MODELS_PATH,
    REQUEST_ID_HEADER,
    ErrorBody,
    InitAnswer,
    JobList,
)

_log = logging.getLogger(__name__)

_BODY_BYTES = 1 << 20
_PATCH_BYTES = 100_000
_DEPTH = 64
_EXPOSED = [
    REQUEST_ID_HEADER,
    "traceparent",
    "tracestate",
    "x-request-id",
    "x-correlation-id",
]
_METHODS = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"]
#: The path's parameter, and what stands for it where a path is built (which quotes braces).
_ID = "job_id"
_ID_FORM = re.compile(r"[0-9a-f]{8}(-[0-9a-f-]*)?")

Handler = Callable[[Request], Awaitable[Response]]


def make_app(sandbox: Sandbox) -> Starlette:
    """All routes of `sandbox` but the websocket."""
    routes = _Routes(sandbox)
    lists = [Route(path, routes.keyed(routes.list), methods=["GET"]) for path in LIST_PATHS]
    app = Starlette(
        routes=[
            Route("/", routes.page, methods=["GET"]),
            Route(HEALTH_PATH, routes.health, methods=["GET"]),
            Route(MODELS_PATH, routes.models, methods=["GET"]),
            *lists,
            Route(LIVE_PATH, routes.keyed(routes.init), methods=["POST"]),
            Route(LIVE_PATH, routes.keyed(routes.list), methods=["GET"]),
            Route(_pattern(http.file_path), routes.keyed(routes.file), methods=["GET"]),
            Route(_pattern(http.job_path), routes.keyed(routes.get), methods=["GET"]),
            Route(_pattern(http.job_path), routes.keyed(routes.patch), methods=["PATCH"]),
            Route(_pattern(http.job_path), routes.keyed(routes.delete), methods=["DELETE"]),
        ],
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=["*"],
                allow_methods=_METHODS,
                allow_headers=["*"],
                expose_headers=_EXPOSED,
            ),
            Middleware(_NamedAnswers),
            # The framework's own way with bugs answers, and then raises them into the server.
            Middleware(ExceptionMiddleware, handlers={Exception: _bug}),
        ],
        exception_handlers={
            ApiError: _api_error,
            HTTPException: _http_error,
            ReplayError: _own_error,
            ClientDisconnect: _gone,
        },
    )
    # A path with one slash too many is unknown, like any other.
    app.router.redirect_slashes = False
    return app


def _pattern(path: Callable[[str], str]) -> str:
    """The route that `path` builds the paths of."""
    return path(_ID).replace(_ID, f"{{{_ID}}}")


class _Routes:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def keyed(self, handler: Handler) -> Handler:
        """`handler`, for those who have the key."""

        async def checked(request: Request) -> Response:
            self._need_key(request)
            return await handler(request)

        return checked

    def _need_key(self, request: Request) -> None:
        """Whether a key that is asked for was given.

        Raises:
            ApiError: 401.
        """
        expected = self._sandbox.settings.api_key
        given = request.headers.get(API_KEY_HEADER, "")
        if expected and not given:
            raise ApiError(401, "no gladia key provided")
        if expected and not compare_digest(given.encode(), expected.encode()):
            raise ApiError(401, "gladia user not found")

    async def page(self, request: Request) -> Response:
        """For people, whom nobody asks for a key; without it they see counts."""
        try:
            self._need_key(request)
            guarded = False
        except ApiError:
            guarded = True
        text = render(status(self._sandbox, guarded=guarded))
        return Response(text.encode(errors="replace"), media_type="text/html", headers=HEADERS)

    async def health(self, request: Request) -> Response:
        answer: dict[str, Any] = {"health": "OK"}
        if planted := self._sandbox.settings.defects:
            answer["defects"] = [each.text for each in planted]
        if load := self._sandbox.recognizer.load:
            answer["load"] = {
                "sessions": self._sandbox.listening,
                "behind_seconds": round(self._sandbox.behind, 3),
                "partials": "thinned" if load.is_thinned(trio.current_time()) else "all",
            }
        if "tasks" in request.query_params:  # what nobody can count from outside
            answer["tasks"] = trio.lowlevel.current_statistics().tasks_living
        return _json(answer)

    async def models(self, request: Request) -> Response:  # noqa: ARG002
        return _json({"models": [{"name": name} for name in MODELS]})

    async def init(self, request: Request) -> Response:
        body = await _body(request, _BODY_BYTES)
        refusals = await self._sandbox.refusals(body)
        entry = self._sandbox.init(body, request.query_params.get("region"), refusals)
        scheme = "wss" if request.url.scheme == "https" else "ws"
        url = f"{scheme}://{request.url.netloc}{LIVE_PATH}?token={entry.token}"
        answer = InitAnswer(id=entry.live.id, created_at=entry.created_at, url=url)
        return _json(answer, status=201, headers=_named(entry.live.id))

    async def get(self, request: Request) -> Response:
        return _json(self._sandbox.job(self._find(request)))

    async def list(self, request: Request) -> Response:
        filters = Filters(request.query_params)
        found = [entry for entry in self._sandbox.newest_first() if filters.match(entry)]
        end = filters.offset + filters.limit
        items = []
        for entry in found[filters.offset : end]:
            if self._sandbox.keeps(entry):
                items.append(self._sandbox.job(entry))
            await trio.lowlevel.checkpoint()  # each reads files, and there may be many

        def link(offset: int) -> str:
            return str(request.url.include_query_params(offset=offset, limit=filters.limit))

        return _json(
            JobList(
                first=link(0),
                current=link(filters.offset),
                next=link(end) if end < len(found) else None,
                items=items,
            )
        )

    async def file(self, request: Request) -> Response:
        entry = self._find(request)
        store = entry.live.store
        if not jobs.has_file(entry):
            raise ApiError(404, "Not found")
        return _Recording(store)

    async def patch(self, request: Request) -> Response:
        entry = self._find(request)
        body = await _body(request, _PATCH_BYTES)
        if not isinstance(body, dict):
            raise ApiError(400, "Validation error", ["The body must be an object"])
        self._sandbox.annotate(entry, body)
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        self._sandbox.delete(request.path_params[_ID])
        return Response(status_code=202)

    def _find(self, request: Request) -> Entry:
        entry = self._sandbox.find(request.path_params[_ID])
        SESSION.set(entry.live.id)
        return entry


class _Recording(Response):
    """A session's WAV file, piece by piece.

    Starlette's streaming response leaves its iterator open when the client hangs up.
    """

    media_type = "application/octet-stream"

    def __init__(self, store: Store) -> None:
        super().__init__(headers={"content-length": str(store.wav_size())})
        self._store = store

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        with closing(self._store.wav()) as pieces:
            # What cannot be opened is still answered with an error.
            first = next(pieces)
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            try:
                for piece in chain((first,), pieces):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            except MachineError as error:
                # An answer that is left unfinished ends with its connection: the client notices.
                _log.error("a recording is cut short: %s", error)
                return
        await send({"type": "http.response.body", "body": b""})


async def _body(request: Request, limit: int) -> object:
    """The request's JSON; no body at all counts as an empty object.

    Too long a body is read to its end all the same: clients read no answer before they have sent
    everything, and hypercorn stops reading for good when nobody takes what it has read.
    """
    data = bytearray()
    too_long = False
    async for piece in request.stream():
        too_long = too_long or len(data) + len(piece) > limit
        if not too_long:
            data += piece
    if too_long:
        raise ApiError(413, "payload too large")
    try:
        value = msgspec.json.decode(data) if data.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, "Validation error", [f"The body must be JSON: {error}"]) from None
    except RecursionError:
        raise _too_deep() from None
    if not _is_shallow(value):
        raise _too_deep()
    return value


def _too_deep() -> ApiError:
    return ApiError(400, "Validation error", ["The body is nested too deeply"])


def _is_shallow(value: object) -> bool:
    """Will nothing that looks through `value` later run out of stack?"""
    level = [value]
    for _ in range(_DEPTH):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return True
    return False


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


class _NamedAnswers:
    """Gives each answer that has none the id of its request, which is its job's, if it is about
    one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = _named(scope.get("path_params", {}).get(_ID, ""))
                MutableHeaders(scope=message).setdefault(
                    REQUEST_ID_HEADER, named[REQUEST_ID_HEADER]
                )
            await send(message)

        await self._app(scope, receive, send_named)


def _named(asked: str) -> dict[str, str]:
    # It goes into a header, which cannot hold everything that a path can.
    job_id = asked if _ID_FORM.fullmatch(asked) else uuid.uuid4().hex[:8]
    return {REQUEST_ID_HEADER: request_id(job_id)}


def _json(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
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


async def _bug(request: Request, error: Exception) -> Response:
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
    named = _named(request.path_params.get(_ID, ""))
    body = ErrorBody(
        timestamp=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        path=request.url.path,
        request_id=named[REQUEST_ID_HEADER],
        statusCode=status,
        message=message,
    )
    if validation:
        body.validation_errors = validation
    return _json(body, status=status, headers={**named, **(headers or {})})
