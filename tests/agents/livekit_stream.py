"""Plays a WAV file through livekit-plugins-gladia's stream; prints what it hears, one JSON a line.

Usage: livekit_stream.py [BASE_URL] FILE        (`make interop` installs what it needs)

Without a base URL it is read from GLADIA_API_URL. The plugin closes its connection right after
`stop_recording` and so loses the tail of what was said; two seconds of silence are played behind
the recording, so that the last sentence ends before that. Exit codes: 0 the stream ended, 1 it
failed (with its traceback), 3 it did not end within a minute.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import wave

import aiohttp
from livekit import rtc
from livekit.agents import stt
from livekit.plugins import gladia

CHUNK_SECONDS = 0.1
SILENCE_SECONDS = 2.0
END_SECONDS = 60


async def play(stream: stt.SpeechStream, data: bytes, rate: int) -> None:
    """Each chunk when its last sample was spoken."""
    loop = asyncio.get_running_loop()
    size = int(rate * CHUNK_SECONDS) * 2
    start = loop.time()
    for index, at in enumerate(range(0, len(data), size), 1):
        chunk = data[at : at + size]
        await asyncio.sleep(max(0.0, start + index * CHUNK_SECONDS - loop.time()))
        stream.push_frame(rtc.AudioFrame(chunk, rate, 1, len(chunk) // 2))
    stream.end_input()


async def listen(stream: stt.SpeechStream) -> None:
    async for event in stream:
        text = event.alternatives[0].text if event.alternatives else None
        final = event.type == stt.SpeechEventType.FINAL_TRANSCRIPT
        print(json.dumps({"type": event.type, "final": final, "text": text}), flush=True)


async def main(base: str, path: str) -> int:
    with wave.open(path) as file:
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    data += bytes(int(rate * SILENCE_SECONDS) * 2)
    async with aiohttp.ClientSession() as http:
        service = gladia.STT(
            base_url=f"{base}/v2/live",
            api_key=os.environ.get("GLADIA_API_KEY") or "any",
            sample_rate=rate,
            http_session=http,
        )
        stream = service.stream()
        listening = asyncio.create_task(listen(stream))
        try:
            await play(stream, data, rate)
            await asyncio.wait_for(listening, END_SECONDS)
        except TimeoutError:
            return 3
        finally:
            await stream.aclose()
    return 0


BASE = sys.argv[1] if len(sys.argv) > 2 else os.environ["GLADIA_API_URL"]
sys.exit(asyncio.run(main(BASE, sys.argv[-1])))
