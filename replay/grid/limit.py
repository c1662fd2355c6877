"""Looks for the outage at which a client gives up, by halving. Pure."""

from __future__ import annotations

from dataclasses import dataclass

#: The shortest outage that is tried, in seconds.
_FIRST = 1.0
#: How near the two ends must come: so many seconds, or such a part of the longer one.
_SECONDS, _PART = 0.25, 0.04


@dataclass(frozen=True, slots=True)
class Search:
    """What is known so far, in seconds of outage.

    Attributes:
        longest: nobody looks beyond.
        survived: the longest outage that was survived.
        failed: the shortest one, above `survived`, that was not; None as long as there is none.
    """

    longest: float
    survived: float = 0.0
    failed: float | None = None

    @property
    def next(self) -> float | None:
        """The outage to try next; None when the search is over.

        Doubling until one fails, then halving: a client that gives up early is never kept waiting
        for the longest.
        """
        if self.failed is None:
            if self.survived >= self.longest:
                return None
            return min(max(_FIRST, 2 * self.survived), self.longest)
        if self.failed - self.survived <= max(_SECONDS, _PART * self.failed):
            return None
        return (self.survived + self.failed) / 2

    def told(self, outage: float, *, survived: bool) -> Search:
        """The search with one more answer."""
        if survived:
            return Search(self.longest, max(self.survived, outage), self.failed)
        return Search(self.longest, self.survived, outage)

    def __str__(self) -> str:
        if self.failed is None:
            return f"goes on through {self.survived:g} s"
        return f"gives up between {self.survived:.3g} s and {self.failed:.3g} s"
