"""Plays a WAV file through the vendor's own client, session after session, many at once.

Usage: sdk_soak.py [BASE_URL] FILE SECONDS SESSIONS PASSES

Each session plays the file so many times. Prints one JSON a session. Exit codes: 0 all sessions
came to their proper end, 1 some did not.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
import wave
from typing import Any

from gladiaio_sdk import GladiaClient

CHUNK_SECONDS = 0.1
END_SECONDS = 120


class Soak:
    def __init__(self, base_url: str | None, path: str, seconds: float, passes: int) -> None:
        with wave.open(path) as file:
            self.rate = file.getframerate()
            self.data = file.readframes(file.getnframes()) * passes
        self.until = time.monotonic() + seconds
        self.failed = 0
        self.base_url = base_url

    def keep_on(self, number: int) -> None:
        """One session after another."""
        time.sleep(number * CHUNK_SECONDS * 7)
        while time.monotonic() < self.until:
            code = self.play()
            self.failed += code != 1000
            print(json.dumps({"thread": number, "code": code}), flush=True)
            gc.collect()  # what is left after this is held, not forgotten

    def play(self) -> int | None:
        """One session; its close code, None when it did not end."""
        ended = threading.Event()
        codes: list[int] = []
        key = os.environ.get("GLADIA_API_KEY") or "any"
        given = {"api_url": self.base_url} if self.base_url else {}
        session = (
            GladiaClient(api_key=key, **given)
            .live()
            .start_session(
                {
                    "encoding": "wav/pcm",
                    "sample_rate": self.rate,
                    "bit_depth": 16,
                    "channels": 1,
                    "messages_config": {"receive_partial_transcripts": True},
                }
            )
        )

        def end(message: Any) -> None:
            codes.append(message.code)
            ended.set()

        session.on("ended", end)
        size = int(self.rate * CHUNK_SECONDS) * 2
        start = time.monotonic()
        for index, at in enumerate(range(0, len(self.data), size), 1):
            time.sleep(max(0.0, start + index * CHUNK_SECONDS - time.monotonic()))
            session.send_audio(self.data[at : at + size])
        session.stop_recording()
        ended.wait(END_SECONDS)
        return codes[0] if codes else None


def main(words: list[str]) -> int:
    base_url = words.pop(0) if len(words) == 5 else None
    path, seconds, sessions, passes = words
    soak = Soak(base_url, path, float(seconds), int(passes))
    threads = [threading.Thread(target=soak.keep_on, args=(n,)) for n in range(int(sessions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return int(soak.failed > 0)


sys.exit(main(sys.argv[1:]))
