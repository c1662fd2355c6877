"""The sandbox's routes, over real sockets."""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from sandboxes import GOOD_DAY, SECOND, dial, scripted
from trio_websocket import ConnectionClosed

from replay.errors import MachineError
from replay.sandbox.hub import Sandbox, open_sandbox
from replay.sandbox.server import listen, serving
from replay.sandbox.settings import Settings
from replay.wire import messages as m


@asynccontextmanager
async def service(**settings: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Sandbox]]:
    async with (
        open_sandbox(Settings(**settings), scripted(GOOD_DAY)) as box,
        serving(box, listen("127.0.0.1", 0)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        with trio.fail_after(30):
            yield client, box


async def play(client: httpx.AsyncClient, body: dict[str, Any]) -> str:
    """A whole session of two seconds; its id."""
    answer = (await client.post("/v2/live", json=body)).json()
    async with dial(answer["url"]) as websocket:
        await websocket.send_message(bytes(range(256)) * (2 * SECOND // 256))
        await websocket.send_message(m.STOP_RECORDING)
        while not isinstance(m.decode(await websocket.get_message()), m.PostFinalTranscript):
            pass
    return str(answer["id"])


async def test_a_session_and_its_job() -> None:
    """Open, play, fetch the result and the recording, delete."""
    async with service() as (client, _):
        job_id = await play(client, {"custom_metadata": {"call": 7}})
        job = (await client.get(f"/v2/live/{job_id}")).json()
        assert job["status"] == "done"
        assert job["kind"] == "live"
        assert job["version"] == 2
        assert job["request_id"] == f"G-{job_id[:8]}"
        assert job["custom_metadata"] == {"call": 7}
        assert "custom_metadata" not in job["request_params"]
        assert job["request_params"]["endpointing"] == 0.05
        assert job["result"]["transcription"]["full_transcript"] == "Good day."
        assert all(isinstance(text, str) for text in job["result"]["messages"])
        file = await client.get(f"/v2/live/{job_id}/file")
        assert file.headers["content-type"] == "application/octet-stream"
        assert file.content[44:] == bytes(range(256)) * 250
        assert struct.unpack("<I", file.content[40:44]) == (2 * SECOND,)
        patch = await client.patch(f"/v2/live/{job_id}", json={"seen": True})
        assert patch.status_code == 204
        again = (await client.get(f"/v2/live/{job_id}")).json()
        assert again["post_session_metadata"] == {"seen": True}
        gone = await client.delete(f"/v2/live/{job_id}")
        assert (gone.status_code, gone.content) == (202, b"")
        assert (await client.get(f"/v2/live/{job_id}")).status_code == 404


async def test_answer_to_init() -> None:
    """The answer is 201 and JSON, with an absolute URL on the host that was asked."""
    async with service() as (client, _):
        answer = await client.post("/v2/live?region=eu-west", json={})
        assert answer.status_code == 201
        assert answer.headers["content-type"] == "application/json"
        body = answer.json()
        assert set(body) == {"id", "created_at", "url"}
        host = client.base_url.netloc.decode()
        assert body["url"].startswith(f"ws://{host}/v2/live?token=")
        assert body["id"] not in body["url"]
        empty = await client.post("/v2/live")
        assert empty.status_code == 201


@pytest.mark.parametrize(
    ("body", "complaints"),
    [
        (
            {"endpointing": 0, "channels": 9},
            ['"endpointing" must not be less than 0.01', '"channels" must not be greater than 8'],
        ),
        ({"encoding": "wav/alaw"}, ["bit_depth"]),
        ({"language_config": {"languages": ["en-US"]}}, ["languages[0]"]),
        ([], ["The body must be an object"]),
    ],
)
async def test_wrong_bodies(body: object, complaints: list[str]) -> None:
    """A body the service would refuse is refused with 400 and everything that is wrong."""
    async with service() as (client, _):
        answer = await client.post("/v2/live", json=body)
        told = answer.json()
    assert answer.status_code == told["statusCode"] == 400
    assert set(told) == {
        "timestamp",
        "path",
        "request_id",
        "statusCode",
        "message",
        "validation_errors",
    }
    for complaint in complaints:
        assert any(complaint in each for each in told["validation_errors"])


async def test_unknown_fields_are_ignored() -> None:
    """Fields that the service does not know mean nothing, so that every client gets in."""
    async with service() as (client, _):
        answer = await client.post("/v2/live", json={"region": "eu", "x": {"y": 1}})
        assert answer.status_code == 201


@pytest.mark.parametrize("content", [b"{", b"\xff", b'"' + b"x" * (2 << 20) + b'"'])
async def test_bodies_that_are_no_json(content: bytes) -> None:
    """Garbage as a body gets a proper refusal."""
    async with service() as (client, _):
        answer = await client.post("/v2/live", content=content)
        assert answer.status_code in (400, 413)
        assert answer.json()["statusCode"] == answer.status_code


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/v2/live/none", 404, "Not found"),
        ("GET", "/v2/live/none/file", 404, "Not found"),
        ("DELETE", "/v2/live/none", 404, "Not found"),
        ("PUT", "/v2/live", 404, "Cannot PUT /v2/live"),
        ("POST", "/x", 404, "Cannot POST /x"),
        ("GET", "/v2/live/", 404, "Cannot GET /v2/live/"),
        ("OPTIONS", "/v2/live", 404, "Cannot OPTIONS /v2/live"),
        ("POST", "/v2/live/none", 404, "Cannot POST /v2/live/none"),
        ("GET", "/v2/live?status=old", 400, "Validation error"),
        ("GET", "/v2/live?offset=-1", 400, "Validation error"),
        ("GET", "/v2/live?date=0001-01-01T00:00:00%2B14:00", 400, "Validation error"),
        ("POST", "/v2/live?region=mars", 400, "Validation error"),
        ("GET", "/v2/live?limit=0", 400, "Validation error"),
        ("GET", "/v2/live?date=soon", 400, "Validation error"),
        ("GET", "/v2/live?custom_metadata=5", 400, "Validation error"),
    ],
)
async def test_refusals(method: str, path: str, status: int, message: str) -> None:
    """Every refusal has the service's body."""
    async with service() as (client, _):
        answer = await client.request(method, path)
    assert answer.status_code == status
    told = answer.json()
    assert (told["statusCode"], told["message"]) == (status, message)
    assert told["path"] == path.split("?")[0]
    assert told["request_id"].startswith("G-")


async def test_running_jobs() -> None:
    """A session that runs has no file yet, and cannot be deleted."""
    async with service() as (client, box):
        job_id = (await client.post("/v2/live", json={})).json()["id"]
        job = (await client.get(f"/v2/live/{job_id}")).json()
        assert (job["status"], job["result"], job["file"]) == ("queued", None, None)
        assert (await client.get(f"/v2/live/{job_id}/file")).status_code == 404
        assert (await client.delete(f"/v2/live/{job_id}")).status_code == 403
        assert len(list(box.newest_first())) == 1


async def test_list() -> None:
    """Jobs are listed newest first, in pages, and by status, time and metadata."""
    async with service() as (client, _):
        ids = []
        for k in range(5):
            body = {"custom_metadata": {"k": str(k % 2)}}
            ids.append((await client.post("/v2/live", json=body)).json()["id"])
        done = await play(client, {})

        async def listed(query: str) -> list[str]:
            page = (await client.get(f"/v2/live?{query}")).json()
            return [item["id"] for item in page["items"]]

        assert await listed("") == [done, *reversed(ids)]
        assert await listed("status=done") == [done]
        assert await listed("status=done&status=queued&limit=2") == [done, ids[4]]
        assert await listed("custom_metadata[k]=1") == [ids[3], ids[1]]
        assert await listed('custom_metadata={"k":"1"}') == [ids[3], ids[1]]
        assert await listed("before_date=2001-01-01") == []
        assert len(await listed("after_date=2001-01-01T00:00:00Z")) == 6
        page = (await client.get("/v2/live?limit=4")).json()
        rest = (await client.get(page["next"])).json()
        assert [item["id"] for item in rest["items"]] == [ids[1], ids[0]]
        assert rest["next"] is None


async def test_tasks_are_told_when_asked_for() -> None:
    """Nobody can count a process's tasks from outside; health alone says nothing of them."""
    async with service() as (client, _):
        assert (await client.get("/health")).json() == {"health": "OK"}
        assert (await client.get("/health?tasks")).json()["tasks"] > 3


async def test_key() -> None:
    """Where a key is set, requests without it or with another are refused; health is not."""
    async with service(api_key="secret") as (client, _):
        assert (await client.get("/health")).json() == {"health": "OK"}
        missing = await client.post("/v2/live", json={})
        wrong = await client.post("/v2/live", json={}, headers={"X-Gladia-Key": "guess"})
        right = await client.post("/v2/live", json={}, headers={"X-GLADIA-KEY": "secret"})
    assert (missing.status_code, missing.json()["message"]) == (401, "no gladia key provided")
    assert (wrong.status_code, wrong.json()["message"]) == (401, "gladia user not found")
    assert right.status_code == 201


async def test_cross_origin() -> None:
    """Browsers are let in: preflight with the key's header, and any origin."""
    async with service() as (client, _):
        preflight = await client.options(
            "/v2/live",
            headers={
                "Origin": "http://page",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "x-gladia-key",
            },
        )
        answer = await client.post("/v2/live", json={}, headers={"Origin": "http://page"})
    assert preflight.status_code == 200
    assert "x-gladia-key" in preflight.headers["access-control-allow-headers"]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "x-gladia-request-id" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01" * 40 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
        b"x" * 99_999,
    ],
)
async def test_garbage_at_the_port(garbage: bytes) -> None:
    """A connection that does not speak HTTP is refused, and nobody else is disturbed."""
    async with service() as (client, _):
        stream = await trio.open_tcp_stream(client.base_url.host, client.base_url.port or 0)
        async with stream:
            await stream.send_all(garbage)
            with contextlib.suppress(trio.BrokenResourceError):
                while await stream.receive_some():
                    pass
        assert (await client.get("/health")).status_code == 200


