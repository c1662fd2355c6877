"""Recordings to play in tests, and what every source must do."""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import numpy as np

from replay.audio import AudioFormat, Chunk
from replay.source import Source, SourceEvent, SourceSpec, open_source
from replay.source.spec import Item, Shape

FIXTURES = Path(__file__).parent.parent / "fixtures"
TENTH = 0.1


def human_speech(name: str = "two_cities.wav") -> Path | None:
    """A recording of a person, from the recogniser's package; None when that is not installed."""
    spec = importlib.util.find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "assets" / name


async def items_of(source: Source) -> list[Item]:
    return [item async for item in source]


async def played(
    spec: SourceSpec, shape: Shape | None = None, chunk_seconds: float = TENTH
) -> tuple[bytes, list[SourceEvent], Source]:
    """All audio and all events of a source."""
    async with open_source(spec, shape or Shape(), chunk_seconds) as source:
        items = await items_of(source)
    audio = b"".join(item.data for item in items if isinstance(item, Chunk))
    return audio, [item for item in items if isinstance(item, SourceEvent)], source


def samples(audio: bytes, fmt: AudioFormat) -> np.ndarray:
    """16-bit session audio as (frames, channels) of floats."""
    return np.frombuffer(audio, "<i2").reshape(-1, fmt.channels).astype(float)


def raw_wav(frames: np.ndarray, rate: int = 16000) -> bytes:
    """A WAV file of (frames, channels) in their own sample type, also of many channels."""
    size = frames.dtype.itemsize
    frame = size * frames.shape[1]
    code = 3 if frames.dtype.kind == "f" else 1
    form = struct.pack("<HHIIHH", code, frames.shape[1], rate, rate * frame, frame, 8 * size)
    data = frames.tobytes()
    parts = b"fmt ", struct.pack("<I", 16), form, b"data", struct.pack("<I", len(data)), data
    body = b"WAVE" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two signals that should lie on each other; 1 for the same up to volume."""
    size = min(len(one), len(other))
    return float(np.corrcoef(one[:size], other[:size])[0, 1])


async def check_source(
    make: Callable[[], AbstractAsyncContextManager[Source]], chunk_seconds: float
) -> None:
    """The contract of `Source`, for a source that ends by itself."""
    async with make() as source:
        fmt, facts = source.format, source.facts
        items = await items_of(source)
        again = await items_of(source)
    assert again == [], "a source that is over stays over"
    assert facts.name
    full = fmt.bytes_in(chunk_seconds)
    chunks = [item for item in items if isinstance(item, Chunk)]
    assert chunks
    assert all(len(chunk.data) == full for chunk in chunks[:-1])
    assert 0 < len(chunks[-1].data) <= full
    assert len(chunks[-1].data) % fmt.frame_bytes == 0
    at = 0
    for item in items:
        if isinstance(item, Chunk):
            assert item.offset == at
            assert (item.arrival is not None) == facts.live
            at = item.end
        else:
            assert at <= item.offset < at + full
    arrivals = [chunk.arrival for chunk in chunks if chunk.arrival is not None]
    assert arrivals == sorted(arrivals)
