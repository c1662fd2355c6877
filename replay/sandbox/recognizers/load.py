"""More audio than one machine can hear: partials are left out first, finals stay."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field

_log = logging.getLogger(__name__)

#: No partial for a stream while more audio than this waits, seconds.
BEHIND_SECONDS = 1.0
#: What is looked back on to tell overload from two streams that happened to meet, seconds.
WINDOW_SECONDS = 5.0
#: As many partials left out are no accident.
_MANY = 5


@dataclass(slots=True)
class Load:
    """How busy a recogniser is, all its streams together.

    A partial is only worth its time while nobody waits for a place: it makes finals late, and the
    next one replaces it anyway.

    Attributes:
        waiting: transcriptions that wait for a place.
        left_out: partials that were not made when they were due.
        thinned: are more partials left out than made?
    """

    waiting: int = 0
    left_out: int = 0
    thinned: bool = False
    _recent: deque[tuple[float, bool]] = field(default_factory=deque)

    def allows_partial(self, behind: float, now: float) -> bool:
        """May a partial that is due be made, for a stream with `behind` seconds of audio waiting?

        `now`: seconds on a clock that does not jump.
        """
        allowed = behind <= BEHIND_SECONDS and not self.waiting
        self.left_out += not allowed
        self._recent.append((now, allowed))
        while self._recent[0][0] < now - WINDOW_SECONDS:
            self._recent.popleft()
        left_out = sum(not each for _, each in self._recent)
        made = len(self._recent) - left_out
        if not self.thinned and left_out >= max(_MANY, made):
            self.thinned = True
            _log.warning("recognition does not keep up with the audio: partials are thinned out")
        elif self.thinned and not left_out:
            self.thinned = False
            _log.warning("all partials are made again")
        return allowed

    def is_thinned(self, now: float) -> bool:
        """The same when nobody has asked for a partial lately."""
        return self.thinned and bool(self._recent) and self._recent[-1][0] >= now - WINDOW_SECONDS
