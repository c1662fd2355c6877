"""The injector on real sockets: what a client's machine sees of each fault, and HTTP through it."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import trio
from sandboxes import dial
from test_proxy_frames import AGREED, HELLO
from trio_websocket import ConnectionClosed

from replay.errors import UsageError
from replay.faults import parse, parse_plan
from replay.proxy.control import Control
from replay.proxy.injector import Injector
from replay.proxy.server import FaultsOnly, open_proxy
from replay.recorder import ListRecorder
from replay.sandbox.hub import open_sandbox
from replay.sandbox.recognizers.silent import SilentRecognizer
from replay.sandbox.server import listen, serving
from replay.sandbox.settings import Settings
from replay.wire.closing import NO_SUCH_SESSION


@asynccontextmanager
async def proxied(*faults: str) -> AsyncIterator[tuple[str, Injector, ListRecorder]]:
    """A sandbox on a port, and an injector in front of it; gives the sandbox's URL, too."""
    recorder = ListRecorder()
    with trio.fail_after(20):
        async with (
            open_sandbox(Settings(), SilentRecognizer()) as sandbox,
            serving(sandbox, listen("127.0.0.1", 0)) as url,
            open_proxy(url, parse_plan(faults), FaultsOnly(recorder, 32_000), Random(1)) as proxy,
        ):
            yield url, proxy, recorder


@asynccontextmanager
async def tapped(*faults: str) -> AsyncIterator[tuple[trio.SocketStream, trio.SocketStream, Any]]:
    """A client's and a target's bare socket with an injector between, past the handshake."""
    with trio.fail_after(20):
        accepted, coming = trio.open_memory_channel[trio.SocketStream](1)
        async with trio.open_nursery() as nursery:

            async def serve(stream: trio.SocketStream) -> None:
                await stream.receive_some()
                await stream.send_all(AGREED)
                await accepted.send(stream)
                await trio.sleep_forever()

            listeners = await nursery.start(
                trio.serve_tcp,
                serve,
                0,
            )
            port = listeners[0].socket.getsockname()[1]
            archive = FaultsOnly(ListRecorder(), 32_000)
            plan = parse_plan(faults)
            async with open_proxy(f"http://127.0.0.1:{port}", plan, archive, Random(1)) as proxy:
                client = await trio.open_tcp_stream("127.0.0.1", urlsplit(proxy.url).port or 0)
                await client.send_all(HELLO)
                assert await client.receive_some() == AGREED
                target = await coming.receive()
                yield client, target, proxy
                await client.aclose()
            nursery.cancel_scope.cancel()


async def arm(proxy: Injector, text: str) -> None:
    await proxy.arm(parse(text)).wait()


# ------------------------------------------------------------------ what TCP shows


async def test_a_reset_is_a_reset() -> None:
    """Both ends see RST, on a connection that was open before the fault was armed."""
    async with tapped() as (client, target, proxy):
        await arm(proxy, "reset")
        for end in (client, target):
            with pytest.raises(trio.BrokenResourceError) as seen:
                await end.receive_some()
            assert isinstance(seen.value.__cause__, ConnectionResetError)


async def test_a_fin_is_no_reset_even_with_bytes_unread() -> None:
    """Both ends read the end of the stream, what was said before has arrived, and the client may
    go on saying things without being reset."""
    async with tapped() as (client, target, proxy):
        await client.send_all(b"\x82\x80\0\0\0\0")
        assert await target.receive_some() == b"\x82\x80\0\0\0\0"
        await arm(proxy, "fin")
        await client.send_all(b"\x82\x80\0\0\0\0" * 100)
        assert await client.receive_some() == b""
        assert await target.receive_some() == b""


@pytest.mark.parametrize(("way", "ended"), [("up", "target"), ("down", "client")])
async def test_half_a_close_leaves_the_other_half(way: str, ended: str) -> None:
    """One end reads the end of the stream; what it says still reaches the other."""
    async with tapped() as (client, target, proxy):
        await arm(proxy, f"halfclose({way})")
        ends = {"client": client, "target": target}
        assert await ends[ended].receive_some() == b""
        frame = b"\x81\x02{}" if ended == "target" else b"\x81\x82\0\0\0\0{}"
        await ends.pop(ended).send_all(frame)
        (other,) = ends.values()
        assert await other.receive_some() == frame


