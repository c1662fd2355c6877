"""Requests that the sandbox cannot answer well: an error body and at most one line in the log."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from sandboxes import dial
from test_sandbox_http import play, service
from trio_websocket import ConnectionClosed

from replay.audio import wav_data_offset
from replay.sandbox import server
from replay.wire import messages as m
from replay.wire.closing import INTERNAL_ERROR, NORMAL
from replay.wire.http import ErrorBody, session_token

DEEP = b"[" * 50_000


def error_of(answer: httpx.Response, status: int) -> str:
    """The message of an answer that must be the protocol's error body."""
    assert answer.status_code == status
    assert set(answer.json()) >= set(ErrorBody.__struct_fields__) - {"validation_errors"}
    assert answer.json()["statusCode"] == status
    return str(answer.json()["message"])


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What a sandbox writes to its log without being asked for more."""
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    return [logging.Formatter("%(message)s").format(record) for record in told]


async def test_a_bug_is_answered(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: what nobody foresaw gives 500 with the error body, readable across origins, one
    line in the log each time, and a sandbox that goes on."""
    async with service() as (client, box):

        def broken(_job_id: str) -> None:
            raise ZeroDivisionError("of\nall things")

        monkeypatch.setattr(box, "find", broken)
        for _ in range(2):
            answer = await client.get("/v2/live/some-id", headers={"origin": "http://page"})
            assert error_of(answer, 500) == "Internal server error"
            assert answer.headers["access-control-allow-origin"] == "*"
        assert lines(caplog) == ["GET /v2/live/some-id: ZeroDivisionError: of all things"] * 2
        assert (await client.get("/health")).status_code == 200