async def test_port_in_use() -> None:
    """A port that is taken is named in one line."""
    sock = listen("127.0.0.1", 0)
    with sock, pytest.raises(MachineError, match="--port 0") as caught:
        listen("127.0.0.1", sock.getsockname()[1])
    assert "\n" not in str(caught.value)


async def test_end_with_open_websocket() -> None:
    """When the sandbox ends, open websockets are closed with 1001."""
    codes: list[int] = []

    async def stay(url: str, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with dial(url) as websocket:
            task_status.started()
            with pytest.raises(ConnectionClosed) as closed:
                await websocket.get_message()
            codes.append(closed.value.reason.code)

    async with trio.open_nursery() as nursery, service() as (client, _):
        url = (await client.post("/v2/live", json={})).json()["url"]
        await nursery.start(stay, url)
    assert codes == [1001]


async def test_end_with_client_that_does_not_read() -> None:
    """A client that asked for more than a socket holds and reads nothing cannot hold it up."""
    async with service() as (client, box):
        entry = box.init({})
        entry.live.store.append(bytes(64 << 20))
        entry.live.stop()
        with trio.fail_after(5):
            while entry.status != "done":
                await trio.testing.wait_all_tasks_blocked()
        stream = await trio.open_tcp_stream(client.base_url.host, client.base_url.port or 0)
        await stream.send_all(
            f"GET /v2/live/{entry.live.id}/file HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        )
        await stream.receive_some(100)
    await stream.aclose()


async def test_a_connection_is_not_kept_for_a_websocket() -> None:
    """A client that pools connections must not ask for its websocket on one of plain HTTP."""
    async with service() as (client, _):
        answer = await client.post("/v2/live", json={})
        assert answer.status_code == 201
        assert answer.headers.get_list("connection") == ["close"]


async def test_head() -> None:
    """HEAD is answered as GET is, without the body."""
    async with service() as (client, _):
        job_id = await play(client, {})
        for path in ("/health", "/v2/live", f"/v2/live/{job_id}", f"/v2/live/{job_id}/file"):
            got, head = await client.get(path), await client.head(path)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"] == str(len(got.content))
            assert head.headers["content-type"] == got.headers["content-type"]


async def test_public_routes_and_lists_of_everything() -> None:
    """The models are told, and the lists of all kinds of jobs hold the live ones."""
    async with service() as (client, _):
        job_id = await play(client, {})
        assert (await client.get("/v1/models")).json() == {"models": [{"name": "solaria-1"}]}
        for path in ("/v2/transcription", "/v1/history"):
            page = (await client.get(f"{path}?limit=1&status=done")).json()
            assert [item["id"] for item in page["items"]] == [job_id]
            assert page["current"].startswith(f"{client.base_url}{path}?")


async def test_request_ids() -> None:
    """Every answer carries the id of its request: its job's, or one of the same form."""
    async with service() as (client, _):
        opened = await client.post("/v2/live", json={})
        job_id = opened.json()["id"]
        own = f"G-{job_id[:8]}"
        answers = [
            opened,
            await client.get(f"/v2/live/{job_id}"),
            await client.patch(f"/v2/live/{job_id}", json={}),
            await client.delete(f"/v2/live/{job_id}"),
        ]
        assert [each.headers["x-gladia-request-id"] for each in answers] == [own] * 4
        assert answers[3].json()["request_id"] == own
        for path in ("/health", "/v2/live", "/nowhere", "/v2/live/short"):
            told = (await client.get(path)).headers["x-gladia-request-id"]
            assert re.fullmatch(r"G-[0-9a-f]{8}", told)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "text/plain", ""])
