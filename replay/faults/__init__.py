"""The language of faults, and the machine that says when each fires. Pure.

`kinds`: the table of faults. `events`: what passes; `moments`: what that is called in a rule.
`rules`: rules and plans. `schedule`: when what fires.
"""

from replay.faults.coordinates import Coordinates
from replay.faults.kinds import KINDS, Fault
from replay.faults.parser import parse, parse_fault, parse_plan
from replay.faults.rules import Plan, Rule
from replay.faults.schedule import Firing, Schedule
from replay.faults.spec import BOTH, DOWN, UP, Kind, Scope

__all__ = [
    "BOTH",
    "DOWN",
    "KINDS",
    "UP",
    "Coordinates",
    "Fault",
    "Firing",
    "Kind",
    "Plan",
    "Rule",
    "Schedule",
    "Scope",
    "parse",
    "parse_fault",
    "parse_plan",
]
