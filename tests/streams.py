"""Live streams made on this machine, at the pace of speech, by libavformat's own muxers."""

from __future__ import annotations

import functools
import http.server
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BLOCK = 0.02
MORNING = Path(__file__).parent.parent / "fixtures" / "good-morning.wav"


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nobody has at the moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def send(
    url: str,
    container_format: str,
    seconds: float,
    *,
    codec: str = "aac",
    rate: int = 16000,
    options: dict[str, str] | None = None,
) -> None:
    """Sends `speech` to `url` in real time, from a process of its own; blocks.

    Not from a thread: PyAV keeps the interpreter's lock while it writes to a socket, and a reader
    in the same process needs that lock to notice its time limit.
    """
    task = [url, container_format, seconds, codec, rate, options or {}]
    subprocess.run([sys.executable, __file__, json.dumps(task)], check=True, timeout=60)


def speech(seconds: float, rate: int = 16000) -> np.ndarray:
    """The beginning of a recording, repeated as needed; int16, mono."""
    sound = np.frombuffer(MORNING.read_bytes()[-288_000:], "<i2")[6400:]
    return np.resize(sound, round(seconds * 16000))[:: 16000 // rate].copy()


def _dial(task: str) -> None:
    """In the sender's process: tries until somebody listens."""
    url, container_format, seconds, codec, rate, options = json.loads(task)
    deadline = time.monotonic() + 10
    while True:
        try:
            _send(url, container_format, speech(seconds, rate), codec, rate, options)
        except av.error.ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _send(
    url: str,
    container_format: str,
    sound: np.ndarray,
    codec: str,
    rate: int,
    options: dict[str, str],
) -> None:
    with av.open(url, "w", format=container_format, options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        container.start_encoding()
        resampler = av.AudioResampler(
            stream.codec_context.format, "mono", rate, stream.codec_context.frame_size or 320
        )
        start = time.monotonic()
        step = round(rate * BLOCK)
        for at in range(0, len(sound), step):
            frame = av.AudioFrame.from_ndarray(sound[at : at + step].reshape(1, -1), "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
            for piece in resampler.resample(frame):
                container.mux(stream.encode(piece))
            time.sleep(max(0.0, start + at / rate - time.monotonic()))
        container.mux(stream.encode(None))


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The folder over HTTP on a free port; gives the URL."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    _dial(sys.argv[1])
