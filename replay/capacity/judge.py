"""What a step says: did the target hold, and was it the target that was measured?"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from replay import statistics
from replay.capacity.records import Client, Failure, Measured
from replay.capacity.search import State
from replay.checks import Checked, check
from replay.conditions import Condition, parse_condition
from replay.endurance.histogram import Histogram, merged
from replay.errors import ConditionError
from replay.statistics import Distribution

#: What a step measures, by the names of the catalogue.
MEASURED = ("ack", "round_trip", "partial_lag", "word_final", "final")
#: Those of them that are told of what is said, and only where it is.
TOLD = ("partial_lag", "word_final", "final")
#: Less than this share of what is usual is told: the rest never came. And the least that is usual
#: for that to be said.
_QUIET, _USUAL = 0.5, 50
#: Of these there is one for each chunk.
_EACH_CHUNK = ("ack", "round_trip")

#: Statistics that are no times.
_COUNTS = ("n", "censored")

#: Own lateness may be so much of the smallest latency that a condition is about.
_SHARE = 0.1
#: ms of own lateness at p99 where no condition is about a latency; and the least that is asked for.
_LATENESS = 10.0
_LEAST_LATENESS = 1.0
#: A process that takes so much of a core has none left.
_FULL = 0.97
#: One that is late and takes less than this was not late of its own work.
_HALF = 0.5
#: The loop may be held by single steps for so much of the time.
_STALLED = 0.02


class Step(Struct, kw_only=True):
    """One step, judged.

    Attributes:
        reasons: why it is not `held`.
        cpu: cores that the client's processes took, and `target_cpu` a sandbox of our own.
        busiest: the largest share of a core that one of all these took.
        cpu_ms: of the client, for a second of one session.
        memory_kib: of the client's processes, for a session.
    """

    sessions: int
    state: State
    reasons: list[str]
    at_s: float
    opened: int
    checks: list[Checked]
    figures: dict[str, Distribution]
    lateness: Distribution
    stalls: int
    cpu: float
    cpu_ms: float
    target_cpu: float | None
    busiest: float
    rss_bytes: int
    failures: list[Failure]
    failed: int


def parse_slo(text: str) -> Condition:
    """A condition on what a step measures.

    Raises:
        ConditionError: it cannot be read, is about a change, or about what no step measures.
    """
    condition = parse_condition(text)
    if condition.relative:
        raise ConditionError(f"--slo {text!r}: is about a change; a step is held against a figure")
    if condition.figure.name not in MEASURED:
        raise ConditionError(
            f"--slo {text!r}: no step measures {condition.figure.name}; use {', '.join(MEASURED)}"
        )
    return condition


def lateness_bound(conditions: Sequence[Condition]) -> float:
    """ms of own lateness at p99 beyond which the client is what was measured."""
    limits = [each.value for each in conditions if _is_time(each)]
    return max(_LEAST_LATENESS, _SHARE * min(limits)) if limits else _LATENESS


def patience(conditions: Sequence[Condition]) -> float:
    """Seconds after a step for which what is on its way is waited for: beyond every limit."""
    limits = [each.value / 1000 for each in conditions if _is_time(each)]
    return max(1.0, 1.25 * max(limits, default=0.0))


def least_seconds(conditions: Sequence[Condition], sessions: int, chunk: float) -> float:
    """How long so many sessions must be held for the conditions on chunks to be decided."""
    quantiles = [
        statistics.QUANTILES[each.statistic]
        for each in conditions
        if each.figure.name in _EACH_CHUNK and each.statistic in statistics.QUANTILES
    ]
    needed = max(map(statistics.smallest_sample, quantiles), default=1)
    return -(-needed // sessions) * chunk


def _is_time(condition: Condition) -> bool:
    return (
        condition.figure.unit == "ms" and condition.statistic not in _COUNTS and condition.value > 0
    )


class Judge:
    """Judges the steps of a search as they come."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._conditions = conditions
        self._held: list[Measured] = []

    def step(self, measured: Measured) -> Step:
        """The next one, beside those before it that held."""
        found = judge(measured, self._conditions, self._held)
        if found.state == "held":
            self._held.append(measured)
        return found


