"""The plain HTTP routes (protocol 2, 3 and 8), as a starlette application."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import closing
from hmac import compare_digest
from itertools import chain
from typing import Any

import trio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from replay.errors import MachineError
from replay.sandbox import jobs
from replay.sandbox.answers import HANDLERS, ID, NamedAnswers, bug, json_answer, named
from replay.sandbox.body import read_body
from replay.sandbox.hub import ApiError, Sandbox
from replay.sandbox.jobs import Entry
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
    InitAnswer,
    JobList,
)

_log = logging.getLogger(__name__)

_BODY_BYTES = 1 << 20
_PATCH_BYTES = 100_000
_EXPOSED = [
    REQUEST_ID_HEADER,
    "traceparent",
    "tracestate",
    "x-request-id",
    "x-correlation-id",
]
_METHODS = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"]

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
            Middleware(NamedAnswers),
            # The framework's own way with bugs answers, and then raises them into the server.
            Middleware(ExceptionMiddleware, handlers={Exception: bug}),
        ],
        exception_handlers=HANDLERS,
    )
    # A path with one slash too many is unknown, like any other.
    app.router.redirect_slashes = False
    return app


def _pattern(path: Callable[[str], str]) -> str:
    """The route that `path` builds the paths of, which quotes braces."""
    return path(ID).replace(ID, f"{{{ID}}}")


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
        return json_answer(answer)

    async def models(self, request: Request) -> Response:  # noqa: ARG002
        return json_answer({"models": [{"name": name} for name in MODELS]})

    async def init(self, request: Request) -> Response:
        body = await read_body(request, _BODY_BYTES)
        refusals = await self._sandbox.refusals(body)
        entry = self._sandbox.init(body, request.query_params.get("region"), refusals)
        scheme = "wss" if request.url.scheme == "https" else "ws"
        url = f"{scheme}://{request.url.netloc}{LIVE_PATH}?token={entry.token}"
        answer = InitAnswer(id=entry.live.id, created_at=entry.created_at, url=url)
        return json_answer(answer, status=201, headers=named(entry.live.id))

    async def get(self, request: Request) -> Response:
        return json_answer(self._sandbox.job(self._find(request)))

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

        return json_answer(
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
        body = await read_body(request, _PATCH_BYTES)
        if not isinstance(body, dict):
            raise ApiError(400, "Validation error", ["The body must be an object"])
        self._sandbox.annotate(entry, body)
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        self._sandbox.delete(request.path_params[ID])
        return Response(status_code=202)

    def _find(self, request: Request) -> Entry:
        entry = self._sandbox.find(request.path_params[ID])
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
