"""A plan as a file: a YAML list of rules, each a text or a mapping::

- reset @ 3s
- fault: hold(up, 2s)
  at: final#2 + 100ms
  every: 10s..20s        # or  poisson: 2/min
  times: 3
  until: 5m
  then: [refuse(5s), reset @ resend]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from replay.errors import FaultSyntaxError, UsageError
from replay.faults.parser import parse
from replay.faults.rules import Plan, Rule
from replay.faults.scanner import nearest

_KEYS = ("fault", "at", "every", "poisson", "times", "until", "then")


def parse_plan_file(text: str) -> Plan:
    """The plan that a file's text holds.

    Raises:
        UsageError: it is no YAML, or no list; or an item cannot be read, and the message names it.
    """
    try:
        items = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UsageError(f"the plan is no YAML: {_first_line(error)}") from None
    if not isinstance(items, list):
        raise UsageError("a plan is a list: begin each fault with '- ', as in '- reset @ 3s'")
    return Plan(tuple(_rule(number, item) for number, item in enumerate(items, 1)))


def plan_file(plan: Plan) -> str:
    """A file's text that holds the plan."""
    return yaml.safe_dump(list(plan.texts), allow_unicode=True, width=1000) if len(plan) else "[]\n"


def _rule(number: int, item: Any) -> Rule:
    try:
        return parse(item if isinstance(item, str) else _text(item))
    except FaultSyntaxError as error:
        raise error.within(f"item {number}") from None
    except UsageError as error:
        raise UsageError(f"item {number}: {error}") from None


def _text(item: Any) -> str:
    """The rule that a mapping means, as text."""
    if not isinstance(item, Mapping):
        raise UsageError("expected a fault as text, or a mapping with 'fault' and 'at'")
    for key in item:
        if key not in _KEYS:
            raise UsageError(f"unknown key {str(key)!r}: {nearest(str(key), _KEYS)}")
    if "fault" not in item:
        raise UsageError("the key 'fault' is missing")
    fields = {key: _scalar(key, value) for key, value in item.items() if key != "then"}
    parts = [fields["fault"]]
    when = [
        fields.get("at", ""),
        *(f"{key} {fields[key]}" for key in ("every", "poisson") if key in fields),
        f"x{fields['times']}" if "times" in fields else "",
        f"until {fields['until']}" if "until" in fields else "",
    ]
    if any(when):
        parts.append("@ " + " ".join(filter(None, when)))
    then = item.get("then", [])
    parts += [
        f"then {_scalar('then', one)}" for one in (then if isinstance(then, list) else [then])
    ]
    return " ".join(parts)


def _scalar(key: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"the value of {key!r} must be a text")
    return str(value)


def _first_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f" (line {mark.line + 1})" if mark is not None else ""
    return (getattr(error, "problem", None) or str(error).partition("\n")[0]) + where
