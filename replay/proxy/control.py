"""Faults by hand, while it runs: a few HTTP requests on a port of this machine.

`GET /` tells the state, `POST /arm` with a fault's text does or arms it, `POST /heal` ends all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import trio

from replay.errors import ReplayError
from replay.faults import parse
from replay.proxy.exchange import Request, Response
from replay.proxy.injector import Injector
from replay.proxy.requests import serve_requests

_JSON = [("content-type", "application/json")]


class Control:
    """Answers requests about one injector."""

    def __init__(self, injector: Injector) -> None:
        self._injector = injector

    async def handle(self, stream: trio.abc.Stream) -> None:
        """Serve one connection."""
        try:
            await serve_requests(stream, b"", self.exchange)
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    @asynccontextmanager
    async def exchange(self, request: Request) -> AsyncIterator[Response]:
        yield await self._answer(request)

    async def _answer(self, request: Request) -> Response:
        match request.method, request.path:
            case "GET", "/":
                return self._state()
            case "POST", "/arm":
                return await self._arm(request.body)
            case "POST", "/heal":
                await self._injector.heal()
                return self._state()
        message = "use GET /, POST /arm with a fault, or POST /heal"
        return Response.of(404, _JSON, msgspec.json.encode({"error": message}))

    async def _arm(self, body: bytes) -> Response:
        try:
            done = self._injector.arm(parse(body.decode("utf-8", "replace").strip()))
        except ReplayError as error:
            return Response.of(400, _JSON, msgspec.json.encode({"error": str(error)}))
        await done.wait()
        return self._state()

    def _state(self) -> Response:
        sessions = [
            {
                "connections": watch.traffic.connections,
                "alive": watch.link is not None,
                "audio_bytes": watch.traffic.furthest,
                "rules": watch.rules,
            }
            for watch in self._injector.watches
        ]
        state = {"url": self._injector.url, "sessions": sessions}
        return Response.of(200, _JSON, msgspec.json.encode(state))
