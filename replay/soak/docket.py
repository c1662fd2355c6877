"""The sessions of a soak that have been judged, and those that are still to be."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import trio

from replay.endurance.outcome import Outcome, Place
from replay.endurance.tally import Tally
from replay.soak.crew import Finished
from replay.soak.judging import dispose, judge
from replay.soak.store import OUTCOMES, SESSIONS, Line, Store


class Docket:
    """Attributes:
    tally: of all sessions judged so far, also of earlier runs.
    tries: how often each session has been begun, by `slot-number`.
    """

    def __init__(self, store: Store) -> None:
        """Takes up what earlier runs have put down."""
        self.tally = Tally()
        self.tries: dict[str, int] = {}
        self._store = store
        self._done: set[str] = set()
        self._failing = 0
        self._one = trio.CapacityLimiter(1)
        for outcome in store.read(OUTCOMES, Outcome):
            self._count(outcome)
        for path in (store.path / SESSIONS).glob("*"):
            self.begun(path.name)

    @property
    def judged(self) -> int:
        """How many sessions have been."""
        return len(self._done)

    def begun(self, name: str) -> None:
        """A session has a directory of this name."""
        place, _, attempt = name.partition(".")
        self.tries[place] = max(self.tries.get(place, 0), int(attempt or 1))

    async def judge(self, finished: Finished) -> Outcome:
        """Judge a session, in a thread, and put down what came of it.

        Raises:
            MachineError: the disk is full.
        """
        store = self._store
        in_thread = partial(trio.to_thread.run_sync, limiter=self._one)
        ended, error = finished.ended, finished.error
        outcome = await in_thread(judge, store.path, finished.place, ended, error)
        # Before anything is thrown away: a crash in between must not lose the session.
        store.add(OUTCOMES, outcome, sync=True)
        kept = self._failing
        self._count(outcome)
        await in_thread(dispose, store.path, outcome, store.asked.keep, kept)
        store.event(
            "judged",
            session=outcome.place.path,
            verdict=outcome.verdict,
            reconnects=outcome.reconnects,
            reasons=outcome.reasons[:3],
        )
        return outcome

    def left_behind(self) -> Iterator[Finished]:
        """What an interruption, a crash or a reboot has left."""
        paths = self._store.unjudged(self._done)
        known = self._store.begun() if paths else {}
        for path in paths:
            slot, _, rest = path.name.partition("-")
            number, _, attempt = rest.partition(".")
            begun = known.get(str(path), Line(event=""))
            place = Place(
                slot=int(slot),
                number=int(number),
                attempt=int(attempt or 1),
                worker=begun.worker,
                path=str(path),
                seed=begun.seed,
                began=begun.at,
                cut=True,
            )
            yield Finished(place, self._store.state.elapsed, "")

    def _count(self, outcome: Outcome) -> None:
        self.tally.add(outcome)
        self._done.add(outcome.place.path)
        self._failing += outcome.verdict == "fail"
        self.begun(Path(outcome.place.path).name)