async def test_content_types(kind: str) -> None:
    """The body is JSON whatever its type says: tools often forget to say so."""
    async with service() as (client, _):
        answer = await client.post(
            "/v2/live", content=b'{"channels": 9}', headers={"content-type": kind}
        )
    assert answer.json()["validation_errors"] == ['Field "channels" must not be greater than 8']


async def test_everything_wrong_at_once() -> None:
    """One answer names every field that is wrong, the query's too, each in a string of its own."""
    body = {
        "encoding": "mp3",
        "bit_depth": 12,
        "sample_rate": 22050,
        "channels": "two",
        "endpointing": 11,
        "maximum_duration_without_endpointing": 4,
        "pre_processing": {"speech_threshold": 1.5},
        "language_config": {"languages": ["en", "xx"], "code_switching": 1},
        "realtime_processing": {
            "custom_vocabulary_config": {},
            "translation_config": {"target_languages": []},
        },
        "post_processing": {"summarization_config": {"type": "long"}},
        "messages_config": {"receive_errors": "yes"},
        "custom_metadata": {"long": "x" * 2000},
    }
    async with service() as (client, _):
        answer = await client.post("/v2/live?region=moon", json=body)
    errors = answer.json()["validation_errors"]
    assert all(isinstance(error, str) for error in errors)
    assert [error.split('"')[1] for error in errors] == [
        "encoding",
        "bit_depth",
        "sample_rate",
        "channels",
        "endpointing",
        "maximum_duration_without_endpointing",
        "pre_processing.speech_threshold",
        "language_config.languages[1]",
        "language_config.code_switching",
        "realtime_processing.custom_vocabulary_config.vocabulary",
        "realtime_processing.translation_config.target_languages",
        "post_processing.summarization_config.type",
        "messages_config.receive_errors",
        "custom_metadata",
        "region",
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[1]", 400),
        (b"{", 400),
        (b'{"a":"' + b"x" * 99_990 + b'"}', 204),
        (b'{"a":"' + b"x" * 100_000 + b'"}', 413),
    ],
)
async def test_patch(body: bytes, status: int) -> None:
    """Metadata can be any object of up to 100 kB."""
    async with service() as (client, _):
        job_id = (await client.post("/v2/live", json={})).json()["id"]
        answer = await client.patch(f"/v2/live/{job_id}", content=body)
        assert answer.status_code == status
        if status == 413:
            assert answer.json()["message"] == "payload too large"
        job = (await client.get(f"/v2/live/{job_id}")).json()
        assert bool(job["post_session_metadata"]) is (status == 204)


