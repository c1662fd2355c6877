"""One POST, to exactly one address, of which only the status is of interest."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Protocol

import h11
import httpx
import trio

from replay import __version__
from replay.sandbox.reach import Place

#: So much of an answer is read behind its status, and for so many seconds, out of courtesy:
#: closing at once would break the connection under whoever is still writing.
_ANSWER_BYTES = 1 << 16
_ANSWER_SECONDS = 1.0
_READ = 1 << 14

_BROKEN = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)


class Poster(Protocol):
    """Sends one request."""

    async def post(self, place: Place, headers: Mapping[str, str], body: bytes) -> str:
        """Wait for the answer, however long: "" when it is 2xx, else what happened."""
        ...


class HttpPoster:
    """Over real sockets. A connection serves one request; redirections are not followed."""

    def __init__(self) -> None:
        self._tls: ssl.SSLContext | None = None

    async def post(self, place: Place, headers: Mapping[str, str], body: bytes) -> str:
        try:
            stream = await trio.open_tcp_stream(place.address, place.port)
        except OSError as error:
            return f"cannot connect: {error.strerror or error}"
        try:
            return await self._ask(await self._secured(stream, place), place, headers, body)
        except h11.RemoteProtocolError as error:
            return f"the answer is no HTTP: {error}"
        except _BROKEN as error:
            return f"the connection broke: {error.__cause__ or error}"
        finally:
            await trio.aclose_forcefully(stream)

    async def _secured(self, stream: trio.SocketStream, place: Place) -> trio.abc.Stream:
        if place.scheme == "http":
            return stream
        if self._tls is None:
            self._tls = await trio.to_thread.run_sync(httpx.create_ssl_context)
        return trio.SSLStream(stream, self._tls, server_hostname=place.host, https_compatible=True)

    async def _ask(
        self, stream: trio.abc.Stream, place: Place, headers: Mapping[str, str], body: bytes
    ) -> str:
        connection = h11.Connection(h11.CLIENT)
        named = {
            "host": place.authority,
            "user-agent": f"stt-replay/{__version__}",
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
            **headers,
        }
        request = h11.Request(method="POST", target=place.target, headers=list(named.items()))
        head = connection.send(request) or b""
        await stream.send_all(head + (connection.send(h11.Data(data=body)) or b""))
        connection.send(h11.EndOfMessage())
        status = await _status(stream, connection)
        if status is None:
            return "hung up without an answer"
        await _be_courteous(stream)
        return "" if 200 <= status < 300 else f"answered {status}"


async def _status(stream: trio.abc.Stream, connection: h11.Connection) -> int | None:
    """The answer's status; None when there is no answer."""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = bytes(await stream.receive_some(_READ))
            if not data:
                return None
            connection.receive_data(data)
        elif isinstance(event, h11.Response):
            return event.status_code
        elif not isinstance(event, h11.InformationalResponse):
            return None


async def _be_courteous(stream: trio.abc.Stream) -> None:
    left = _ANSWER_BYTES
    with trio.move_on_after(_ANSWER_SECONDS):
        try:
            while left > 0 and (data := await stream.receive_some(_READ)):
                left -= len(data)
        except _BROKEN:
            return  # the status was there; the rest is the receiver's own affair
