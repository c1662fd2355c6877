"""The answer: a fold over the records of a search."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from replay.capacity.judge import Judge, Step, parse_slo
from replay.capacity.records import SCHEMA, Asked, Interrupted, Measured, Record
from replay.capacity.search import Found, Limit, Range, Try, follow

Verdict = Literal["pass", "fail", "unknown"]


class Capacity(Struct, kw_only=True):
    """What a target holds.

    Attributes:
        verdict: pass: found, and not fewer than were asked for; fail: fewer; unknown.
        sessions: the most that held; None when that is not known.
        limit: what keeps it from being more; None while the search is not over.
        answer: all that in a sentence; reasons: what was wrong with more sessions.
        per_core: sessions for each core of the client, and `cpu_ms`: of the client, for a second of
            one session, at the answer.
    """

    schema: int = SCHEMA
    verdict: Verdict
    sessions: int | None
    limit: Limit | None
    above: int | None
    answer: str
    reasons: list[str]
    per_core: float | None
    cpu_ms: float | None
    asked: Asked
    steps: list[Step]
    interrupted: bool = False


def search_range(asked: Asked) -> Range:
    """Where a search looks."""
    return Range(asked.start, asked.step, asked.most)


def steps_of(records: Sequence[Record]) -> list[Step]:
    """Every step, judged by what the first record asks for."""
    conditions = [
        parse_slo(text) for each in records if isinstance(each, Asked) for text in each.slo
    ]
    judge = Judge(conditions)
    return [judge.step(each) for each in records if isinstance(each, Measured)]


def what_next(asked: Asked, steps: Iterable[Step]) -> int | Found:
    """How many sessions to try, or what was found."""
    return follow(
        search_range(asked), (Try(s.sessions, s.state, s.opened, s.busiest) for s in steps)
    )


def fold(records: Iterable[Record]) -> Capacity:
    """What the records say, also those of a search that was cut short.

    Raises:
        ValueError: they do not begin with what was asked.
    """
    every = list(records)
    if not every or not isinstance(every[0], Asked):
        raise ValueError("the first line does not say what was asked for")
    asked, steps = every[0], steps_of(every)
    found = what_next(asked, steps)
    over = found if isinstance(found, Found) else None
    sessions = over.sessions if over is not None else _most_held(steps)
    # That not even one is held is known only where that was the target's doing.
    of_target = over is not None and over.limit in ("missed", "lost", "refused")
    known = sessions if sessions or of_target else None
    at = next((s for s in reversed(steps) if s.sessions == sessions and s.state == "held"), None)
    return Capacity(
        verdict=_verdict(asked, known, over),
        sessions=known,
        limit=over.limit if over is not None else None,
        above=over.above if over is not None else None,
        answer=_answer(known, over),
        reasons=_reasons(steps, over),
        per_core=round(known / len(asked.cores.client), 1) if known else None,
        cpu_ms=at.cpu_ms if at is not None else None,
        asked=asked,
        steps=steps,
        interrupted=any(isinstance(each, Interrupted) for each in every),
    )


def _most_held(steps: Sequence[Step]) -> int:
    """Below everything that did not hold."""
    failed = min((s.sessions for s in steps if s.state != "held"), default=None)
    held = (s.sessions for s in steps if s.state == "held")
    return max((n for n in held if failed is None or n < failed), default=0)


def _verdict(asked: Asked, sessions: int | None, found: Found | None) -> Verdict:
    if asked.at_least is not None:
        if (sessions or 0) >= asked.at_least and found is not None:
            return "pass"
        too_few = found is not None and found.limit in ("missed", "lost", "refused")
        return "fail" if too_few else "unknown"
    known = found is not None and found.limit != "unknown" and sessions is not None
    return "pass" if known else "unknown"


def _answer(sessions: int | None, found: Found | None) -> str:
    held = f"at least {_counted(sessions)}" if sessions else "an unknown number of sessions"
    if found is None:
        return f"the target holds {held}; the search was not finished"
    if found.limit == "unknown":
        return f"the target holds {held}; more cannot be judged"
    if found.limit == "client":
        return f"the target holds {held}; this machine's client ends there"
    if found.limit == "most":
        return f"the target holds at least {_counted(sessions)}: no more were asked for"
    ends = {
        "missed": f"{found.above} would be too many",
        "lost": f"of {found.above} it loses some",
        "refused": "it refuses more",
    }[found.limit]
    return f"the target holds {_counted(sessions)}; {ends}"


def _counted(sessions: int | None) -> str:
    return f"{sessions} session" + ("" if sessions == 1 else "s")


def _reasons(steps: Sequence[Step], found: Found | None) -> list[str]:
    """Of the steps that say why it is not more: the last with fewest sessions too many."""
    if found is None:
        return []
    wanted = ("unknown",) if found.limit == "unknown" else ("missed", "lost", "refused", "strained")
    wrong = [s for s in steps if s.state in wanted and s.sessions >= (found.above or 0)]
    if found.limit == "refused":
        wrong = [s for s in steps if s.state == "refused"]
    fewest = min((s.sessions for s in wrong), default=None)
    last = [s for s in wrong if s.sessions == fewest][-1:]
    return [f"{s.sessions} sessions: {reason}" for s in last for reason in s.reasons]