async def test_list_filters_and_links() -> None:
    """Every filter narrows what the others leave, and a page's links keep them all."""
    async with service() as (client, box):
        metadata = [{"n": 7, "ok": True}, {"n": 8, "ok": True}, {"n": 7, "ok": False}]
        ids = []
        for each in metadata:
            answer = await client.post("/v2/live", json={"custom_metadata": each})
            ids.append(answer.json()["id"])
        today = box.now().date()

        async def listed(**query: Any) -> list[int]:
            page = (await client.get("/v2/live", params=query)).json()
            return [ids.index(item["id"]) for item in page["items"]]

        assert await listed(**{"custom_metadata[n]": 7}) == [2, 0]
        for spelled in ("True", "true"):  # as Python and as JavaScript write it
            assert await listed(**{"custom_metadata[ok]": spelled}) == [1, 0]
        assert await listed(custom_metadata='{"n":7,"ok":true}') == [0]
        assert await listed(**{"custom_metadata[n]": 7, "custom_metadata[ok]": "true"}) == [0]
        assert await listed(date=today) == [2, 1, 0]
        assert await listed(date=f"{today}T23:59:59Z") == [2, 1, 0]
        assert await listed(date=today - timedelta(days=1)) == []
        assert await listed(date=today, before_date=today) == []
        assert await listed(date=today, after_date=today + timedelta(days=1)) == []
        assert await listed(offset=1, limit=1) == [1]
        assert await listed(offset=3) == []
        query = {"limit": 1, "status": ["queued", "done"], "custom_metadata[n]": "7"}
        page = (await client.get("/v2/live", params=query)).json()
        seen = []
        while page["next"]:
            seen.append(ids.index(page["items"][0]["id"]))
            page = (await client.get(page["next"])).json()
        assert [*seen, ids.index(page["items"][0]["id"])] == [2, 0]
        assert (await client.get(page["first"])).json()["items"][0]["id"] == ids[2]


async def test_recording_while_another_is_made() -> None:
    """A finished recording can be fetched while another client sends audio."""
    async with service() as (client, _):
        job_id = await play(client, {})
        answer = (await client.post("/v2/live", json={})).json()
        async with dial(answer["url"]) as websocket:
            await websocket.send_message(bytes(SECOND))
            file = await client.get(f"/v2/live/{job_id}/file")
            await websocket.send_message(bytes(SECOND))
            assert (await client.get(f"/v2/live/{answer['id']}/file")).status_code == 404
        assert file.content[44:] == bytes(range(256)) * 250


async def test_session_without_audio_has_no_file() -> None:
    """A session that was stopped before any audio is done, and there is nothing to fetch."""
    async with service() as (client, _):
        answer = (await client.post("/v2/live", json={})).json()
        async with dial(answer["url"]) as websocket:
            await websocket.send_message(m.STOP_RECORDING)
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await websocket.get_message()
        job = (await client.get(f"/v2/live/{answer['id']}")).json()
        assert (job["status"], job["file"]) == ("done", None)
        assert (await client.get(f"/v2/live/{answer['id']}/file")).status_code == 404
