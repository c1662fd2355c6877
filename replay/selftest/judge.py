"""Truth beside measurement, and the verdict.

A time of the constant trial is right when it is off by no more than a millisecond at the median and
three above it; where several sessions run side by side, and for what is several answers in a row,
three is right throughout. Counts, bytes and ratios are right when they are the same. What is
estimated from the service's stamps may be off by the bound that the instrument states with it.

A figure that is off fails the selftest, unless it hangs on time and the machine was too busy to
keep it: then there is no saying. Four times somebody has to be woken for an answer: the player, the
sandbox by its socket and by its clock, and the client. So one in a hundred answers is as late as
one in four hundred that are woken, and a machine on which that is more than two milliseconds leaves
too little of three.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from replay.catalogue import CATALOGUE, Unit
from replay.selftest.measured import Measured
from replay.selftest.result import FROM_SEND, Checked, Point, Row, Verdict
from replay.selftest.trial import Trial
from replay.selftest.truth import Truth
from replay.statistics import Distribution, Floats

#: How far a figure that takes its time may be off, in ms: at the median, and above.
MEDIAN_MS, ABOVE_MS = 1.0, 3.0
#: One in so many may be woken this late, in ms.
_ONE_IN, _BUSY_MS = 400, 2.0
#: Times are kept in whole ns and written in µs, so that the last digit may differ.
_ROUNDED_MS = 0.001

_DIGITS = 4
#: How many values a percentile takes (README), and how many hundredths it is.
_PERCENTILES = (("p99", 99, 368), ("p95", 95, 72), ("p90", 90, 36))
#: Figures that the catalogue does not have.
_FACTS: Mapping[str, tuple[str, Unit]] = {
    "raw_unstable_partial_word_ratio": ("words taken back, as written", "ratio"),
    "raw_erasure": ("erasure, as written", "ratio"),
    "raw_revised_partials": ("partials that revise, as written", "ratio"),
    "wer_result": ("word error rate of the result", "ratio"),
    "words": ("words", "count"),
    "finals": ("finals", "count"),
    "partials": ("partials", "count"),
    "duplicated_words": ("words said twice", "count"),
    "changed_words": ("words changed", "count"),
    "clock_ahead": ("the service's clock is ahead", "ms"),
    "clock_gain": ("the service's clock gains (ppm)", "count"),
    "error_bound": ("stated error of estimates", "ms"),
    "resent_bytes": ("audio sent again", "bytes"),
    "backoff": ("waited before the next attempt", "ms"),
    "reconnects": ("reconnections", "count"),
    "faults_fired": ("faults fired", "count"),
}
#: From the service's stamps, and how many borders of theirs are estimated and can be off apart.
_ESTIMATES = {
    "clock_ahead": 1,
    "uplink": 1,
    "downlink": 1,
    "service_partial": 2,
    "service_final": 2,
    "step_uplink": 1,
    "step_endpointing": 2,
    "step_decoding": 1,
    "step_downlink": 1,
}
#: Several answers, one after the other; and what the stop brings about, which goes out behind the
#: last chunk.
_IN_A_ROW = ("end_of_session", "final_forced")
#: What hangs on acknowledgements being on time before the connection is cut.
_CUT = ("repeated_bytes", "resent_bytes", "reconnects", "faults_fired")


def check(trial: Trial, truth: Truth, measured: Measured) -> Checked:
    """Every figure of the trial beside its truth."""
    return Checked(
        name=trial.name,
        title=trial.title,
        rounds=trial.rounds,
        seconds=trial.seconds,
        latency=trial.latency,
        rows=[_row(trial, name, truth, measured) for name in trial.figures],
    )


def verdict(trials: Sequence[Checked], busy: Sequence[str]) -> tuple[Verdict, list[str]]:
    """And the reasons, one for each figure that was not read back."""
    wrong = [(trial, row) for trial in trials for row in trial.rows if not row.right]
    firm = [_reason(trial, row) for trial, row in wrong if not row.timed or not busy]
    if firm:
        return "fail", firm
    if wrong:
        return "unknown", [*busy, *(_reason(trial, row) for trial, row in wrong)]
    return "pass", []


def too_busy(lateness: Floats, machine: Floats, invalid: Sequence[str]) -> list[str]:
    """Why this machine could not keep the time: our own chunks, another process that only sleeps,
    and what the sessions say of themselves."""
    found = list(invalid)
    for late, whose in ((lateness, "own chunks was"), (machine, "wake-ups of a sleeper was")):
        if len(late) and (value := _nearest(np.sort(late), _ONE_IN - 1, _ONE_IN)) > _BUSY_MS:
            found.append(f"one in {_ONE_IN} {whose} {value:.1f} ms late or more")
    return found


def _reason(trial: Checked, row: Row) -> str:
    point = next(each for each in row.points if not each.right)
    sent = ", from send" if row.figure.startswith(FROM_SEND) else ""
    what = f"{trial.title}: {row.title}{sent}" + (f" {point.statistic}" * bool(point.statistic))
    if point.measured is None:
        return f"{what} is {point.truth:g}, and was not measured"
    return f"{what} is {point.truth:g}, and was read as {point.measured:g}"


# ------------------------------------------------------------------ one figure


def _row(trial: Trial, wanted: str, truth: Truth, measured: Measured) -> Row:
    name, _, only = wanted.removeprefix(FROM_SEND).partition(".")
    full = wanted.removesuffix(f".{only}") if only else wanted
    title, unit = _called(name)
    bound = measured.figures.get("error_bound")
    allowed = _allowed(trial, name, bound if isinstance(bound, float) else 0.0)
    value = measured.figures.get(full)
    if full in truth.series:
        points = list(_points(np.array(truth.series[full] * trial.rounds), value, allowed, only))
    else:
        points = [_single(trial, truth.facts[full], value, allowed[0], unit)]
    timed = unit == "ms" or allowed[0] > 0 or (trial.cut is not None and name in _CUT)
    right = all(each.right for each in points)
    return Row(figure=full, title=title, unit=unit, timed=timed, right=right, points=points)


def _called(name: str) -> tuple[str, Unit]:
    if name in _FACTS:
        return _FACTS[name]
    return CATALOGUE[name].title, CATALOGUE[name].unit


def _allowed(trial: Trial, name: str, bound: float) -> tuple[float, float]:
    """At the median (or of one number), and above it."""
    if name in _ESTIMATES:
        return (bound * _ESTIMATES[name],) * 2
    if name == "clock_gain":
        # Both ends of the line may be off, and lie seven eighths of the session apart.
        return (2 * bound / (trial.seconds * 875) * 1e6,) * 2
    _, unit = _called(name)
    if name == "step_rest":  # which the reference alone decides
        return _ROUNDED_MS, _ROUNDED_MS
    if unit != "ms":
        return 0.0, 0.0
    alone = trial.rounds > 1 and name not in _IN_A_ROW
    return MEDIAN_MS if alone else ABOVE_MS, ABOVE_MS


def _single(
    trial: Trial, truth: float, value: Distribution | float | None, allowed: float, unit: Unit
) -> Point:
    if unit in ("count", "bytes") and trial.rounds > 1:
        truth *= trial.rounds
    number = value.p50 if isinstance(value, Distribution) else value
    return _point("", truth, number, allowed)


def _points(
    values: Floats, found: Distribution | float | None, allowed: tuple[float, float], only: str
) -> Iterator[Point]:
    """How many values there are, the median, and the highest percentile that they can carry."""
    read = found if isinstance(found, Distribution) else Distribution()
    ordered = np.sort(values)
    yield _point("n", len(ordered), read.n, 0.0)
    yield _point("p50", _nearest(ordered, 50), read.p50, allowed[0])
    top = next((each for each in _PERCENTILES if len(ordered) >= each[2]), None)
    if top is not None and not only:
        name, share, _ = top
        yield _point(name, _nearest(ordered, share), getattr(read, name), allowed[1])


def _nearest(ordered: Floats, share: int, of: int = 100) -> float:
    """The value at the least rank that is not below this share."""
    return float(ordered[-(-len(ordered) * share // of) - 1])


def _point(statistic: str, truth: float, measured: float | None, allowed: float) -> Point:
    truth = round(truth, _DIGITS)
    error = None if measured is None else round(measured - truth, _DIGITS)
    return Point(
        statistic=statistic,
        truth=truth,
        measured=measured,
        error=error,
        allowed=round(allowed, _DIGITS),
    )
