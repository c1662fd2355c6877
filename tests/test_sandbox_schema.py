"""Every message and every body, against types that were written from the protocol's reference."""

from __future__ import annotations

import io
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import combinations, product
from random import Random
from typing import Any

import av
import httpx
import msgspec
import numpy as np
import pytest
import schema
import soundfile
import trio
import trio.testing
from gladiaio_sdk.v2.live import generated_types as sdk
from sandboxes import ALL, Client, sandbox, scripted, words

from replay.audio import AudioFormat
from replay.errors import MachineError
from replay.pcm import to_floats
from replay.sandbox.app import make_app
from replay.sandbox.hub import Entry, Sandbox
from replay.sandbox.latency import Spread
from replay.sandbox.recognizers.scripted import Script
from replay.sandbox.result import fitting
from replay.wire import messages as m
from replay.wire.config import SessionConfig, complete

BASE = "http://sandbox:8765"


class Reader(Client):
    """A client that holds each message against the reference, and against the published client's
    own types."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.texts: list[str] = []

    async def send(self, text: str) -> None:
        schema.message(text)
        theirs = sdk.create_live_v2_web_socket_message_from_json(text)
        assert not isinstance(theirs, sdk.LiveV2UnknownWebSocketMessage)
        await super().send(text)
        self.texts.append(text)


async def join(nursery: trio.Nursery, entry: Entry) -> Reader:
    """A new connection to a session."""
    reader = Reader()
    nursery.start_soon(entry.live.serve, reader)
    await trio.testing.wait_all_tasks_blocked()
    return reader


def web(box: Sandbox) -> httpx.AsyncClient:
    """The sandbox's routes without a socket."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=make_app(box)), base_url=BASE)


@asynccontextmanager
async def place(
    script: Script, **settings: Any
) -> AsyncIterator[tuple[Sandbox, httpx.AsyncClient, trio.Nursery]]:
    """A sandbox that says `script`, its routes, and room for connections."""
    async with (
        sandbox(scripted(script, partial=Spread(0.05), final=Spread(0.2)), **settings) as box,
        web(box) as client,
        trio.open_nursery() as nursery,
    ):
        yield box, client, nursery
        nursery.cancel_scope.cancel()


async def job_of(client: httpx.AsyncClient, entry: Entry) -> schema.Job:
    """The session's job, held against the reference, the published client's types and the list."""
    answer = await client.get(f"/v2/live/{entry.live.id}")
    assert answer.status_code == 200
    sdk.LiveV2Response.from_dict(answer.json())
    found = schema.job(answer.content)
    page = await client.get("/v2/live?limit=1")
    sdk.LiveV2ListResponse.from_dict(page.json())
    assert schema.listing(page.content).items == [found]
    return found


# ------------------------------------------------------------------ every feature, pairwise

ENCODINGS = [("wav/pcm", 8), ("wav/pcm", 16), ("wav/pcm", 24), ("wav/pcm", 32)]
ENCODINGS += [("wav/alaw", 8), ("wav/ulaw", 8)]
FEATURES: dict[str, list[Any]] = {
    "encoding": ENCODINGS,
    "rate": [8000, 16000, 32000, 44100, 48000],
    "channels": [1, 2, 3, 8],
    "frames": ["binary", "text", "mixed", "whole"],
    "header": ["none", "plain", "zero", "endless", "extensible", "other"],
    "trouble": ["none", "cut", "going away", "taken over", "cut after stop"],
    "ending": ["stop", "close", "idle", "gone", "limit"],
}


def pairwise() -> list[dict[str, Any]]:
    """Few sessions in which any two values of any two features meet."""
    rng = Random(4)
    names = list(FEATURES)
    everything = list(product(*FEATURES.values()))

    def pairs(row: tuple[Any, ...]) -> set[tuple[Any, ...]]:
        return set(combinations(enumerate(row), 2))

    missing = set().union(*map(pairs, everything))
    rows = []
    while missing:
        row = max(rng.sample(everything, 200), key=lambda each: len(missing & pairs(each)))
        missing -= pairs(row)
        rows.append(dict(zip(names, row, strict=True)))
    return rows


