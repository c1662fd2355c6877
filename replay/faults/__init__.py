"""The language of faults, and the machine that says when each fires. Pure.

`kinds`: the table of faults. `events`: what passes; `moments`: what that is called in a rule.
`parser`, `rules`: texts and values, both ways. `schedule`: when what fires, `coordinates`: where.
`fired`: what came of it, from a journal. `planfile`, `chaos`: where else plans come from. `shrink`:
the smallest plan that still fails.
"""

from replay.faults.chaos import LEVELS, chaos
from replay.faults.coordinates import Coordinates
from replay.faults.fired import Tally, from_fired, tally
from replay.faults.kinds import KINDS, ROUTES, Fault
from replay.faults.parser import parse, parse_fault, parse_plan
from replay.faults.planfile import parse_plan_file, plan_file
from replay.faults.rules import Plan, Rule
from replay.faults.schedule import Firing, Schedule
from replay.faults.shrink import shrink
from replay.faults.spec import BOTH, DOWN, UP, Kind, Scope

__all__ = [
    "BOTH",
    "DOWN",
    "KINDS",
    "LEVELS",
    "ROUTES",
    "UP",
    "Coordinates",
    "Fault",
    "Firing",
    "Kind",
    "Plan",
    "Rule",
    "Schedule",
    "Scope",
    "Tally",
    "chaos",
    "from_fired",
    "parse",
    "parse_fault",
    "parse_plan",
    "parse_plan_file",
    "plan_file",
    "shrink",
    "tally",
]
