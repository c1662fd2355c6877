"""Real speech through the real recogniser, from every kind of source, by the command line."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from recordings import FIXTURES, human_speech
from streams import free_port, send, serve

pytestmark = pytest.mark.local
pytest.importorskip("moonshine_voice", reason="the extra [local] is not installed")

REPLAY = [sys.executable, "-m", "replay"]
SUFFIXES = ("wav", "flac", "mp3", "ogg", "m4a", "mp4", "mkv", "webm")
#: The service's default cuts at every breath; whole sentences are easier on a small model.
CALM = ("--endpointing", "300ms")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    """The URL of a sandbox with the real recogniser."""
    process = subprocess.Popen(
        [*REPLAY, "sandbox", "--port", "0", "--recognizer", "moonshine"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["url"]
    process.terminate()
    assert process.wait(10) == 0
    process.stdout.close()


def played(*arguments: str | Path, target: str, out: Path) -> list[dict[str, Any]]:
    """The summaries of playing into `target`."""
    done = subprocess.run(
        [*REPLAY, "run", *map(str, arguments), "--target", target, "--out", out, "--json", *CALM],
        capture_output=True,
        text=True,
        timeout=120,
        env={k: v for k, v in os.environ.items() if not k.startswith("GLADIA_")},
    )
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    return found if isinstance(found, list) else [found]


def test_every_format_gives_the_words(sandbox: str, tmp_path: Path) -> None:
    """WAV, FLAC, MP3, Opus, AAC, the audio of MP4, MKV and WebM, A-law, two and eight channels:
    at most one word in ten is another one, and every byte is recorded."""
    names = [
        f"good-morning.{suffix}"
        for suffix in ["wav", "flac", "mp3", "ogg", "m4a", "mp4", "mkv", "webm"]
    ]
    names += ["phone.wav", "call.wav", "room.flac"]
    paths = [FIXTURES / name for name in names]
    summaries = played(*paths, "--speed", "max", target=sandbox, out=tmp_path / "runs")
    assert [summary["source"]["name"] for summary in summaries] == names
    for summary in summaries:
        assert summary["transcript"]["wer"] <= 0.1, summary["transcript"]
        assert summary["session"]["outcome"] == "complete"
        assert summary["audio"]["lost_bytes"] == summary["audio"]["repeated_bytes"] == 0


def test_a_human_voice(sandbox: str, tmp_path: Path) -> None:
    """A recording of a person is understood, not only the synthesiser."""
    path = human_speech("two_cities.wav")
    assert path is not None
    (summary,) = played(path, "--speed", "max", target=sandbox, out=tmp_path / "run")
    text = summary["transcript"]["text"].lower()
    for words in ("best of times", "worst of times", "age of wisdom", "age of foolishness"):
        assert words in text


def test_channels_are_kept_apart(sandbox: str, tmp_path: Path) -> None:
    """Two voices on two channels come back as the utterances of two channels."""
    played(
        *(FIXTURES / "call.wav", "--channels", "keep", "--speed", "max"),
        target=sandbox,
        out=tmp_path / "run",
    )
    said: dict[int, str] = {0: "", 1: ""}
    for line in (tmp_path / "run/journal.jsonl").read_text().splitlines():
        body = json.loads(line).get("body", {})
        if body.get("type") == "transcript" and body["data"]["is_final"]:
            utterance = body["data"]["utterance"]
            said[utterance["channel"]] += utterance["text"].lower()
    assert "ticket to paris" in said[1]
    assert "paris" not in said[0]
    assert "help you" in said[0]
    assert "help you" not in said[1]


def test_live_streams_give_the_words(sandbox: str, tmp_path: Path) -> None:
    """HLS, RTSP and UDP, made as they are played: their words arrive, their plan is arrival."""
    port = free_port(socket.SOCK_DGRAM)
    udp = f"udp://127.0.0.1:{port}"
    rtsp = f"rtsp://127.0.0.1:{free_port()}/live"
    folder = tmp_path / "hls"
    folder.mkdir()
    hls = {"hls_time": "1", "hls_list_size": "0", "hls_flags": "temp_file"}
    senders = {
        "udp": partial(send, f"{udp}?pkt_size=1316", "mpegts", 10, options={"flush_packets": "1"}),
        "rtsp": partial(send, rtsp, "rtsp", 10, options={"rtsp_transport": "tcp"}),
        "hls": partial(send, f"{folder}/live.m3u8", "hls", 10, options=hls),
    }
    summaries: dict[str, dict[str, Any]] = {}

    def listen(name: str, url: str) -> None:
        timeout = ("--source-timeout", "4s")
        (summaries[name],) = played(url, *timeout, target=sandbox, out=tmp_path / "runs" / name)

    with serve(folder) as base:
        urls = {"udp": udp, "rtsp": f"{rtsp}?listen", "hls": f"{base}/live.m3u8"}
        listeners = [threading.Thread(target=listen, args=item) for item in urls.items()]
        speakers = [threading.Thread(target=sender) for sender in senders.values()]
        speakers[-1].start()  # a playlist has to be there before anybody asks for it
        while not (folder / "live0.ts").exists() or not (folder / "live.m3u8").exists():
            speakers[-1].join(0.05)
        for thread in (*listeners, *speakers[:-1]):
            thread.start()
        for thread in (*listeners, *speakers):
            thread.join(90)
    for name in urls:
        summary = summaries[name]
        assert summary["pacing"]["phase"] == "arrival", name
        assert summary["session"]["outcome"] == "complete", name
        # Somebody who tunes in late misses the beginning.
        assert "fresh coffee and cold water here" in summary["transcript"]["text"].lower(), name
