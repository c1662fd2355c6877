"""Recordings and live streams as paced pieces of session audio.

::

    async with open_source(SourceSpec("call.flac"), Shape(), Fraction(1, 10)) as source:
        async for item in source:
            match item:
                case Chunk(): ...
                case SourceEvent(): ...

PyAV decodes and converts in a worker thread (`worker`), a few seconds ahead behind a bounded queue
(`bridge`); the task's side (`reader`) notices stalls. `PreparedSource` gives the same from memory.
"""

from __future__ import annotations

from replay.source.prepared import PreparedSource
from replay.source.reader import open_source
from replay.source.reference import Spoken, find_reference
from replay.source.spec import Item, Shape, Source, SourceEvent, SourceSpec

__all__ = [
    "Item",
    "PreparedSource",
    "Shape",
    "Source",
    "SourceEvent",
    "SourceSpec",
    "Spoken",
    "find_reference",
    "open_source",
]
