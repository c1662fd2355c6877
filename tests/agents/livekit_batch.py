"""Has a WAV file recognised by livekit-plugins-gladia in one go; prints the text, one JSON a line.

Usage: livekit_batch.py [BASE_URL] FILE        (`make interop` installs what it needs)

Without a base URL it is read from GLADIA_API_URL. This way sends the whole recording at once,
faster than it was spoken. Exit codes: 0 there is a result, 1 there is none.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import wave

import aiohttp
from livekit import rtc
from livekit.plugins import gladia


async def main(base: str, path: str) -> int:
    with wave.open(path) as file:
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    async with aiohttp.ClientSession() as http:
        service = gladia.STT(
            base_url=f"{base}/v2/live",
            api_key=os.environ.get("GLADIA_API_KEY") or "any",
            sample_rate=rate,
            http_session=http,
        )
        event = await service.recognize(rtc.AudioFrame(data, rate, 1, len(data) // 2))
    for said in event.alternatives:
        print(json.dumps({"type": event.type, "final": True, "text": said.text}), flush=True)
    return 0 if event.alternatives else 1


BASE = sys.argv[1] if len(sys.argv) > 2 else os.environ["GLADIA_API_URL"]
sys.exit(asyncio.run(main(BASE, sys.argv[-1])))
