"""What a report is about: a run, a benchmark, or a comparison of two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from replay.benchmark import Benchmark
from replay.compare import Comparison
from replay.figures import Figures
from replay.summary import Summary


@dataclass(frozen=True, slots=True)
class OneRun:
    """Attributes:
    name: of its directory.
    figures: by the names of the catalogue, as a benchmark of this run alone has them.
    """

    name: str
    summary: Summary
    figures: Figures


Subject = OneRun | Benchmark | Comparison
S = TypeVar("S", bound=Subject)


def named(subjects: Sequence[S]) -> list[tuple[str, S]]:
    """Each with a name of its own: what it is called, and of several called so, which one."""
    found: list[tuple[str, S]] = []
    taken: Counter[str] = Counter()
    for each in subjects:
        name = _name(each)
        taken[name] += 1
        found.append((f"{name} ({taken[name]})" if taken[name] > 1 else name, each))
    return found


def _name(subject: Subject) -> str:
    match subject:
        case Comparison(base=base, new=new):
            return f"{new} against {base}"
        case _:
            return subject.name
