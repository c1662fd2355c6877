"""Two benchmarks held against each other, pair by pair, and one word on it.

The word stands on `GATED`: one measure of partials and one of finals, at the median of the paired
differences. Everything else is shown beside it. Conditions, where there are any, take the place of
that gate. What was measured on one side and not on the other is never a pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct

from replay.checks import Checked
from replay.compare.changes import ERRORS, RATIOS, TIMES, Change, Scale, Verdict, change
from replay.compare.effects import Estimate, at_quantile, of_counts, of_pairs
from replay.compare.levels import FALSE_ALARMS, POWER
from replay.compare.limits import hold, levels_of
from replay.compare.pairs import Counts, Pairs, Side, counts, pair
from replay.conditions import Condition
from replay.figures import Figures
from replay.samples import BY_RUN, BY_UTTERANCE, BY_WORD

SCHEMA = 1

#: What the verdict on latency stands on.
GATED = ("word_first", "word_final")
STABILITY = ("unstable_partial_word_ratio", "erasure", "revised_partials")
ACCURACY = ("wer", "wer_streaming", "lost_words")
#: Percentiles of tails: shown, with their intervals, and never decisive.
TAILS = {"p95": 0.95, "p99": 0.99}

#: With fewer of all items on both sides than this share, it is another measurement.
_SHARED = 0.5


class Group(Struct, kw_only=True):
    """Measures that are judged together. `changes`: those that were compared."""

    name: str
    verdict: Verdict
    reasons: list[str]
    changes: list[Change]


class Comparison(Struct, kw_only=True):
    """Attributes:
    base, new: what was compared, in a word each; the verdict is on `new`.
    reasons: of the verdict, the first the weightiest.
    interleaved: the rounds of both sides were played in turns, and are compared in pairs.
    latency, stability, accuracy: each judged on its own; the verdict is latency's, or that of
        `conditions` where there are any.
    advisory: other measures, and tails, with their intervals; they decide nothing.
    rounds: how many count on each side.
    false_alarms: of comparisons of a thing with itself, at most so many are called worse; power: of
        changes of the detectable size, so many are found.
    """

    schema: int = SCHEMA
    base: str
    new: str
    verdict: Verdict
    reasons: list[str]
    interleaved: bool
    rounds: tuple[int, int]
    latency: Group
    stability: Group
    accuracy: Group
    advisory: list[Change]
    conditions: list[Checked]
    notes: list[str]
    false_alarms: float = FALSE_ALARMS
    power: float = POWER


@dataclass(frozen=True, slots=True)
class _Known:
    """Everything there is to compare."""

    pairs: Mapping[str, Pairs]
    counts: Mapping[str, Counts]
    interleaved: bool

    def estimate(self, figure: str, statistic: str) -> Estimate | None:
        if figure in self.counts:
            return of_counts(self.counts[figure], paired=self.interleaved)
        if figure not in self.pairs:
            return None
        if statistic in TAILS:
            return at_quantile(self.pairs[figure], TAILS[statistic], paired=self.interleaved)
        return of_pairs(self.pairs[figure], paired=self.interleaved)

    def unpaired(self, figure: str) -> int:
        pairs = self.pairs.get(figure)
        return 0 if pairs is None else pairs.items - pairs.count


def compare(
    base: Side,
    new: Side,
    *,
    interleaved: bool = False,
    conditions: Sequence[Condition] = (),
    figures: Figures | None = None,
    invalid: Sequence[str] = (),
) -> Comparison:
    """Compare two sides.

    Args:
        interleaved: both were played in turns, in one benchmark.
        conditions: what must not be: each names when it is worse.
        figures: of the new side, for conditions that name no change.
        invalid: why a side is no measurement at all.
    """
    if interleaved:
        base, new = _in_common(base, new)
    known = _Known(pair(base, new), counts(base, new), interleaved)
    missing = [*invalid, *_missing(base, new)]
    latency = _group("latency", GATED, known, base, new, TIMES)
    found = Comparison(
        base=base.label,
        new=new.label,
        verdict="inconclusive",
        reasons=[],
        interleaved=interleaved,
        rounds=(len(base.rounds), len(new.rounds)),
        latency=latency,
        stability=_group("stability", STABILITY, known, base, new, RATIOS),
        accuracy=_group("accuracy", ACCURACY, known, base, new, ERRORS),
        advisory=_advisory(known),
        conditions=hold(conditions, known.estimate, figures or {}),
        notes=_notes(base, new),
    )
    verdict, reasons = _by_conditions(found.conditions) if conditions else _by_latency(latency)
    if missing and verdict != "worse":
        verdict, reasons = "inconclusive", []
    found.verdict, found.reasons = verdict, [*reasons, *missing]
    return found


def _in_common(base: Side, new: Side) -> tuple[Side, Side]:
    """Rounds that count on both sides: only those have a partner."""
    both = {*base.rounds} & {*new.rounds}
    first, second = (
        Side(side.label, [take for take in side.takes if take.round in both])
        for side in (base, new)
    )
    return first, second


# ------------------------------------------------------------------ groups


def _group(
    name: str, figures: Sequence[str], known: _Known, base: Side, new: Side, scale: Scale
) -> Group:
    changes = _together([(figure, "p50") for figure in figures], known, scale)
    group = Group(name=name, verdict="inconclusive", reasons=[], changes=changes)
    there = {each.figure for each in changes}
    for figure in figures:
        if figure not in there and (_has(base, figure) or _has(new, figure)):
            group.reasons.append(_why_not(figure, known, base, new))
    thin = [
        f"{each.figure}: only {each.pairs} of {each.pairs + each.unpaired} items are on both sides"
        for each in changes
        if each.pairs < _SHARED * (each.pairs + each.unpaired)
    ]
    group.reasons += thin
    verdicts = {each.verdict for each in changes}
    if "worse" in verdicts:
        group.verdict = "worse"
    elif changes and not group.reasons and "inconclusive" not in verdicts:
        group.verdict = "better" if "better" in verdicts else "same"
    return group


def _together(
    wanted: Sequence[tuple[str, str]], known: _Known, scale: Scale | None = None
) -> list[Change]:
    """The changes of several measures, with one critical value for all of them together."""
    estimates = {
        (figure, statistic): found
        for figure, statistic in wanted
        if (found := known.estimate(figure, statistic)) is not None
    }
    if not estimates:
        return []
    limits = levels_of(list(estimates.values()))
    return [
        change(
            figure,
            "" if figure in known.counts else statistic,
            found,
            limits,
            scale or scale_of(figure),
            known.unpaired(figure),
        )
        for (figure, statistic), found in estimates.items()
    ]


def scale_of(figure: str) -> Scale:
    """What matters of a measure."""
    return ERRORS if figure in ACCURACY else RATIOS if figure in STABILITY else TIMES


def _has(side: Side, figure: str) -> bool:
    for take in side.takes:
        sample = take.sample
        if figure in sample.rates or figure in sample.values:
            return True
        column = sample.words.get(figure) or sample.utterances.get(figure) or []
        if any(value is not None for value in column):
            return True
    return False


def _why_not(figure: str, known: _Known, base: Side, new: Side) -> str:
    if figure in known.pairs or figure in known.counts:
        few = base.label if len(base.rounds) < 2 else new.label
        return f"{figure}: {few} has one round only: its noise is not known"
    sides = [side.label for side in (base, new) if not _has(side, figure)]
    return f"{figure} was not measured in {' and '.join(sides) or 'the same items'}"


def _advisory(known: _Known) -> list[Change]:
    """Every other measure at its median, and the tails; each by itself."""
    wanted = [
        (figure, "p50")
        for figure in (*BY_WORD, *BY_UTTERANCE, *BY_RUN)
        if figure in known.pairs and figure not in GATED
    ]
    wanted += [
        (figure, tail)
        for figure in (*BY_WORD, *BY_UTTERANCE)
        if figure in known.pairs
        for tail in TAILS
    ]
    return [each for one in wanted for each in _together([one], known)]


# ------------------------------------------------------------------ the word on it


def _by_latency(latency: Group) -> tuple[Verdict, list[str]]:
    reasons = [
        f"{each.figure} {each.verdict}: {_change_words(each)}"
        for each in latency.changes
        if each.verdict in (latency.verdict, "inconclusive")
    ]
    return latency.verdict, reasons + latency.reasons


def _change_words(each: Change) -> str:
    share = "" if each.change_share is None else f" ({each.change_share:+.1%})"
    found = f"p50 {each.change:+.1f} ms{share}, {each.low:+.1f} to {each.high:+.1f} ms"
    if each.verdict == "inconclusive":
        found += f"; nothing below {each.detectable:.1f} ms could have been found"
    return found


def _by_conditions(checked: Sequence[Checked]) -> tuple[Verdict, list[str]]:
    failed = [f"{each.text}: {each.why}" for each in checked if each.state == "fail"]
    unsure = [f"{each.text}: {each.why}" for each in checked if each.state == "unknown"]
    if failed:
        return "worse", failed + unsure
    return ("inconclusive", unsure) if unsure else ("same", [])


# ------------------------------------------------------------------ what is not there


def _missing(base: Side, new: Side) -> list[str]:
    found = []
    gone = base.recordings - new.recordings
    if not base.recordings & new.recordings:
        return ["no recording was measured on both sides"]
    if gone:
        found.append(
            f"{len(gone)} of {len(base.recordings)} recordings of {base.label} "
            f"were not measured in {new.label}"
        )
    anchors = [{take.sample.anchor for take in side.takes} for side in (base, new)]
    if anchors[0] != anchors[1]:
        found.append("the sides are measured against different word times")
    return found


def _notes(base: Side, new: Side) -> list[str]:
    more = new.recordings - base.recordings
    if not more:
        return []
    return [f"{len(more)} recordings of {new.label} are not in {base.label}, and left out"]
