"""What every session of a crowd plays: a recording as session audio in a file, or silence."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import trio

from replay.audio import AudioFormat, Chunk
from replay.errors import SourceError
from replay.recorder import cannot_write
from replay.source import Shape, SourceSpec, open_source

#: No more of a recording is played, since every worker holds it in memory.
LONGEST_SECONDS = 600.0


async def prepare_audio(
    location: str, shape: Shape, chunk: Fraction, into: Path
) -> tuple[AudioFormat, str]:
    """Decode a recording into a file of whole chunks; its format, and what it is called.

    Raises:
        SourceError: it cannot be played, is live, or is shorter than a chunk.
        MachineError: the file cannot be written.
    """
    spec = SourceSpec(location, duration=LONGEST_SECONDS)
    async with open_source(spec, shape, chunk) as source:
        if source.facts.live:
            raise SourceError(f"{location}: a live stream cannot be played by many sessions")
        size = source.format.bytes_in(chunk)
        data = b"".join([item.data async for item in source if isinstance(item, Chunk)])
    whole = data[: len(data) - len(data) % size]
    if not whole:
        raise SourceError(f"{location}: is shorter than a chunk")
    try:
        await trio.Path(into).write_bytes(whole)
    except OSError as error:
        raise cannot_write(into, error) from None
    return source.format, source.facts.name
