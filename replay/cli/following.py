"""How a soak looks to whoever follows it: what is shown, and when enough is enough."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from replay.conditions import Condition
from replay.endurance.outcome import Outcome
from replay.endurance.summary import Death, SoakSummary
from replay.report import soak_metrics
from replay.report.soak_live import SoakView
from replay.report.soak_now import Live, Told, WorkerNow, of_death, of_gone, of_outcome
from replay.soak.assess import sum_up, unplayed
from replay.soak.soak import Soak
from replay.soak.store import Store

#: What has been told is kept so far back.
_TOLD = 200
#: A summary takes a while: it is made for at most this share of the time.
_SHARE = 0.05


class SoakFollower:
    """A `soak.Watcher` for a view.

    Args:
        abort: it is enough when it is sure to fail.
    """

    def __init__(
        self, store: Store, conditions: Sequence[Condition], view: SoakView, *, abort: bool
    ) -> None:
        self._store = store
        self._conditions = conditions
        self._view = view
        self._abort = abort
        self._told: deque[Told] = deque(maxlen=_TOLD)
        self._summary: SoakSummary | None = None
        self._next = 0.0
        self._live: Live | None = None

    def metrics(self) -> str:
        """How it stands, as OpenMetrics."""
        return "# EOF\n" if self._live is None else soak_metrics.render_live(self._live)

    def refresh(self, soak: Soak) -> None:
        """It has gone on."""
        self._live = self._stands(soak)
        self._view.show(self._live)

    def told(self, outcome: Outcome) -> None:
        """A session has been judged."""
        for each in of_outcome(outcome):
            self._tell(each)

    def died(self, death: Death) -> None:
        """A worker, or the sandbox, has died."""
        self._tell(of_death(death))

    def gone(self, who: str, at: float) -> None:
        """A process that was watched has ended."""
        self._tell(of_gone(who, at))

    def enough(self, soak: Soak, outcome: Outcome | None) -> str:
        """Why it should end here, if it should."""
        if not self._abort:
            return ""
        if outcome is not None:
            return f"{outcome.place.path} failed" if outcome.verdict == "fail" else ""
        summary = self._lately(soak)
        return summary.reasons[0] if summary.verdict == "fail" else ""

    def sum_up(self, soak: Soak) -> SoakSummary:
        """What it came to, now that it has ended."""
        return self._sum_up(soak, unplayed(self._store))

    def _sum_up(self, soak: Soak, missing: Sequence[str] | None = None) -> SoakSummary:
        tally, history = soak.docket.tally, soak.processes.history
        return sum_up(self._store, tally, history, self._conditions, missing)

    def _tell(self, told: Told) -> None:
        self._told.append(told)
        self._view.tell(told)

    def _lately(self, soak: Soak) -> SoakSummary:
        """A summary that is not too old."""
        now = time.monotonic()
        if self._summary is None or now >= self._next:
            self._summary = self._sum_up(soak)
            self._next = time.monotonic() + (time.monotonic() - now) / _SHARE
        return self._summary

    def _stands(self, soak: Soak) -> Live:
        summary = self._lately(soak)
        hands = soak.crew.hands if soak.crew is not None else []
        return Live(
            elapsed=soak.elapsed,
            asked=self._store.asked.rota.seconds,
            slots=len(self._store.asked.rota.slots),
            reconnects=soak.reconnects,
            faults=soak.faults,
            workers=[
                WorkerNow(
                    number=hand.number,
                    pid=hand.pid,
                    playing=hand.pulse.playing if hand.pulse else 0,
                    connected=hand.pulse.connected if hand.pulse else 0,
                    late_ms=hand.pulse.late if hand.pulse else 0.0,
                )
                for hand in hands
            ],
            samples=list(soak.processes.latest.values()),
            summary=summary,
            told=list(self._told),
            ending=soak.why,
            metrics=soak.metrics_url,
        )
