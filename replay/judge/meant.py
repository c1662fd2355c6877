"""What a client that is not ours meant to say, put together from what came over its connections.

A proxy sees bytes, not positions: after a loss a client begins again somewhere in what it has said
before, and frames carry no offset. Where a connection begins is found by its content, first at the
place that the acknowledgements suggest; where it goes on beyond what was said before, that is new.
With counting audio (`replay.counter`) every place is exact, and so is what a client left out. With
any other, what never came cannot be known, and in silence the place suggested has to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from replay import journal
from replay.continuity import Basis
from replay.counter import ENOUGH, counted, place
from replay.timeline import Timeline

#: So many bytes from the beginning of a connection are looked for in what was said before.
_KEY = 256
#: So many bytes are alike by chance: nobody says so little again.
_CHANCE = 7
#: Places compared at most.
_TRIES = 64


@dataclass(frozen=True, slots=True)
class Meant:
    """The audio, how sure it is, and where in it each connection began."""

    audio: bytes
    basis: Basis
    began: dict[int, int]


def meant(timeline: Timeline, came: memoryview) -> Meant:
    """Put the audio together. `came`: everything that came, in the journal's order of frames."""
    parts = {number: data for number, data in _parts(timeline, came) if data}
    if _counts(parts):
        began = {number: place(data[:ENOUGH]) or 0 for number, data in parts.items()}
        ends = [(place(data[-ENOUGH:]) or 0) + ENOUGH for data in parts.values()]
        return Meant(counted(0, max(ends)), "counter", began)
    audio = bytearray()
    began = {}
    suggested = 0
    for number, data in parts.items():
        at = _find(audio, data, suggested)
        began[number] = at
        audio += data[len(audio) - at :]
        suggested = at + _told(timeline, number)
    return Meant(bytes(audio), "merged", began)


def _parts(timeline: Timeline, came: memoryview) -> Iterator[tuple[int, bytes]]:
    """Each connection's audio. Two connections at once may have taken turns."""
    frames = timeline.frames
    for entry in timeline.all(journal.Connected):
        mine = frames.connection == entry.connection
        spans = zip(frames.offset[mine].tolist(), frames.size[mine].tolist(), strict=True)
        yield entry.connection, b"".join(came[start : start + size] for start, size in spans)


def _counts(parts: dict[int, bytes]) -> bool:
    """Is all of it counting audio? A piece too short to tell speaks neither for nor against."""
    long = [data for data in parts.values() if len(data) >= ENOUGH]
    ends = [piece for data in long for piece in (data[:ENOUGH], data[-ENOUGH:])]
    return bool(long) and all(place(piece) is not None for piece in ends)


def _find(audio: bytearray, data: bytes, suggested: int) -> int:
    """Where in `audio` a connection that brought `data` began; its end when nowhere before."""
    suggested = min(suggested, len(audio))
    if suggested < len(audio) and _agrees(audio, data, suggested):
        return suggested
    found = [at for at in _places(audio, data[:_KEY], suggested) if _agrees(audio, data, at)]
    if found:
        return min(found, key=lambda at: abs(at - suggested))
    return _by_end(audio, data)


def _places(audio: bytearray, key: bytes, suggested: int) -> Iterator[int]:
    """Where the key stands: from the suggested place on, then before it, the nearest first."""
    at, tries = audio.find(key, suggested), 0
    while at >= 0 and tries < _TRIES:
        yield at
        at, tries = audio.find(key, at + 1), tries + 1
    at, tries = audio.rfind(key, 0, suggested + len(key)), 0
    while at >= 0 and tries < _TRIES:
        yield at
        at, tries = audio.rfind(key, 0, at + len(key) - 1), tries + 1


def _by_end(audio: bytearray, data: bytes) -> int:
    """Of a repeat shorter than the key: the longest end of `audio` that `data` begins with."""
    for size in range(min(_KEY, len(audio), len(data)), _CHANCE, -1):
        if audio[-size:] == data[:size]:
            return len(audio) - size
    return len(audio)


def _agrees(audio: bytearray, data: bytes, at: int) -> bool:
    """Do both say the same from `at` to the end of the shorter one?"""
    size = min(len(audio) - at, len(data))
    return memoryview(audio)[at : at + size] == memoryview(data)[:size]


def _told(timeline: Timeline, connection: int) -> int:
    """Bytes of a connection's audio that were acknowledged on it."""
    acks = timeline.acks
    mine = acks.connection == connection
    if not mine.any():
        return 0
    return int(acks.end[mine].max() - acks.start[mine][0])