def judge(
    measured: Measured, conditions: Sequence[Condition], held: Sequence[Measured] = ()
) -> Step:
    """Hold a step against the conditions, and our own client against its plan.

    Args:
        held: earlier steps that held. What a target never tells has no latency; but all sessions
            play the same, so that each second of them is told about as much.
    """
    figures = {name: merged([each]).distribution() for name, each in measured.figures.items()}
    lateness = merged(_lateness(each) for each in measured.clients).distribution()
    checks = [check(each, figures) for each in conditions]
    seconds = max((each.seconds for each in measured.clients), default=0.0)
    shares = [each.cpu_s / each.seconds for each in measured.clients if each.seconds]
    cpu = sum(shares)
    strained = _strained(measured, lateness, lateness_bound(conditions))
    state, reasons = _state(measured, checks, strained, _quiet(measured, conditions, held))
    target = measured.target_cpu_s
    target_cpu = target / seconds if target is not None and seconds else None
    return Step(
        sessions=measured.sessions,
        state=state,
        reasons=reasons,
        at_s=measured.at_s,
        opened=measured.opened,
        checks=checks,
        figures=figures,
        lateness=lateness,
        stalls=sum(each.stalls for each in measured.clients),
        cpu=round(cpu, 3),
        cpu_ms=round(1000 * cpu / measured.sessions, 3),
        target_cpu=None if target_cpu is None else round(target_cpu, 3),
        busiest=round(max([*shares, target_cpu or 0.0]), 3),
        rss_bytes=sum(each.rss_bytes for each in measured.clients),
        failures=measured.failures,
        failed=measured.failed,
    )


def _lateness(client: Client) -> Histogram:
    """With the chunks that were never handed over as late as the step is long, and later."""
    late = Histogram.decoded(client.lateness)
    late.add((), [1000 * client.seconds] * client.missing)
    return late


def _strained(measured: Measured, lateness: Distribution, bound: float) -> list[str]:
    """In what our own client was not what it has to be."""
    found = [
        f"this machine: {each.detail}" for each in measured.failures if each.cause == "machine"
    ]
    late = lateness.p99 if lateness.p99 is not None else lateness.max
    missing = sum(each.missing for each in measured.clients)
    busiest = max(
        (each.cpu_s / each.seconds for each in measured.clients if each.seconds), default=0
    )
    if missing:
        found.append(f"the client did not get to {missing} chunks")
    elif late is not None and late > bound:
        found.append(f"the client's own lateness is {late:.1f} ms at p99, beyond {bound:g} ms")
    if found and 0 < busiest < _HALF:
        found.append(
            f"its processes took {busiest:.0%} of a core at most: something else kept them from it"
        )
    for number, each in enumerate(measured.clients, 1):
        if each.seconds and each.cpu_s >= _FULL * each.seconds:
            found.append(f"process {number} of the client has no more of its core")
        if each.stalled_ms > 1000 * _STALLED * each.seconds:
            found.append(f"process {number} of the client was held for {each.stalled_ms:.0f} ms")
    return found


def _quiet(
    measured: Measured, conditions: Sequence[Condition], held: Sequence[Measured]
) -> list[str]:
    """Of which figures far too little came for them to stand for all that was said."""
    found = []
    for name in dict.fromkeys(each.figure.name for each in conditions):
        before = sum(map(_played, held))
        if name not in TOLD or not before:
            continue
        usual = sum(_count(each, name) for each in held) / before * _played(measured)
        count = _count(measured, name)
        if usual >= _USUAL and count < _QUIET * usual:
            found.append(f"{name}: {count:,} came, where about {usual:,.0f} are usual")
    return found


def _count(measured: Measured, name: str) -> int:
    return merged([measured.figures[name]]).n if name in measured.figures else 0


def _played(measured: Measured) -> float:
    """Seconds of sessions."""
    return sum(each.sessions * each.seconds for each in measured.clients)


def _state(
    measured: Measured, checks: Sequence[Checked], strained: list[str], quiet: list[str]
) -> tuple[State, list[str]]:
    of_target = [each for each in measured.failures if each.cause != "machine"]
    refused = [each for each in of_target if each.cause == "refused"]
    if refused:
        return "refused", [_told(refused[0], measured)]
    if strained:
        return "strained", strained
    lost = [each for each in of_target if each.cause != "unreachable"]
    if of_target:
        return ("lost" if lost else "missed"), [_told((lost or of_target)[0], measured)]
    if quiet:
        return "missed", quiet
    for state, name in (("fail", "missed"), ("unknown", "unknown")):
        wrong = [each for each in checks if each.state == state]
        if wrong:
            return ("missed" if name == "missed" else "unknown"), [_why(each) for each in wrong]
    return "held", []


def _told(failure: Failure, measured: Measured) -> str:
    others = f" ({measured.failed} sessions in all)" if measured.failed > 1 else ""
    if failure.cause == "refused":
        return f"{measured.opened} sessions were let in, then: {failure.detail}{others}"
    return f"session {failure.session}: {failure.detail}{others}"


def _why(checked: Checked) -> str:
    if checked.state == "unknown":
        return f"{checked.text}: {checked.why}"
    assert checked.measured is not None  # or it would not be known that it fails
    value = checked.measured
    if checked.statistic in _COUNTS:
        told = f"{value:g}"
    else:
        told = f"{value:.0f} ms" if value >= 100 else f"{value:.1f} ms"
    return f"{checked.figure}.{checked.statistic} is {'≥' if checked.why else ''}{told}"
