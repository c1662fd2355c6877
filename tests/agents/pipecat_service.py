"""Plays a WAV file through pipecat's GladiaSTTService; prints what it was told, one JSON a line.

Usage: pipecat_service.py [BASE_URL] FILE        (`make interop` installs what it needs)

Without a base URL it is read from GLADIA_API_URL. The service closes its connection right after
`stop_recording`, so two seconds of silence are played behind the recording. Exit codes: 0 the
pipeline ended and nothing was reported as an error, 1 otherwise.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import wave

from loguru import logger
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.gladia.stt import GladiaSTTService
from pipecat.workers.runner import WorkerRunner

CHUNK_SECONDS = 0.02
SILENCE_SECONDS = 2.0


class Listener(FrameProcessor):
    """Prints transcripts; remembers errors."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame | InterimTranscriptionFrame):
            final = isinstance(frame, TranscriptionFrame)
            print(json.dumps({"type": frame.name, "final": final, "text": frame.text}), flush=True)
        await self.push_frame(frame, direction)


async def play(worker: PipelineWorker, data: bytes, rate: int) -> None:
    """Each chunk when its last sample was spoken."""
    loop = asyncio.get_running_loop()
    size = int(rate * CHUNK_SECONDS) * 2
    start = loop.time()
    for index, at in enumerate(range(0, len(data), size), 1):
        await asyncio.sleep(max(0.0, start + index * CHUNK_SECONDS - loop.time()))
        await worker.queue_frame(InputAudioRawFrame(data[at : at + size], rate, 1))
    await worker.queue_frame(EndFrame())


async def main(base: str, path: str) -> int:
    with wave.open(path) as file:
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    data += bytes(int(rate * SILENCE_SECONDS) * 2)
    service = GladiaSTTService(
        url=f"{base}/v2/live",
        api_key=os.environ.get("GLADIA_API_KEY") or "any",
        sample_rate=rate,
    )
    listener = Listener()
    worker = PipelineWorker(
        Pipeline([service, listener]), params=PipelineParams(audio_in_sample_rate=rate)
    )

    @worker.event_handler("on_pipeline_error")
    async def on_pipeline_error(_: PipelineWorker, frame: ErrorFrame) -> None:
        print(json.dumps({"type": "failed", "text": frame.error}), flush=True)
        listener.errors.append(frame.error)

    runner = WorkerRunner()
    await runner.add_workers(worker)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(runner.run())
        tasks.create_task(play(worker, data, rate))
    return 1 if listener.errors else 0


logger.remove()
logger.add(sys.stderr, level="WARNING")
BASE = sys.argv[1] if len(sys.argv) > 2 else os.environ["GLADIA_API_URL"]
sys.exit(asyncio.run(main(BASE, sys.argv[-1])))
