"""What became of each measure between two sides: an interval, and a verdict in four words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from replay.catalogue import CATALOGUE, Unit
from replay.compare.effects import Estimate
from replay.compare.levels import Levels

Verdict = Literal["better", "same", "worse", "inconclusive"]


@dataclass(frozen=True, slots=True)
class Scale:
    """What matters of a measure, in its unit and as a share of the base, whichever is more.

    Attributes:
        least: a smaller change is the same, however sure.
        wanted: no change was found, but one of this size would have been: that is the same.
    """

    least: float
    least_share: float
    wanted: float
    wanted_share: float

    def sizes(self, base: float) -> tuple[float, float]:
        size = abs(base)
        return max(self.least, self.least_share * size), max(self.wanted, self.wanted_share * size)


#: Of times in ms: a hundredth is nothing, three twentieths must not be missed.
TIMES = Scale(2.0, 0.01, 5.0, 0.15)
#: Of ratios: half a point is nothing, five points must not be missed; of errors two.
RATIOS = Scale(0.005, 0.0, 0.05, 0.0)
ERRORS = Scale(0.005, 0.0, 0.02, 0.0)


class Change(Struct, kw_only=True):
    """One measure on both sides, in its unit; shares are of `base`.

    statistic: empty for a ratio. low, high: the interval of `change`. noise: the part of it that
    comes of rounds differing from each other, more and less. detectable: the smallest change that
    would most likely have been found. pairs: items on both sides; unpaired: on one alone.
    clusters: recordings that the pairs come from, or utterances of a single one.
    """

    figure: str
    statistic: str
    unit: Unit
    verdict: Verdict
    base: float
    new: float
    change: float
    change_share: float | None
    low: float
    high: float
    noise: float
    detectable: float
    detectable_share: float | None
    pairs: int
    unpaired: int
    clusters: int


def change(
    figure: str, statistic: str, estimate: Estimate, levels: Levels, scale: Scale, unpaired: int = 0
) -> Change:
    """Say what an estimate comes to. Of all measures that are compared, less is better."""
    reach = levels.critical * estimate.error
    detectable = levels.detectable * estimate.error
    return Change(
        figure=figure,
        statistic=statistic,
        unit=CATALOGUE[figure].unit,
        verdict=_verdict(estimate, reach, detectable, scale),
        base=_round(estimate.base),
        new=_round(estimate.new),
        change=_round(estimate.change),
        change_share=_share(estimate.change, estimate.base),
        low=_round(estimate.change - reach),
        high=_round(estimate.change + reach),
        noise=_round(levels.critical * estimate.round_error),
        detectable=_round(detectable),
        detectable_share=_share(detectable, estimate.base),
        pairs=estimate.count,
        unpaired=unpaired,
        clusters=estimate.clusters,
    )


def _verdict(estimate: Estimate, reach: float, detectable: float, scale: Scale) -> Verdict:
    least, wanted = scale.sizes(estimate.base)
    if abs(estimate.change) >= least and abs(estimate.change) > reach:
        return "worse" if estimate.change > 0 else "better"
    return "same" if detectable <= wanted else "inconclusive"


def _round(value: float) -> float:
    return round(value, 4)


def _share(value: float, base: float) -> float | None:
    return round(value / abs(base), 4) if base else None
