"""Plays a WAV file through the vendor's asyncio client; prints what it was told, one JSON a line.

Usage: sdk_async.py [BASE_URL] FILE

Without a base URL the client reads it from GLADIA_API_URL. Exit codes: 0 the session came to its
proper end, 1 it ended otherwise, 3 it did not end within two minutes of the stop.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
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


async def play(session: Any, data: bytes, size: int) -> None:
    """Each chunk when its last sample was spoken."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for index, at in enumerate(range(0, len(data), size), 1):
        await asyncio.sleep(max(0.0, start + index * CHUNK_SECONDS - loop.time()))
        session.send_audio(data[at : at + size])


async def main(path: str) -> int:
    with wave.open(path) as file:
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    ended = asyncio.Event()
    codes: list[int] = []
    key = os.environ.get("GLADIA_API_KEY") or "any"
    session = (
        GladiaClient(api_key=key)
        .live_async()
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

    def end(message: Any) -> None:
        print(json.dumps({"type": "ended", "code": message.code}), flush=True)
        codes.append(message.code)
        ended.set()

    session.on("message", tell)
    session.on("error", lambda error: print(json.dumps({"type": "failed", "text": str(error)})))
    session.on("ended", end)
    await play(session, data, int(rate * CHUNK_SECONDS) * 2)
    session.stop_recording()
    try:
        await asyncio.wait_for(ended.wait(), END_SECONDS)
    except TimeoutError:
        return 3
    return 0 if codes == [1000] else 1


if len(sys.argv) > 2:
    os.environ["GLADIA_API_URL"] = sys.argv[1]
sys.exit(asyncio.run(main(sys.argv[-1])))