def body_of(case: dict[str, Any]) -> dict[str, Any]:
    encoding, bits = case["encoding"]
    return {
        **ALL,
        "encoding": encoding,
        "bit_depth": bits,
        "sample_rate": case["rate"],
        "channels": case["channels"],
        "endpointing": 0.2,
        "language_config": {"languages": ["en"]},
        "custom_metadata": {"case": 1},
    }


def header_of(kind: str, fmt: AudioFormat, size: int) -> bytes:
    """A WAV header as the wild has them."""
    tag, rate = fmt.encoding.value, fmt.sample_rate
    if kind == "other":
        rate = 22050  # not what the session was opened with
    form = struct.pack(
        "<HHIIHH",
        *(0xFFFE if kind == "extensible" else tag, fmt.channels, rate),
        *(fmt.bytes_per_second, fmt.frame_bytes, fmt.bit_depth),
    )
    if kind == "extensible":
        guid = struct.pack("<H", tag) + bytes.fromhex("000000001000800000aa00389b71")
        form += struct.pack("<HHI", 22, fmt.bit_depth, 0) + guid
    size = {"zero": 0, "endless": 0xFFFFFFFF}.get(kind, size)
    extra = b"LIST" + struct.pack("<I", 5) + b"odd!!\x00"
    whole = b"WAVEfmt " + struct.pack("<I", len(form)) + form + extra + b"data"
    return b"RIFF" + struct.pack("<I", size) + whole + struct.pack("<I", size)


def pieces(stream: bytes, kind: str, per_second: int) -> Iterator[str | bytes]:
    """The session's bytes as frames: some are empty, and few end where a sample does."""
    if kind == "whole":
        yield stream
        return
    yield from [stream[:3], b"", stream[3:10]] if kind == "binary" else [m.audio_frame(stream[:10])]
    at = 10
    step = per_second // 10 + 1
    for number, start in enumerate(range(at, len(stream), step)):
        piece = stream[start : start + step]
        text = kind == "text" or (kind == "mixed" and number % 2)
        yield m.audio_frame(piece) if text else piece
    yield m.audio_frame(b"")


SPEECH = Script(
    [
        word
        for channel in range(8)
        for word in words(
            ("Good", 0.1 + channel / 100, 0.3), ("day.", 0.3, 0.5), ("Bye.", 0.9, 1.2),
            channel=channel,
        )
    ]
)  # fmt: skip
SECONDS = 1.5
PARAMS = {name for name in SessionConfig.__struct_fields__ if name != "custom_metadata"}


@pytest.mark.parametrize("case", pairwise(), ids=lambda case: "-".join(map(str, case.values())))
async def test_every_feature(case: dict[str, Any], autojump_clock: trio.testing.MockClock) -> None:
    """Whatever is combined, each message and each body is what the reference says, nothing is
    lost or told twice, and the recording can be played."""
    body = body_of(case)
    fmt = complete(body).format
    audio = Random(7).randbytes(fmt.bytes_in(SECONDS))
    header = b"" if case["header"] == "none" else header_of(case["header"], fmt, len(audio))
    limit = SECONDS if case["ending"] == "limit" else None
    async with place(SPEECH, max_seconds=limit, session_timeout=60) as (box, client, nursery):
        answer = await client.post("/v2/live?region=eu-west", json=body)
        assert answer.status_code == 201
        entry = box.find(schema.opened(answer.content).id)
        assert (await job_of(client, entry)).status == "queued"
        readers = [await join(nursery, entry)]
        frames = list(pieces(header + audio, case["frames"], fmt.bytes_per_second))
        middle = len(frames) // 2
        await readers[-1].say(*frames[:middle])
        assert (await job_of(client, entry)).status == "processing"
        if case["trouble"] in ("cut", "going away", "taken over"):
            await trouble(case["trouble"], readers, nursery, entry)
        await readers[-1].say(*frames[middle:])
        await finish(case["ending"], readers[-1])
        if case["trouble"] == "cut after stop" and case["ending"] == "stop":
            await trouble("cut", readers, nursery, entry)
        await trio.sleep(200)
        job = await job_of(client, entry)
        file = await client.get(f"/v2/live/{entry.live.id}/file")
    assert job.status == "done"
    check_result(case, job, fmt, len(audio))
    check_messages(case, job, readers, len(header + audio))
    check_file(file, fmt, audio)


