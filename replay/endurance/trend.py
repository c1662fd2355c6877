"""Robust slopes that say how sure they are.

The slope is Theil's and Sen's: the median of the slopes of all pairs. Its interval is Sen's (1968),
from Kendall's variance: of the N slopes, sorted, those at ranks (N ± z·s)/2, with
s² = n(n-1)(2n+5)/18 less what ties in x take away. That asks for points that are independent, so
series are reduced to blocks first (`growth` says to which).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

State = Literal["flat", "grows", "unknown"]


class Trend(Struct, kw_only=True, omit_defaults=True):
    """How one measure went on.

    of: what was measured ("rss", "recover" …). who: the process, or the kind of fault, "" for all.
    unit: of the slope: "bytes/reconnect", "1/reconnect", "ms/h". slope, low, high: None where there
    are too few points. n: samples it stands on; blocks: points that they were reduced to. span:
    of x: reconnections, or hours. bound: what is borne, in the slope's unit. state: flat: the whole
    interval is within the bound; grows: all of it lies beyond; else unknown. why: of unknown.
    """

    of: str
    who: str = ""
    unit: str
    slope: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    blocks: int = 0
    span: float = 0.0
    bound: float
    state: State = "unknown"
    why: str = ""
