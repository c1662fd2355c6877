"""What is not known of the service is a choice here: what each one does, over real sockets."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click
import pytest
import trio
from sandboxes import ALL, GOOD_DAY, dial, join, sandbox, scripted
from test_sandbox_http import play, service

from replay.audio import AudioFormat, Encoding, wav_header
from replay.cli.sandbox import command, settings_from
from replay.errors import UsageError
from replay.sandbox.recognizers.silent import SilentRecognizer
from replay.sandbox.settings import Settings
from replay.wire import messages as m


async def test_concurrency() -> None:
    """One session more than may be live gets 429, the error body and Retry-After; one that was
    stopped makes room before it is done."""
    async with service(concurrency=2) as (client, box):
        urls = [(await client.post("/v2/live", json={})).json()["url"] for _ in range(2)]
        refused = await client.post("/v2/live", json={})
        assert refused.status_code == refused.json()["statusCode"] == 429
        assert refused.json()["message"] == "Too many requests: 2 live sessions at a time"
        assert refused.headers["retry-after"] == "1"
        assert len(list(box.newest_first())) == 2
        async with dial(urls[0]) as websocket:
            await websocket.send_message(m.STOP_RECORDING)
            while not isinstance(m.decode(await websocket.get_message()), m.StopAck):
                pass
            assert (await client.post("/v2/live", json={})).status_code == 201
            assert (await client.post("/v2/live", json={})).status_code == 429


async def test_wrong_bodies_come_before_the_limit() -> None:
    """A body that is wrong is told so, whether or not there would be room for it."""
    async with service(concurrency=1) as (client, _):
        await client.post("/v2/live", json={})
        assert (await client.post("/v2/live", json={"channels": 0})).status_code == 400


UNKNOWN = {
    "region": "eu-west",
    "language_config": {"languages": ["en"], "dialect": "x"},
    "realtime_processing": {"words_accurate_timestamps": True},
    "post_processing": {"chapterization": True},
    "custom_metadata": {"anything": {"goes": 1}},
}


async def test_unknown_fields_refused() -> None:
    """Where asked to, every unknown field is named, at any depth; legacy ones are known, and
    metadata are free."""
    async with service(unknown_fields="refuse") as (client, _):
        answer = await client.post("/v2/live", json=UNKNOWN)
        assert answer.status_code == 400
        errors = answer.json()["validation_errors"]
        named = [text.split('"')[1] for text in errors]
        assert named == ["region", "language_config.dialect"]
        assert all("is unknown" in text for text in errors)
    async with service() as (client, _):
        assert (await client.post("/v2/live", json=UNKNOWN)).status_code == 201


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("", 201, None),
        ("?region=us-west", 201, None),
        ("?region=eu-west", 403, "Region eu-west is not allowed"),
        ("?region=mars", 400, "Validation error"),
    ],
)
async def test_regions(query: str, status: int, said: str | None) -> None:
    """A region that the service has and this sandbox has not is forbidden; one that there is not
    is a mistake; none at all is any."""
    async with service(regions=("us-west",)) as (client, _):
        answer = await client.post(f"/v2/live{query}", json={})
    assert answer.status_code == status
    assert answer.json().get("message") == said


@pytest.mark.parametrize("told", [False, True])
async def test_start_session(autojump_clock: trio.testing.MockClock, told: bool) -> None:
    """`start_session` comes over the websocket only where that was chosen, first and once."""
    async with (
        sandbox(scripted(GOOD_DAY), start_session=told) as box,
        trio.open_nursery() as nursery,
    ):
        entry = box.init(ALL)
        first = await join(nursery, entry)
        await first.say(bytes(100))
        first.hang_up()
        second = await join(nursery, entry)
        await second.say(bytes(100))
        nursery.cancel_scope.cancel()
    assert first.kinds() == ["start_session"] * told + ["start_recording"]
    assert second.kinds() == []


async def test_model_the_service_has_not(caplog: pytest.LogCaptureFixture) -> None:
    """Any model is taken, as the service's types say; another than the known one gets a line in
    the log."""
    async with service() as (client, _):
        for model in ("solaria-1", "solaria-2"):
            assert (await client.post("/v2/live", json={"model": model})).status_code == 201
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == ["model 'solaria-2': the service has only solaria-1"]


@pytest.mark.parametrize(
    ("asked", "other"),
    [([], ""), (["en"], ""), (["de"], "de"), (["fr", "en", "de"], "fr, de")],
)
async def test_language_nobody_understands(
    asked: list[str], other: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """A session that asks for a language the recogniser has not gets one line in the log, also
    when the sandbox is restarted."""

    class English(SilentRecognizer):
        name = "small"
        languages = frozenset({"en"})

    body = {"channels": 2, "language_config": {"languages": asked}}
    async with sandbox(English(), data=tmp_path) as box:
        job_id = box.init(body).live.id
    async with sandbox(English(), data=tmp_path):
        pass
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    line = (
        f"session {job_id} asks for {other}, but the small recogniser understands en alone: "
        "whatever is said is written, and marked, as that"
    )
    assert told == [line] * bool(other)


def chosen(*words: str) -> Settings:
    """The settings that a command line comes to."""
    with command.make_context("sandbox", list(words)) as context:
        return settings_from(context.params)


def test_options(tmp_path: Path) -> None:
    """Each choice has an option, and the defaults are those of the library."""
    assert chosen() == Settings()
    told: dict[str, Any] = {
        "--concurrency=3": ("concurrency", 3),
        "--unknown-fields=refuse": ("unknown_fields", "refuse"),
        "--region=us-west": ("regions", ("us-west",)),
        "--api-key=made-up": ("api_key", "made-up"),
        "--start-session": ("start_session", True),
        "--commit=ack": ("commit", "ack"),
        "--max-frame=1MiB": ("max_frame", 1 << 20),
        "--session-timeout=9s": ("session_timeout", 9.0),
        "--idle-timeout=0": ("idle_timeout", None),
    }
    settings = chosen(*told)
    for name, value in told.values():
        assert getattr(settings, name) == value
    (tmp_path / "key").write_text("from-file\n")
    assert chosen(f"--api-key-file={tmp_path / 'key'}").api_key == "from-file"


def test_options_that_are_none(tmp_path: Path) -> None:
    """A limit of none, a region that there is not, and two keys are refused."""
    for word in ("--concurrency=0", "--region=mars", "--unknown-fields=maybe"):
        with pytest.raises(click.UsageError):
            chosen(word)
    with pytest.raises(UsageError, match="give one of them"):
        chosen("--api-key=a", f"--api-key-file={tmp_path / 'key'}")


async def test_jobs_need_the_key_too() -> None:
    """Every route that is about sessions wants the key; what is public does not."""
    async with service(api_key="secret") as (client, _):
        for path in ("/v2/live", "/v2/live/x", "/v2/live/x/file", "/v2/transcription"):
            assert (await client.get(path)).status_code == 401
        for path in ("/health", "/v1/models"):
            assert (await client.get(path)).status_code == 200
        right = {"x-gladia-key": "secret"}
        answer = await client.post("/v2/live", json={}, headers=right)
        async with dial(answer.json()["url"]) as websocket:  # the token is enough
            await websocket.send_message(b"")
            assert isinstance(m.decode(await websocket.get_message()), m.AudioAck)


async def test_session_as_before() -> None:
    """With every choice made, a session still works from end to end."""
    choices: dict[str, Any] = {"unknown_fields": "refuse", "regions": ("eu-west",)}
    async with service(concurrency=1, start_session=True, **choices) as (client, _):
        for _ in range(2):
            await play(client, ALL)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (AudioFormat(), None),
        (
            AudioFormat(sample_rate=8000, channels=2),
            "channels 2, not 1; sample rate 8000, not 16000",
        ),
        (AudioFormat(Encoding.ULAW, bit_depth=8), "format tag 7, not 1; bits 8, not 16"),
    ],
)
async def test_header_that_differs(
    declared: AudioFormat,
    said: str | None,
    caplog: pytest.LogCaptureFixture,
    autojump_clock: trio.testing.MockClock,
) -> None:
    """What the session was opened with counts, not a header that says something else; that gets a
    line in the log."""
    async with sandbox() as box, trio.open_nursery() as nursery:
        client = await join(nursery, box.init({}))
        header = wav_header(declared, None)
        await client.say(header[:20], header[20:], bytes(32000))
        assert client.all(m.AudioAck)[-1].data.time_range == (0, 1)
        nursery.cancel_scope.cancel()
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == ([f"the header of the audio differs from the session: {said}"] if said else [])
