"""Plays a WAV file through the vendor's own client; prints what it was told, one JSON a line.

Usage: sdk_sync.py BASE_URL FILE
"""

from __future__ import annotations

import json
import sys
import threading
import time
import wave
from typing import Any

from gladiaio_sdk import GladiaClient

CHUNK_SECONDS = 0.1


def main(base_url: str, path: str) -> None:
    with wave.open(path) as file:
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    ended = threading.Event()
    session = (
        GladiaClient(api_key="any", api_url=base_url)
        .live()
        .start_session(
            {
                "encoding": "wav/pcm",
                "sample_rate": rate,
                "bit_depth": 16,
                "channels": 1,
                "messages_config": {"receive_partial_transcripts": True},
            }
        )
    )

    def tell(message: Any) -> None:
        data = getattr(message, "data", None)
        utterance = getattr(data, "utterance", None)
        line = {
            "type": message.type,
            "final": getattr(data, "is_final", None),
            "text": getattr(utterance, "text", None),
        }
        print(json.dumps(line), flush=True)

    def end(message: Any) -> None:
        print(json.dumps({"type": "ended", "code": message.code}), flush=True)
        ended.set()

    session.on("message", tell)
    session.on("error", lambda error: print(json.dumps({"type": "failed", "text": str(error)})))
    session.on("ended", end)
    size = int(rate * CHUNK_SECONDS) * 2
    for at in range(0, len(data), size):
        session.send_audio(data[at : at + size])
        time.sleep(CHUNK_SECONDS)
    session.stop_recording()
    ended.wait(60)


main(*sys.argv[1:])
