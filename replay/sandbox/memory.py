"""Websocket connections of a sandbox over any trio stream: a real socket's, or one in memory."""

from __future__ import annotations

from collections.abc import Callable

import trio

from replay.errors import ConnectionLost
from replay.sandbox.bugs import log_bug
from replay.sandbox.hub import Sandbox
from replay.sandbox.log import SESSION
from replay.sandbox.patience import Share
from replay.sandbox.websocket import ServerWebSocket
from replay.wire import closing
from replay.wire.http import LIVE_PATH

#: A frame of the allowed size may come as base64 inside JSON.
_TEXT_FACTOR = 2


async def serve_stream(
    sandbox: Sandbox,
    stream: trio.abc.Stream,
    head: bytes = b"",
    wrap: Callable[..., ServerWebSocket] = ServerWebSocket,
) -> None:
    """Serve one websocket connection on `stream` until it is over, and close the stream.

    `head`: what was read from it already. `wrap`: makes a websocket of the stream. The token of the
    URL decides which session it belongs to; an unknown one is answered with close 4404. A bug of
    ours costs this connection, which is closed with 1011, and nobody else.
    """
    settings, share = sandbox.settings, Share(sandbox.pool)
    websocket = wrap(
        stream,
        head=head,
        max_message=settings.max_frame * _TEXT_FACTOR,
        share=share,
        send_timeout=settings.send_timeout,
    )
    try:
        await _converse(sandbox, websocket)
    except* (ConnectionLost, trio.TooSlowError):
        pass
    except* Exception as bug:  # noqa: BLE001 - it is told, and must not end all sessions
        log_bug("a websocket connection broke down", bug, *websocket.query.get("token", ()))
        with trio.move_on_after(settings.close_grace):
            await websocket.close(closing.INTERNAL_ERROR, "internal error")
    finally:
        share.hold(0)
        await trio.aclose_forcefully(stream)


async def _converse(sandbox: Sandbox, websocket: ServerWebSocket) -> None:
    settings = sandbox.settings
    with trio.fail_after(settings.handshake_timeout):
        await websocket.handshake()
        if websocket.path != LIVE_PATH:
            await websocket.reject(404)
            return
        await websocket.accept()
    session = sandbox.by_token(websocket.query.get("token", [""])[0])
    if session:
        SESSION.set(session.id)
        await session.serve(websocket)
        return
    with trio.move_on_after(settings.close_grace):
        await websocket.close(closing.NO_SUCH_SESSION, "no session has this token")
