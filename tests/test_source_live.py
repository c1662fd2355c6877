"""Streams over real sockets on this machine: live ones and finished ones, stalls and captures."""

import os
import socket
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import trio
from recordings import FIXTURES, TENTH, check_source, items_of, likeness, played, samples
from streams import MORNING, free_port, send, serve, speech

from replay.audio import AudioFormat, Chunk
from replay.errors import SourceError
from replay.source import Shape, SourceEvent, SourceSpec, open_source
from replay.source.spec import Item


async def listened(spec: SourceSpec, sender: partial[None]) -> tuple[list[Item], SourceEvent]:
    """Everything a live source gave while `sender` ran in a thread, and its last event."""
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, sender)
            async with open_source(spec, Shape(), TENTH) as source:
                assert source.facts.live
                items = await items_of(source)
    chunks = [item for item in items if isinstance(item, Chunk)]
    assert all(chunk.arrival is not None for chunk in chunks)
    last = items[-1]
    assert isinstance(last, SourceEvent)
    return items, last


def audio_of(items: list[Item]) -> bytes:
    return b"".join(item.data for item in items if isinstance(item, Chunk))


def heard_in(items: list[Item], sound: np.ndarray) -> float:
    """How like a part of `sound` the received audio is, wherever in it that part begins."""
    got = samples(audio_of(items), AudioFormat())[:, 0]
    middle = got[len(got) // 4 : len(got) * 3 // 4]
    full = np.correlate(sound.astype(float), middle, mode="valid")
    at = int(full.argmax())
    return likeness(middle, sound[at : at + len(middle)].astype(float))


async def test_udp_mpegts() -> None:
    """Packets bear their arrival; silence ends a stream that has no other end."""
    url = f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    sender = partial(send, f"{url}?pkt_size=1316", "mpegts", 3, options={"flush_packets": "1"})
    items, last = await listened(SourceSpec(url, timeout=1.5), sender)
    assert last.event == "ended"
    assert "gave nothing for 1.5 s" in last.detail
    assert len(audio_of(items)) > 32000
    assert heard_in(items, speech(3)) > 0.9
    arrivals = [item.arrival for item in items if isinstance(item, Chunk) and item.arrival]
    assert arrivals == sorted(arrivals)
    assert arrivals[-1] - arrivals[0] > 0.5  # as it came, not as fast as it could be decoded


async def test_rtp() -> None:
    """A payload type that says its codec needs no description."""
    url = f"rtp://127.0.0.1:{free_port(socket.SOCK_DGRAM) // 2 * 2}"
    sender = partial(send, url, "rtp", 3, codec="pcm_mulaw", rate=8000)
    items, last = await listened(SourceSpec(url, timeout=1.5), sender)
    assert last.event == "ended"
    assert len(audio_of(items)) > 32000


@pytest.mark.parametrize("kind", ["rtsp", "rtmp"])
async def test_pushed_to_us(kind: str, tmp_path: Path) -> None:
    """`?listen` waits for somebody to push, and keeps what came where that is asked for."""
    url = f"{kind}://127.0.0.1:{free_port()}/app/key"
    options = {"rtsp_transport": "tcp"} if kind == "rtsp" else {}
    sender = partial(send, url, {"rtsp": "rtsp", "rtmp": "flv"}[kind], 2.5, options=options)
    kept = tmp_path / "kept.mka"
    spec = SourceSpec(f"{url}?listen", timeout=5.0, capture=kept)
    items, last = await listened(spec, sender)
    assert last.event == "ended"
    assert len(audio_of(items)) == pytest.approx(2.5 * 32000, rel=0.15)
    assert heard_in(items, speech(2.5)) > 0.9
    again, events, source = await played(SourceSpec(str(kept)))
    assert source.facts.codec == "aac"
    assert events == []
    assert len(again) == pytest.approx(len(audio_of(items)), rel=0.05)


def _hls(folder: Path, seconds: float) -> None:
    send(
        str(folder / "live.m3u8"),
        "hls",
        seconds,
        options={"hls_time": "0.5", "hls_list_size": "0", "hls_flags": "temp_file"},
    )


async def _first_segments(folder: Path) -> None:
    playlist = folder / "live.m3u8"
    with trio.fail_after(60):
        while not playlist.exists() or playlist.read_text().count("#EXTINF") < 2:  # noqa: ASYNC110
            await trio.sleep(0.02)


async def test_hls_live_and_finished(tmp_path: Path) -> None:
    """A playlist that grows is live until its end is written; then it is a recording."""
    with serve(tmp_path) as base, trio.fail_after(60):
        url = f"{base}/live.m3u8"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, _hls, tmp_path, 4)
            await _first_segments(tmp_path)
            async with open_source(SourceSpec(url), Shape(), TENTH) as source:
                assert source.facts.live
                items = await items_of(source)
        assert isinstance(items[-1], SourceEvent)
        assert (items[-1].event, items[-1].detail) == ("ended", "the stream ended")
        assert heard_in(items, speech(4)) > 0.9
        got, events, source = await played(SourceSpec(url))
    assert events == []
    assert not source.facts.live
    assert source.facts.seconds == pytest.approx(4, abs=0.2)
    assert len(got) == pytest.approx(4 * 32000, rel=0.05)


