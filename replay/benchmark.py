"""What a benchmark is on disk: its plan, what was played of it, and `bench.json`, what it came to.

`bench.json` holds every value that a comparison needs, so that the file alone is a baseline.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from replay.checks import Checked
from replay.compare import Comparison, Side, Take
from replay.recoveries import Recovery
from replay.samples import Sample
from replay.statistics import RULE, Distribution
from replay.validity import Verdict as Valid

SCHEMA = 1

Verdict = Literal["pass", "fail", "unknown"]


class Recording(Struct, kw_only=True, omit_defaults=True):
    """One file of the corpus, pinned. `name`: its own among the others; `text` and `words`: what is
    said, where a manifest says it; None for the files beside it."""

    name: str
    path: str
    sha256: str
    seconds: float = 0.0
    text: str | None = None
    words: list[tuple[str, float, float, int]] | None = None


class Machine(Struct, kw_only=True, omit_defaults=True):
    """Where it was measured. `packages`: versions of what the client stands on."""

    system: str
    processor: str
    cores: int
    python: str
    packages: dict[str, str]


class Arm(Struct, kw_only=True):
    """One side of a benchmark: A, or B with `--versus`. `target`: without secrets."""

    name: str
    label: str
    target: str
    config: dict[str, Any]
    sandbox: list[str]
    faults: list[str]


class Plan(Struct, kw_only=True):
    """What is to be played. `arguments`, given in `directory`, make it again; `runs` rounds count,
    after `warmup` that do not."""

    schema: int = SCHEMA
    replay_version: str
    created_at: str
    name: str
    arguments: list[str]
    directory: str
    recordings: list[Recording]
    arms: list[Arm]
    runs: int
    warmup: int
    concurrency: int
    machine: Machine


class Play(Struct, kw_only=True, omit_defaults=True):
    """One session of it. `round`: from 1, warm-ups from 0 down; `path`: of its run, below the
    benchmark's directory; `error`: why there is none. `attempt`: from 1."""

    arm: str
    round: int
    recording: str
    attempt: int
    path: str
    validity: Valid | None = None
    error: str = ""


class Played(Struct, kw_only=True):
    """What came of one session. `counts`: it is part of the figures; `sample` only where it is."""

    round: int
    recording: str
    attempt: int
    path: str
    counts: bool
    verdict: Verdict
    reasons: list[str]
    validity: Valid | None
    validity_reasons: list[str]
    sample: Sample | None = None


class Measured(Struct, kw_only=True):
    """One side, measured. `figures`: by the names of the catalogue, over all runs that count."""

    arm: Arm
    plays: list[Played]
    figures: dict[str, Distribution | float | None]
    recoveries: list[Recovery]


class Validity(Struct, kw_only=True):
    """Of the whole benchmark, as `validity.Validity` is of a run."""

    verdict: Valid
    reasons: list[str]
    notes: list[str]


class Benchmark(Struct, kw_only=True):
    """Everything `bench.json` holds. `left`: sessions of the plan that are still to be played."""

    schema: int = SCHEMA
    replay_version: str
    name: str
    created_at: str
    verdict: Verdict
    reasons: list[str]
    validity: Validity
    machine: Machine
    recordings: list[Recording]
    runs: int
    warmup: int
    concurrency: int
    quantiles: str = RULE
    left: int
    measured: list[Measured]
    assertions: list[Checked]
    comparison: Comparison | None = None


def side(benchmark: Benchmark, arm: str = "A", label: str = "") -> Side:
    """One side of a benchmark, for comparing."""
    digests = {each.name: each.sha256 for each in benchmark.recordings}
    found = next(each for each in benchmark.measured if each.arm.name == arm)
    return Side(
        label or benchmark.name,
        [
            Take(digests[play.recording], play.round, play.sample)
            for play in found.plays
            if play.counts and play.sample is not None
        ],
    )


def encode(benchmark: Benchmark) -> bytes:
    """`bench.json`, as one line."""
    return msgspec.json.encode(benchmark) + b"\n"


def decode(data: bytes) -> Benchmark:
    """Read `bench.json`.

    Raises:
        ValueError: it is none, or of another schema; a sentence says what it is.
    """
    try:
        stamp = msgspec.json.decode(data, type=_Stamp)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a benchmark: {error}") from None
    if stamp.schema != SCHEMA:
        raise ValueError(
            f"written by replay {stamp.replay_version or 'of an unknown version'} in form "
            f"{stamp.schema}, this one reads form {SCHEMA}: measure it again"
        )
    try:
        return msgspec.json.decode(data, type=Benchmark)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a benchmark: {error}") from None


class _Stamp(Struct):
    schema: int
    replay_version: str = ""