@pytest.mark.parametrize("way", ["up", "down"])
async def test_healing_resets_what_a_black_hole_has_harmed(way: str) -> None:
    """With a frame swallowed, healing resets the connection at both ends; with none it opens it
    again, and frames pass."""
    frames = {"up": b"\x82\x80\0\0\0\0", "down": b"\x82\x00"}
    for harmed in (True, False):
        async with tapped() as (client, target, proxy):
            source, sink = (client, target) if way == "up" else (target, client)
            await arm(proxy, f"blackhole({way})")
            if harmed:
                await source.send_all(frames[way])
                pump = proxy.watches[0].links[0].pumps[way]
                while not pump.swallowed:  # noqa: ASYNC110 - it tells nobody
                    await trio.sleep(0.001)
            await proxy.heal()
            if harmed:
                for end in (client, target):
                    with pytest.raises(trio.BrokenResourceError):
                        await end.receive_some()
            else:
                await source.send_all(frames[way])
                assert await sink.receive_some() == frames[way]


async def test_healing_opens_no_half_that_was_closed() -> None:
    """What a half close throws away is no black hole's: the connection goes on as it was."""
    async with tapped() as (client, target, proxy):
        await arm(proxy, "halfclose(up)")
        assert await target.receive_some() == b""
        await proxy.heal()
        assert proxy.watches[0].links[0].pumps["up"].swallowing
        await target.send_all(b"\x82\x00")
        assert await client.receive_some() == b"\x82\x00"


async def test_a_close_frame_may_leave_tcp_open() -> None:
    """After `close_open` the client has the frame, and no end of the stream."""
    async with tapped() as (client, _, proxy):
        await arm(proxy, "close_open(1001)")
        assert await client.receive_some() == b"\x88\x02\x03\xe9"
        ended = True
        with trio.move_on_after(0.2):
            await client.receive_some()
            ended = False
        assert ended


async def test_a_zero_window_blocks_who_sends() -> None:
    """With nothing read and small buffers, the client's sends soon do not return; afterwards
    everything arrives."""
    async with tapped("zero_window(1s) @ frame 10000") as (client, target, proxy):
        frame = b"\x82\xfe\x0c\x80\0\0\0\0" + bytes(3200)
        # Buffers of this machine's own would take megabytes more.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        await arm(proxy, "zero_window(1s)")
        sent = 0
        with trio.move_on_after(0.5):
            while sent < 1000:
                await client.send_all(frame)
                sent += 1
        assert sent < 30, "the client did not notice"
        got = 0
        while got < sent * len(frame):
            got += len(await target.receive_some())


async def test_a_client_that_is_kept_out_is_refused_or_hangs() -> None:
    """`refuse`: nobody listens. `unreachable`: connecting does not end. After that, the same port
    answers again."""
    async with proxied() as (_, proxy, _recorder):
        port = urlsplit(proxy.url).port or 0
        await arm(proxy, "refuse(200ms)")
        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream("127.0.0.1", port)
        await trio.sleep(0.4)
        await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
        await arm(proxy, "unreachable(10s)")
        with trio.move_on_after(0.3) as scope:
            await trio.open_tcp_stream("127.0.0.1", port)
        assert scope.cancelled_caught
        await proxy.heal()
        await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()


# ------------------------------------------------------------------ HTTP through it