async def test_a_file_over_http_is_a_recording(tmp_path: Path) -> None:
    """It has a length, can be cut and looped, and equals the file on disk."""
    want, _, _ = await played(SourceSpec(str(MORNING), start=1, duration=0.55, loops=2))
    with serve(FIXTURES) as base:
        url = f"{base}/good-morning.wav?token=secret"
        spec = SourceSpec(url, start=1, duration=0.55, loops=2)
        got, events, source = await played(spec)
        await check_source(lambda: open_source(spec, Shape(), TENTH), TENTH)
        with pytest.raises(SourceError, match=r"HTTP 404"):
            await played(SourceSpec(f"{base}/no.wav"))
    assert got == want
    assert [event.event for event in events] == ["looped"]
    assert not source.facts.live
    assert source.facts.name == f"{base}/good-morning.wav"
    assert source.facts.seconds == pytest.approx(1.1)


async def test_a_live_stream_cannot_be_looped() -> None:
    """It comes only once."""
    url = f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    sender = partial(send, f"{url}?pkt_size=1316", "mpegts", 2)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, sender)
            with pytest.raises(SourceError, match="cannot be looped"):
                await played(SourceSpec(url, loops=2, timeout=5))


async def test_a_pipe_that_pauses_stalls_and_resumes(tmp_path: Path) -> None:
    """A pause longer than a second is told of when it is noticed, and when it is over."""
    data = MORNING.read_bytes()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    more = threading.Event()

    def write() -> None:
        with fifo.open("wb") as pipe:
            pipe.write(data[:150_000])
            pipe.flush()
            more.wait()
            pipe.write(data[150_000:])

    items: list[Item] = []
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, write)
            try:
                async with open_source(SourceSpec(str(fifo)), Shape(), TENTH) as source:
                    # As if all that came so far had been played at its pace.
                    async for item in source:
                        items.append(item)
                        source._covered = trio.current_time()  # type: ignore[attr-defined]
                        if isinstance(item, SourceEvent):
                            more.set()
            finally:
                more.set()
    events = [item for item in items if isinstance(item, SourceEvent)]
    assert [event.event for event in events] == ["stalled", "resumed"]
    assert events[0].offset == events[1].offset > 100_000
    assert audio_of(items) == data[-len(audio_of(items)) :]


async def test_a_pipe_that_stops_for_good_is_broken(tmp_path: Path) -> None:
    """What came is kept, and the end says that more was expected."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    silence = threading.Event()

    def write() -> None:
        with fifo.open("wb") as pipe:
            pipe.write(MORNING.read_bytes()[:150_000])
            pipe.flush()
            silence.wait()

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, write)
            try:
                got, events, _ = await played(SourceSpec(str(fifo), timeout=0.3))
            finally:
                silence.set()
    assert len(got) > 100_000
    assert [event.event for event in events] == ["broken"]
    assert "nothing for 0.3 s" in events[0].detail
    assert events[0].offset == len(got)
