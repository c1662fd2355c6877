"""Figures in the form that github-action-benchmark calls customSmallerIsBetter.

Only figures that are there, of which less is better, and which say something about the target: no
estimates, and nothing of the instrument itself. The names are those of conditions, so that the line
on a chart can be named in `--assert` and `--fail-on`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType

from replay.benchmark import Benchmark
from replay.catalogue import CATALOGUE, Figure
from replay.figures import Figures
from replay.report.numbers import number
from replay.report.subjects import OneRun, named
from replay.statistics import RULE, Distribution

#: Of the figures that are one number, those of these groups.
_GROUPS = ("stability", "accuracy", "audio")


class Entry(Struct, kw_only=True, omit_defaults=True):
    """One point of a chart; the names of the fields are that program's."""

    name: str
    unit: str
    value: float
    range: str | UnsetType = UNSET
    extra: str | UnsetType = UNSET


def render(subjects: Sequence[OneRun | Benchmark]) -> bytes:
    """The file's bytes. Names are told apart by what differs: the subject, then the side."""
    entries = [
        entry
        for name, each in named(subjects)
        for entry in _entries(f"{name}: " if len(subjects) > 1 else "", each)
    ]
    return msgspec.json.format(msgspec.json.encode(entries), indent=1) + b"\n"


def _entries(first: str, subject: OneRun | Benchmark) -> Iterator[Entry]:
    if isinstance(subject, OneRun):
        yield from _figures(first, subject.figures)
        return
    for each in subject.measured:
        side = f"{each.arm.name} " if len(subject.measured) > 1 else ""
        yield from _figures(first + side, each.figures)


def _figures(prefix: str, figures: Figures) -> Iterator[Entry]:
    for figure in CATALOGUE.values():
        value = figures.get(figure.name)
        if value is None or figure.more:
            continue
        if isinstance(value, Distribution):
            yield from _distribution(prefix, figure, value)
        elif figure.group in _GROUPS:
            extra = figure.title
            yield Entry(name=prefix + figure.name, unit=figure.unit, value=value, extra=extra)


def _distribution(prefix: str, figure: Figure, dist: Distribution) -> Iterator[Entry]:
    for statistic in figure.changes:
        value: float | None = getattr(dist, statistic)
        if value is not None:
            never = f", {dist.censored} of them never came" if dist.censored else ""
            yield Entry(
                name=f"{prefix}{figure.name}.{statistic}",
                unit=figure.unit,
                value=value,
                range=f"{number(dist.min)} to {number(dist.max)}"
                if dist.max is not None
                else UNSET,
                extra=f"{figure.title}\nn={dist.n}{never}\n{RULE}",
            )
