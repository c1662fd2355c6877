"""Plays a WAV file through the vendor's own client; prints what it was told, one JSON a line.

Usage: sdk_sync.py [BASE_URL] FILE

Without a base URL the client reads it from GLADIA_API_URL. Exit codes: 0 the session came to its
proper end, 1 it ended otherwise, 3 it did not end within two minutes of the stop.
"""

from __future__ import annotations

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


def tell(message: Any) -> None:
    data = getattr(message, "data", None)
    utterance = getattr(data, "utterance", None)
    line = {
        "type": message.type,
        "final": getattr(data, "is_final", None),
        "text": getattr(utterance, "text", None),
    }
    print(json.dumps(line), flush=True)


def play(session: Any, data: bytes, size: int) -> None:
    """Each chunk when its last sample was spoken."""
    start = time.monotonic()
    for index, at in enumerate(range(0, len(data), size), 1):
        time.sleep(max(0.0, start + index * CHUNK_SECONDS - time.monotonic()))
        session.send_audio(data[at : at + size])


def main(path: str, base_url: str | None) -> int:
    with wave.open(path) as file:
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    ended = threading.Event()
    codes: list[int] = []
    key = os.environ.get("GLADIA_API_KEY") or "any"
    # The client looks at its environment when it is imported: an argument has to be handed over.
    given = {"api_url": base_url} if base_url else {}
    live = GladiaClient(api_key=key, **given).live()
    session = live.start_session(
        {
            "encoding": "wav/pcm",
            "sample_rate": rate,
            "bit_depth": 16,
            "channels": 1,
            "messages_config": {"receive_partial_transcripts": True},
        }
    )

    def end(message: Any) -> None:
        print(json.dumps({"type": "ended", "code": message.code}), flush=True)
        codes.append(message.code)
        ended.set()

    session.on("message", tell)
    session.on("error", lambda error: print(json.dumps({"type": "failed", "text": str(error)})))
    session.on("ended", end)
    play(session, data, int(rate * CHUNK_SECONDS) * 2)
    session.stop_recording()
    if not ended.wait(END_SECONDS):
        return 3
    return 0 if codes == [1000] else 1


sys.exit(main(sys.argv[-1], sys.argv[1] if len(sys.argv) > 2 else None))
