"""One run, read: what several measures stand on, worked out once."""

from __future__ import annotations

from dataclasses import dataclass

from replay import ends, network, outages, utterances, waterfall, words
from replay.ends import Ends
from replay.network import Split
from replay.outages import Outage
from replay.timeline import Timeline
from replay.utterances import Utterances
from replay.waterfall import Steps
from replay.words import Words


@dataclass(frozen=True, slots=True)
class Reading:
    """Attributes:
    split: the service's clock beside ours; None where it cannot be told.
    steps: every word taken apart that can be.
    outages, windows: each outage, and from when to when it disturbed the run, in journal ns.
    """

    timeline: Timeline
    utterances: Utterances
    words: Words
    ends: Ends
    split: Split | None
    steps: Steps
    outages: list[Outage]
    windows: list[tuple[int, int]]


def read(timeline: Timeline) -> Reading:
    """Everything that takes a walk through the messages."""
    spoken = utterances.gather(timeline)
    said = words.measure(timeline, spoken)
    whole = ends.gather(timeline, spoken, said)
    clocks = network.split(timeline)
    lost = outages.measure(timeline, spoken)
    return Reading(
        timeline=timeline,
        utterances=spoken,
        words=said,
        ends=whole,
        split=clocks,
        steps=waterfall.steps(timeline, spoken, said, whole, clocks),
        outages=lost,
        windows=outages.windows(timeline, lost),
    )