async def trouble(kind: str, readers: list[Reader], nursery: trio.Nursery, entry: Entry) -> None:
    """The connection ends without the session, and the client comes back."""
    if kind != "taken over":
        readers[-1].hang_up(1001 if kind == "going away" else 1006)
        await trio.sleep(5)
    readers.append(await join(nursery, entry))


async def finish(ending: str, reader: Reader) -> None:
    match ending:
        case "stop":
            await reader.say(m.STOP_RECORDING, m.STOP_RECORDING, b"late", "nonsense")
        case "close":
            reader.hang_up(1000)
        case "gone":
            reader.hang_up(4500)
        case "idle":
            await trio.sleep(40)
            assert reader.closed is not None
            assert reader.closed[0] == 4408


def check_result(case: dict[str, Any], job: schema.Job, fmt: AudioFormat, size: int) -> None:
    assert job.result is not None
    assert isinstance(job.request_params, schema.Params)
    assert {name for name in PARAMS if hasattr(job.request_params, name)} == PARAMS
    assert job.custom_metadata == {"case": 1}
    result = job.result
    assert result.metadata.audio_duration == fmt.seconds(size)
    assert result.metadata.number_of_distinct_channels == fmt.channels
    assert result.metadata.billing_time == pytest.approx(fmt.seconds(size) * fmt.channels)
    # A stream of utterances for each channel.
    said = [(each.channel, each.text) for each in result.transcription.utterances]
    expected = [(k, text) for text in (" Good day.", " Bye.") for k in range(fmt.channels)]
    assert sorted(said) == sorted(expected)


def check_messages(
    case: dict[str, Any], job: schema.Job, readers: list[Reader], received: int
) -> None:
    assert job.result is not None
    told = [text for reader in readers for text in reader.texts]
    filed = job.result.messages
    assert all(isinstance(text, str) for text in filed)
    acks = ('"type":"audio_chunk"', '"type":"stop_recording"')
    passed = [text for text in told if not any(kind in text for kind in acks)]
    assert set(passed) <= set(filed)
    if case["ending"] in ("stop", "limit"):
        # All that is worth keeping arrived, each once.
        kept = [text for text in filed if '"is_final":false' not in text]
        assert [text for text in passed if '"is_final":false' not in text] == kept
        assert readers[-1].closed == (1000, "")
    ids = [
        message.data.id
        for message in map(schema.message, filed)
        if isinstance(message, schema.Transcript) and message.data.is_final
    ]
    channels = case["channels"]
    assert sorted(ids) == [f"{k:02d}_{n:08d}" for k in range(channels) for n in range(2)]
    ranges = [each for reader in readers for each in reader.ranges()]
    assert ranges[0][0] == 0
    assert [end for _, end in ranges[:-1]] == [start for start, _ in ranges[1:]]
    assert ranges[-1][1] == received