async def test_routes_pass_as_they_are() -> None:
    """Every route answers with the target's own status and body, also to what is wrong."""
    async with proxied() as (url, proxy, _), httpx.AsyncClient() as client:
        for method, path in (
            ("GET", "/v2/live?limit=3"),
            ("GET", "/v2/live/nobody"),
            ("GET", "/v2/live/nobody/file"),
            ("DELETE", "/v2/live/nobody"),
            ("GET", "/health"),
            ("GET", "/elsewhere"),
            ("HEAD", "/health"),
        ):
            direct = await client.request(method, url + path)
            through = await client.request(method, proxy.url + path)
            assert through.status_code == direct.status_code, path
            assert through.headers.get("content-type") == direct.headers.get("content-type")
        bad = await client.post(proxy.url + "/v2/live", json={"sample_rate": 1})
        assert bad.status_code == 400


async def test_the_way_to_the_session_leads_through_it() -> None:
    """The session's URL names the injector and keeps its token; close codes come through."""
    async with proxied() as (_, proxy, _), httpx.AsyncClient() as client:
        answer = (await client.post(proxy.url + "/v2/live", json={})).json()
        assert answer["url"].startswith(proxy.url.replace("http", "ws") + "/v2/live?token=")
        async with dial(answer["url"]) as ws:
            await ws.send_message(b"\0" * 3200)
            assert json.loads(await ws.get_message())["type"] in ("start_session", "audio_chunk")
        async with dial(proxy.url.replace("http", "ws") + "/v2/live?token=wrong") as ws:
            with pytest.raises(ConnectionClosed):
                await ws.get_message()
            assert ws.closed.code == NO_SUCH_SESSION


async def test_a_target_that_is_not_there_is_a_bad_gateway() -> None:
    """Requests and handshakes are answered with 502, and the injector lives on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{probe.getsockname()[1]}"
    archive = FaultsOnly(ListRecorder(), 32_000)
    async with (
        open_proxy(gone, parse_plan([]), archive, Random(1)) as proxy,
        httpx.AsyncClient() as client,
    ):
        for _ in range(2):
            answer = await client.get(proxy.url + "/v2/live")
            assert answer.status_code == 502
            assert "the target: cannot connect to 127.0.0.1: " in answer.json()["message"]


async def test_a_restart_needs_a_target_of_our_own() -> None:
    """A process that is not ours is not killed: the plan is refused before anything starts."""
    archive = FaultsOnly(ListRecorder(), 32_000)
    with pytest.raises(UsageError, match="sandbox"):
        async with open_proxy(
            "http://127.0.0.1:1", parse_plan(["restart @ 3s"]), archive, Random(1)
        ):
            pass


async def test_faults_by_hand_over_http() -> None:
    """The control tells the state, arms a fault, points at what it cannot read, and heals."""
    async with proxied() as (_, proxy, recorder), trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, Control(proxy).handle, listeners)
        url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        async with httpx.AsyncClient() as client:
            assert (await client.get(url)).json()["url"] == proxy.url
            armed = await client.post(url + "/arm", content="refuse(10s)")
            assert armed.json()["sessions"][0]["rules"] == 1
            with pytest.raises(httpx.ConnectError):
                await client.get(proxy.url + "/health")
            wrong = await client.post(url + "/arm", content="reset @ never")
            assert wrong.status_code == 400
            assert "^" in wrong.json()["error"]
            await client.post(url + "/heal")
            assert (await client.get(proxy.url + "/health")).status_code == 200
            assert (await client.get(url + "/nothing")).status_code == 404
        assert [entry.fault for entry in recorder.entries if hasattr(entry, "fault")] == ["refuse"]
        nursery.cancel_scope.cancel()


async def test_a_websocket_on_a_connection_that_has_carried_requests() -> None:
    """A client that pools its connections asks for the websocket on the one of its POST."""
    async with proxied() as (_, proxy, _):
        port = urlsplit(proxy.url).port or 0
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(
                b"POST /v2/live HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
                b"Content-Length: 2\r\n\r\n{}"
            )
            answer = b""
            while not answer.endswith(b"}"):
                answer += await stream.receive_some()
            assert answer.startswith(b"HTTP/1.1 201")
            url = urlsplit(json.loads(answer.partition(b"\r\n\r\n")[2])["url"])
            await stream.send_all(
                HELLO.replace(b"/v2/live?token=t", f"{url.path}?{url.query}".encode())
            )
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 101")