async def test_a_bug_in_a_connection_costs_that_connection(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: what nobody foresaw in one websocket closes it with 1011 and is put down with its
    place, without the token; the session next to it loses no byte, and its own goes on."""
    async with service() as (client, box):
        neighbour = (await client.post("/v2/live", json={})).json()
        mine = (await client.post("/v2/live", json={})).json()
        token = session_token(mine["url"])
        audio = bytes(range(256)) * 250

        def broken(_frame: object) -> None:
            raise ZeroDivisionError(f"of {token}")

        async with dial(neighbour["url"]) as beside:
            await beside.send_message(audio[:32_000])
            with monkeypatch.context() as planted:
                planted.setattr(box.find(mine["id"]).live, "_take", broken)
                async with dial(mine["url"]) as websocket:
                    await websocket.send_message(bytes(100))
                    assert await closed(websocket) == INTERNAL_ERROR
            (line,) = lines(caplog)
            assert line.startswith("a websocket connection broke down:\n")
            assert "in broken\n" in line
            assert "ZeroDivisionError: of ***" in line
            assert token not in line
            async with dial(mine["url"]) as websocket:
                await websocket.send_message(bytes(100))
                ack = m.decode(await websocket.get_message())
                assert isinstance(ack, m.AudioAck)
            await beside.send_message(audio[32_000:])
            await beside.send_message(m.STOP_RECORDING)
            assert await closed(beside) == NORMAL
        recording = (await client.get(f"/v2/live/{neighbour['id']}/file")).content
        assert recording[wav_data_offset(recording) :] == audio


async def test_a_bug_before_a_request_is_known_costs_that_connection(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: a connection that breaks down before anybody knows what it wants is cut off and put
    down; the next one is served."""

    def broken(_head: bytes) -> bool:
        raise ZeroDivisionError

    async with service() as (client, _):
        with monkeypatch.context() as planted:
            planted.setattr(server, "_asks_for_websocket", broken)
            with pytest.raises(httpx.TransportError):
                await client.get("/health")
        (line,) = lines(caplog)
        assert line.startswith("a connection broke down:\n")
        assert "in broken\n" in line
        assert (await client.get("/health")).status_code == 200


async def closed(websocket: Any) -> int:
    """The code of the close that comes."""
    while True:
        try:
            await websocket.get_message()
        except ConnectionClosed as close:
            return int(close.reason.code)


async def test_records_that_went_away(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Where a session's files were removed, each route about it says which, in one line."""
    async with service(data=tmp_path) as (client, _):
        job_id = await play(client, {})
        shutil.rmtree(tmp_path / job_id)
        for path in (f"/v2/live/{job_id}", f"/v2/live/{job_id}/file", "/v2/live"):
            caplog.clear()
            message = error_of(await client.get(path), 500)
            assert message.startswith("cannot read")
            assert message.endswith("No such file or directory")
            assert lines(caplog) == [f"GET {path}: {message}"]


async def test_recording_that_became_shorter(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """A recording that lost its end on the disk is cut off, never passed off as whole."""
    async with service(data=tmp_path) as (client, _):
        job_id = await play(client, {})
        os.truncate(tmp_path / job_id / "audio.raw", 40_000)
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"/v2/live/{job_id}/file")
        (line,) = lines(caplog)
        assert "24000 bytes are missing" in line
        assert (await client.get("/health")).status_code == 200


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"limit": "9" * 5000}, "limit"),
        ({"offset": "9" * 5000}, "offset"),
        ({"custom_metadata": '{"a":' + "[" * 3000}, "custom_metadata"),
    ],
)
async def test_queries_beyond_reason(
    query: dict[str, str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Numbers too long and values too deep to be read are the client's mistake."""
    async with service() as (client, _):
        answer = await client.get("/v2/live", params=query)
        assert error_of(answer, 400) == "Validation error"
        assert said in answer.json()["validation_errors"][0]
        assert lines(caplog) == []


async def test_last_day_of_the_calendar() -> None:
    """A day after which there is none can be asked for."""
    async with service() as (client, _):
        answer = await client.get("/v2/live", params={"date": "9999-12-31"})
        assert answer.status_code == 200
        assert answer.json()["items"] == []


@pytest.mark.parametrize("body", [DEEP, b'{"custom_metadata":' + DEEP])
async def test_bodies_beyond_reason(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A body that is nested without end is refused."""
    async with service() as (client, _):
        answer = await client.post("/v2/live", content=body)
        assert error_of(answer, 400) == "Validation error"
        assert answer.json()["validation_errors"] == ["The body is nested too deeply"]
        assert lines(caplog) == []


@pytest.mark.parametrize("job_id", ["%00", "%FF", "%0D%0Ax:%20y", "%20", "caf%C3%A9"])
async def test_ids_that_no_header_can_hold(job_id: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever stands in the place of an id, it is not found, and gets an id of its own request."""
    async with service() as (client, _):
        answer = await client.get(f"/v2/live/{job_id}")
        assert error_of(answer, 404) == "Not found"
        assert answer.headers["x-gladia-request-id"] == answer.json()["request_id"]
        assert lines(caplog) == []


@pytest.mark.parametrize(("method", "path"), [("POST", "/v2/live"), ("PATCH", "/v2/live/{}")])
async def test_client_that_hangs_up(
    method: str, path: str, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    """A client that leaves in the middle of its body is nobody's error."""
    noticed = trio.Event()

    def look(record: logging.LogRecord) -> bool:
        if "hung up" in record.getMessage():
            noticed.set()
        return True

    log = logging.getLogger("replay.sandbox.answers")
    caplog.set_level(logging.INFO, log.name)
    log.addFilter(look)
    request.addfinalizer(lambda: log.removeFilter(look))
    async with service() as (client, _):
        path = path.format(await play(client, {}))
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n"
        port = client.base_url.port or 0
        async with await trio.open_tcp_stream(client.base_url.host, port) as stream:
            await stream.send_all(head.encode() + b"{")
        await noticed.wait()
        assert (await client.get("/health")).status_code == 200
        assert lines(caplog) == []
