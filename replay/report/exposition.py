"""OpenMetrics text, piece by piece: families of samples, in base units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

_UNSPEAKABLE = re.compile("[\u0000-\u001f\u007f-\u009f\ud800-\udfff\u2028\u2029]+")
#: What the samples of a family are called besides its name.
_SUFFIXES = {"info": "_info", "counter": "_total"}

Labels = Mapping[str, str]
Kind = Literal["gauge", "counter", "info", "stateset", "histogram"]


class Exposition:
    """Families of samples, each family in one piece, in the order in which they are first named."""

    def __init__(self) -> None:
        self._heads: dict[str, list[str]] = {}
        self._samples: dict[str, list[str]] = {}

    def add(
        self, name: str, kind: Kind, about: str, labels: Labels, value: float, unit: str = ""
    ) -> None:
        """One sample, of the family of that name."""
        self._sample(name, kind, about, labels, value, unit, _SUFFIXES.get(kind, ""))

    def states(
        self, name: str, about: str, labels: Labels, state: str, every: Iterable[str]
    ) -> None:
        """What something is of all that it could be."""
        for each in every:
            self.add(name, "stateset", about, {**labels, name: each}, int(each == state))

    def histogram(
        self,
        name: str,
        about: str,
        labels: Labels,
        buckets: Sequence[tuple[float, int]],
        count: int,
        total: float | None,
        unit: str,
    ) -> None:
        """One histogram.

        Args:
            buckets: upper ends, upwards, and how many values are at or below each.
            total: the sum of all values; None where some are negative or not known.
        """
        every = [(f"{end!r}", below) for end, below in buckets] + [("+Inf", count)]
        for end, below in every:
            mine = {**labels, "le": end}
            self._sample(name, "histogram", about, mine, below, unit, "_bucket")
        if total is not None:  # the format has both or none
            self._sample(name, "histogram", about, labels, count, unit, "_count")
            self._sample(name, "histogram", about, labels, total, unit, "_sum")

    def _sample(
        self,
        name: str,
        kind: Kind,
        about: str,
        labels: Labels,
        value: float,
        unit: str,
        suffix: str,
    ) -> None:
        if name not in self._heads:
            head = [f"# TYPE {name} {kind}", f"# HELP {name} {about}"]
            self._heads[name] = [*head, f"# UNIT {name} {unit}"] if unit else head
            self._samples[name] = []
        pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        self._samples[name].append(f"{name}{suffix}{{{pairs}}} {value!r}")

    def text(self) -> str:
        families = [[*self._heads[name], *self._samples[name]] for name in self._heads]
        return "".join(f"{line}\n" for family in families for line in family) + "# EOF\n"


def _escaped(text: str) -> str:
    plain = _UNSPEAKABLE.sub(" ", text)
    return plain.replace("\\", "\\\\").replace('"', '\\"')
