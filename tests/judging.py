"""Whether a recording is what a client sent, with nothing lost and little repeated."""

from __future__ import annotations

from world import World

from replay import journal as j
from replay.client import LiveSession


def judge_recording(
    audio: bytes, recorded: bytes, entries: list[j.AnyEntry], frame_bytes: int
) -> None:
    """The recording is what each connection delivered, one after another, each from where it
    resumed: without a gap, to the end, and with no repeat longer than what was on its way."""
    ends = {e.connection: e.offset + e.size for e in entries if isinstance(e, j.Frame)}
    runs = [
        (e.resume_at, ends.get(e.connection, e.resume_at))
        for e in entries
        if isinstance(e, j.Connected)
    ]
    assert all(start % frame_bytes == 0 for start, _ in runs)
    assert explained(audio, recorded, runs, 0, 0, frame_bytes), "not what the connections sent"
    on_its_way = sum(e.unacked for e in entries if isinstance(e, j.Lost))
    assert len(recorded) - len(audio) <= on_its_way, "repeated more than was on its way"


def explained(
    audio: bytes,
    recorded: bytes,
    runs: list[tuple[int, int]],
    at: int,
    covered: int,
    frame_bytes: int,
) -> bool:
    """Can what is recorded from `at` on, with the audio up to `covered` recorded before, have come
    over these connections? Each delivered some of what it sent, from its start, or nothing."""
    if not runs:
        return at == len(recorded) and covered == len(audio)
    (start, stop), rest = runs[0], runs[1:]
    size = alike(recorded[at:], audio[start:stop], frame_bytes) if start <= covered else 0
    # It may have ended where a later connection's audio begins, or at its very end.
    marks = {audio[later : later + 2 * frame_bytes] for later, _ in rest}
    ends = {0, size, *(found - at for mark in marks for found in places(mark, recorded))}
    return any(
        explained(audio, recorded, rest, at + taken, max(covered, start + taken), frame_bytes)
        for taken in sorted(ends, reverse=True)
        if 0 <= taken <= size and taken % frame_bytes == 0
    )


def places(mark: bytes, within: bytes) -> list[int]:
    """Every position at which `mark` stands."""
    found = []
    at = within.find(mark) if mark else -1
    while at >= 0:
        found.append(at)
        at = within.find(mark, at + 1)
    return found


def alike(one: bytes, other: bytes, frame_bytes: int) -> int:
    """How many whole frames both begin with alike, in bytes."""
    low, high = 0, min(len(one), len(other)) // frame_bytes
    while low < high:
        middle = (low + high + 1) // 2
        if one[: middle * frame_bytes] == other[: middle * frame_bytes]:
            low = middle
        else:
            high = middle - 1
    return low * frame_bytes


def judge_session(world: World, session: LiveSession, words: list[str]) -> None:
    """The stop was heard, the service finished, and every word is in the result."""
    assert session.ended is not None
    assert session.ended.outcome in ("complete", "recovered")
    assert session.result is not None
    assert session.result.transcription.full_transcript.split() == words
    assert world.requests.count("POST") == 1
