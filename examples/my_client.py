"""A client of the service, made with its published SDK: says what is spoken in a recording."""

from __future__ import annotations

import threading
import wave
from pathlib import Path
from typing import Any

from gladiaio_sdk import GladiaClient

RECORDING = Path(__file__).parent.parent / "fixtures" / "good-morning.wav"
CHUNK_FRAMES = 1600


def transcribe(recording: Path, api_url: str) -> str:
    """The finals of `recording`, a WAV file of 16 bit and one channel, as one text."""
    with wave.open(str(recording)) as file:
        rate, pcm = file.getframerate(), file.readframes(file.getnframes())
    finals: list[str] = []
    ended = threading.Event()

    def hear(message: Any) -> None:
        if message.type == "transcript" and message.data.is_final:
            finals.append(message.data.utterance.text)

    session = (
        GladiaClient(api_key="any", api_url=api_url)
        .live()
        .start_session({"encoding": "wav/pcm", "sample_rate": rate, "bit_depth": 16, "channels": 1})
    )
    session.on("message", hear)
    session.on("ended", lambda _message: ended.set())
    for at in range(0, len(pcm), 2 * CHUNK_FRAMES):
        session.send_audio(pcm[at : at + 2 * CHUNK_FRAMES])
    session.stop_recording()
    if not ended.wait(30):
        raise TimeoutError("the session did not end")
    return " ".join(text.strip() for text in finals)
