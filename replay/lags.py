"""How far partials lie behind the audio, which moves evenly and not by chunks."""

from __future__ import annotations

from collections.abc import Callable

from replay.statistics import Floats
from replay.timeline import Timeline
from replay.utterances import Utterances


def partial_lags(
    timeline: Timeline, utterances: Utterances, cursor: Callable[[Floats], Floats]
) -> tuple[Floats, Floats]:
    """When each partial came (ns), and how far behind the cursor its end lay, by time.

    In seconds of the clock; unpaced runs have no such measure, and theirs are seconds of audio.
    """
    times, ends = utterances.reached.T
    reached = timeline.offset_of(ends) / timeline.format.bytes_per_second
    return times, (cursor(times) - reached) / pace(timeline)


def pace(timeline: Timeline) -> float:
    """Seconds of audio in a second of the clock."""
    return timeline.speed or 1.0
