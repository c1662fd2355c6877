"""Plain HTTP with a client: one request after another on a connection, over any stream."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing

import h11
import trio

from replay.errors import TransportError
from replay.proxy.exchange import Request, Response
from replay.proxy.handshake import Head
from replay.proxy.pump import GONE

Exchange = Callable[[Request], AbstractAsyncContextManager[Response]]
_READ = 1 << 16
_LARGEST_BODY = 64 << 20


class _Cut(Exception):
    """The connection with the client cannot go on."""


async def serve_requests(stream: trio.abc.Stream, first: bytes, exchange: Exchange) -> Head | None:
    """Answer requests until the client or HTTP ends the connection, or one asks for a websocket:
    clients that pool connections do so on one that has carried requests. That one is given back.

    `first`: what has been read already.
    """
    connection = h11.Connection(h11.SERVER)
    if first:  # nothing at all would mean the end
        connection.receive_data(first)
    try:
        while True:
            request = await _request(stream, connection)
            if request is None:
                return None
            if isinstance(request, Head):
                return request
            async with exchange(request) as response:
                await _answer(stream, connection, request, response)
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return None
            connection.start_next_cycle()
    except (h11.ProtocolError, TransportError, _Cut, *GONE):
        return None


async def _request(stream: trio.abc.Stream, connection: h11.Connection) -> Request | Head | None:
    """The next request with its body, or only its head where it asks for a websocket; None when
    there is none."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await stream.send_all(connection.send(go_on) or b"")
            connection.receive_data(bytes(await stream.receive_some(_READ)))
        elif isinstance(event, h11.Request):
            asked = Head(_written(event), connection.trailing_data[0])
            if asked.asks_for_websocket:
                return asked
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > _LARGEST_BODY:
                raise _Cut
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None  # h11 gives a head before an end
            return Request(
                head.method.decode(),
                head.target.decode("latin-1"),
                [(name.decode(), value.decode("latin-1")) for name, value in head.headers],
                bytes(body),
            )
        else:  # the connection is over
            return None


def _written(request: h11.Request) -> bytes:
    """A head as it was sent, but for its white space."""
    lines = [b"%b %b HTTP/%b" % (request.method, request.target, request.http_version)]
    lines += [b"%b: %b" % (name, value) for name, value in request.headers.raw_items()]
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def _answer(
    stream: trio.abc.Stream, connection: h11.Connection, request: Request, response: Response
) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in response.headers]
    head = h11.Response(status_code=response.status, headers=headers)
    await stream.send_all(connection.send(head) or b"")
    if request.method != "HEAD" and response.status not in (204, 304):
        async with aclosing(response.pieces()) as pieces:
            async for piece in pieces:
                await stream.send_all(connection.send(h11.Data(data=piece)) or b"")
    await stream.send_all(connection.send(h11.EndOfMessage()) or b"")
