"""The judge: every invariant of a session, held against its journal. Pure.

`case`: what is judged, and the answers. `acks`, `sound`, `told`, `text`, `recovery`, `footprint`,
`sessions`, `posted`, `vacuity`: the invariants. `doing`: what our own faults did. `herd`: one of
them, over many sessions. `meant`: what a client that is not ours meant to say.
"""

from replay.judge.case import Case, Limits, Outcome, State
from replay.judge.invariants import BY_ID, INVARIANTS, Invariant, findings, judge
from replay.judge.sound import window_bytes

__all__ = [
    "BY_ID",
    "INVARIANTS",
    "Case",
    "Invariant",
    "Limits",
    "Outcome",
    "State",
    "findings",
    "judge",
    "window_bytes",
]
