"""The target behind the injector, over the network."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import httpx
import trio

from replay.errors import ConnectFailed
from replay.proxy.exchange import Request, Response, end_to_end
from replay.transport.http import check_base_url, is_loopback, mapped
from replay.transport.websocket import open_stream

_DIAL_SECONDS = 10.0
#: Transcripts may take long; whoever asked gives up for himself.
_TIMEOUT = httpx.Timeout(300.0, connect=10.0)


class Upstream(Protocol):
    """A target."""

    base_url: str

    async def dial(self, url: str) -> trio.abc.Stream:
        """A stream to where the websocket `url` is.

        Raises:
            ConnectFailed: there is none.
        """

    def request(self, request: Request) -> AbstractAsyncContextManager[Response]:
        """Pass a request on.

        Raises:
            ConnectFailed: on entering; with status 495 when its certificate is not trusted.
            TransportError: on entering, when there is no answer, or in a body that is cut short.
        """


def websocket_url(base_url: str, target: str) -> str:
    """`target`, a path and query, as a websocket URL of the same host as `base_url`."""
    parts = urlsplit(base_url)
    path, _, query = target.partition("?")
    scheme = "wss" if parts.scheme == "https" else "ws"
    return urlunsplit((scheme, parts.netloc, path, query, ""))


class NetUpstream:
    """A target at a base URL, http or https. Use `open_upstream`."""

    def __init__(
        self, base_url: str, client: httpx.AsyncClient, tls: ssl.SSLContext | None
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._client = client
        self._tls = tls

    async def dial(self, url: str) -> trio.abc.Stream:
        parts = urlsplit(url)
        deadline = trio.current_time() + _DIAL_SECONDS
        stream, _ = await open_stream(
            parts.scheme, parts.hostname or "", parts.port, deadline, self._tls
        )
        return stream

    @asynccontextmanager
    async def request(self, request: Request) -> AsyncIterator[Response]:
        headers = end_to_end(request.headers, "host")
        passed = httpx.Request(
            request.method, self.base_url + request.target, headers=headers, content=request.body
        )
        # Without the query, which may hold a token.
        what = f"{request.method} {request.path}"
        with mapped(what):
            answer = await self._client.send(passed, stream=True)

        async def pieces() -> AsyncGenerator[bytes, None]:
            with mapped(what):
                async for piece in answer.aiter_raw():
                    yield piece

        try:
            named = [(name.lower(), value) for name, value in answer.headers.items()]
            yield Response(answer.status_code, end_to_end(named), pieces)
        finally:
            with trio.CancelScope(shield=True):
                await answer.aclose()


@asynccontextmanager
async def open_upstream(
    base_url: str, tls: ssl.SSLContext | None = None
) -> AsyncIterator[NetUpstream]:
    """The target at `base_url`.

    Raises:
        UsageError: that is no base URL.
    """
    check_base_url(base_url)
    if tls is None and urlsplit(base_url).scheme == "https":
        tls = httpx.create_ssl_context()
    async with httpx.AsyncClient(
        timeout=_TIMEOUT,
        verify=tls if tls is not None else True,
        trust_env=not is_loopback(base_url),
    ) as client:
        yield NetUpstream(base_url, client, tls)


__all__ = ["ConnectFailed", "NetUpstream", "Upstream", "open_upstream", "websocket_url"]