def check_file(file: httpx.Response, fmt: AudioFormat, audio: bytes) -> None:
    """Two players understand the recording, and hear what was sent."""
    assert file.headers["content-type"] == "application/octet-stream"
    assert file.content[44:] == audio
    with soundfile.SoundFile(io.BytesIO(file.content)) as wav:
        assert (wav.samplerate, wav.channels) == (fmt.sample_rate, fmt.channels)
        heard = wav.read(dtype="float32", always_2d=True)
    np.testing.assert_allclose(heard, to_floats(audio, fmt), atol=1e-6)
    with av.open(io.BytesIO(file.content)) as container:
        (stream,) = container.streams.audio
        assert (stream.rate, stream.channels) == (fmt.sample_rate, fmt.channels)
        assert sum(frame.samples for frame in container.decode(stream)) == len(heard)


# ------------------------------------------------------------------ failures

REFUSED = [
    ("POST", "/v2/live", b'{"channels": 9, "endpointing": 0}', 400),
    ("POST", "/v2/live", b"{", 400),
    ("POST", "/v2/live", b"[]", 400),
    ("POST", "/v2/live?region=mars", b"", 400),
    ("POST", "/v2/live?region=us-west", b"", 403),
    ("POST", "/v2/live", b"", 429),
    ("GET", "/v2/live?limit=0&status=x&date=y&custom_metadata=z&offset=-1", b"", 400),
    ("GET", "/v2/live/{gone}", b"", 404),
    ("GET", "/v2/live/{id}/file", b"", 404),
    ("GET", "/v2/live/{gone}/file", b"", 404),
    ("PATCH", "/v2/live/{id}", b"7", 400),
    ("PATCH", "/v2/live/{id}", b" " * 100_001, 413),
    ("PATCH", "/v2/live/{gone}", b"{}", 404),
    ("DELETE", "/v2/live/{id}", b"", 403),
    ("DELETE", "/v2/live/{gone}", b"", 404),
    ("PUT", "/v2/live", b"", 404),
    ("GET", "/nowhere", b"", 404),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), REFUSED)
async def test_every_refusal(method: str, path: str, body: bytes, status: int) -> None:
    """Each refusal has the one error body, which says nothing but the truth."""
    async with place(SPEECH, concurrency=1, regions=("eu-west",)) as (box, client, _):
        path = path.format(id=box.init({}).live.id, gone="0" * 8)
        answer = await client.request(method, path, content=body)
        assert answer.status_code == status
        told = schema.refusal(status, path.split("?")[0], answer.content)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-gladia-request-id"] == told.request_id


@pytest.mark.parametrize(
    ("key", "said"),
    [({}, "no gladia key provided"), ({"X-Gladia-Key": "x"}, "gladia user not found")],
)
async def test_refusals_for_the_key(key: dict[str, str], said: str) -> None:
    """Without the key, and with another, the error body says so."""
    async with place(SPEECH, api_key="secret") as (_, client, _):
        answer = await client.post("/v2/live", headers=key)
        assert schema.refusal(401, "/v2/live", answer.content).message == said


async def test_session_that_breaks_down(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job of a session that failed has every key too, and the code of its error."""
    async with place(SPEECH) as (box, client, nursery):
        entry = box.init(ALL)
        reader = await join(nursery, entry)
        await reader.say(bytes(16000))

        def full(_data: bytes) -> None:
            raise MachineError("no space left")

        monkeypatch.setattr(entry.live.store, "append", full)
        await reader.say(bytes(16000))
        await trio.sleep(1)
        job = await job_of(client, entry)
    assert (job.status, job.error_code, job.result) == ("error", 500, None)
    assert job.file is not None
    assert reader.closed is not None


# ------------------------------------------------------------------ which messages come

GROUPS = {
    "receive_partial_transcripts": {"partial"},
    "receive_final_transcripts": {"final"},
    "receive_speech_events": {"speech_start", "speech_end"},
    "receive_pre_processing_events": set[str](),
    "receive_realtime_processing_events": set[str](),  # nothing of the kind was asked for
    "receive_post_processing_events": {"post_transcript", "post_final_transcript"},
    "receive_acknowledgments": {"audio_chunk", "stop_recording"},
    "receive_errors": set[str](),
    "receive_lifecycle_events": {"start_recording", "end_recording", "end_session"},
}
OFF = {"receive_partial_transcripts", "receive_lifecycle_events"}


@pytest.mark.parametrize("turned", [None, *GROUPS])
async def test_each_flag_gates_its_messages(
    turned: str | None, autojump_clock: trio.testing.MockClock
) -> None:
    """A flag that is given turns its own messages on or off; the others keep their defaults."""
    flags = {} if turned is None else {turned: turned in OFF}
    async with place(SPEECH) as (box, _, nursery):
        reader = await join(nursery, box.init({"messages_config": flags}))
        await reader.say(bytes(64000), m.STOP_RECORDING)
        await trio.sleep(5)
    came = {kind_of(schema.message(text)) for text in reader.texts}
    on = (set(GROUPS) - OFF) ^ ({turned} if turned else set())
    assert came == set().union(*(GROUPS[name] for name in on))
    assert reader.closed == (1000, "")


def kind_of(message: Any) -> str:
    if isinstance(message, schema.Transcript):
        return "final" if message.data.is_final else "partial"
    return str(message.__struct_config__.tag)


# ------------------------------------------------------------------ the longest session


async def test_three_hours(autojump_clock: trio.testing.MockClock) -> None:
    """A session of three hours of speech ends by itself as if stopped; no message of it is over
    1 MiB, and the job has every word."""
    script = Script(words(*((f"word{k}", k * 0.4, k * 0.4 + 0.3) for k in range(50))))
    fmt = AudioFormat(sample_rate=8000, bit_depth=8)
    config = {"bit_depth": 8, "sample_rate": 8000, "endpointing": 0.3}
    async with (
        sandbox(scripted(script, repeat=20.0)) as box,
        web(box) as client,
        trio.open_nursery() as nursery,
    ):
        entry = box.init(config)
        reader = await join(nursery, entry)
        for _ in range(3 * 60):
            await reader.say(fmt.silence(fmt.bytes_in(60)))
            reader.heard.clear()
        await trio.sleep(1)
        job = schema.job((await client.get(f"/v2/live/{entry.live.id}")).content)
    assert reader.closed == (1000, "")
    assert job.result is not None
    assert job.result.metadata.audio_duration == 3 * 3600
    assert sum(len(each.words) for each in job.result.transcription.utterances) == 27_000
    told = [schema.message(text) for text in reader.texts[-3:]]
    (final,) = [each for each in told if isinstance(each, schema.PostFinalTranscript)]
    assert len(final.data.transcription.full_transcript.split()) == 27_000


def test_a_transcript_that_no_message_holds() -> None:
    """Of more text than fits into a message, its beginning is told, in whole words."""
    text = " ".join(["caf\u00e9"] * 400_000)
    whole = m.Transcription(full_transcript=text, languages=["en"], utterances=[])
    told = fitting(whole).full_transcript
    assert text.startswith(told + " ")
    assert 990_000 < len(msgspec.json.encode(told)) <= 1_000_000
    assert fitting(msgspec.structs.replace(whole, full_transcript=told)).full_transcript == told


def test_the_reference_refuses_what_is_wrong() -> None:
    """Planted: a missing key, one too many, and a wrong value are each found."""
    good = (
        '{"session_id":"0b7e1f3c-5a7d-4e0e-9a35-6f1f0f4f9a01",'
        '"created_at":"2026-11-22T09:00:00.000Z","type":"speech_end","data":{"time":1,"channel":0}}'
    )
    schema.message(good)
    for old, new in [
        (',"channel":0', ""),
        ('"time":1', '"time":-1'),
        ('"data"', '"more":1,"data"'),
        ("00.000Z", "00Z"),
        ("speech_end", "speech_stop"),
        ("-4e0e-", "-4e0-"),
    ]:
        with pytest.raises(msgspec.ValidationError):
            schema.message(good.replace(old, new))
