"""What every figure has to be, worked out from a trial's course.

The figures' definitions are written down here a second time, as plainly as they can be (README,
"What the figures mean"), so that a mistake in the measuring code is not made twice. Words are
compared by their place in the utterance, where the measuring code has to align them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from replay.selftest.predict import Course, predict
from replay.selftest.result import FROM_SEND
from replay.selftest.told import Axis, Shown, Told, fold, utterances
from replay.selftest.trial import Trial

#: The series with one value for each answer of the service.
ANSWERS = ("ack", "word_first", "endpointing", "final")
#: A service's stamps are whole milliseconds.
_STAMP_MS = 1.0


@dataclass(slots=True)
class Truth:
    """Attributes:
    series: every single value, in ms, in the order of the measuring code's own.
    facts: figures that are one number: counts, bytes, ratios, times in ms.
    """

    series: dict[str, list[float]] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)


def work_out(trial: Trial, way: float = 0.0) -> Truth:
    """`way`: seconds that everything takes between client and service, each way."""
    course = predict(trial, way)
    axis = Axis(trial, course)
    told = utterances(course, axis, way)
    plan = _latencies(course, axis, told, way, plan=True)
    send = _latencies(course, axis, told, way, plan=False)
    found = Truth({**plan, **{FROM_SEND + name: values for name, values in send.items()}})
    found.series |= _network(course, axis, told, way)
    found.series["first_text"] = [told[0].partials[0].at * 1e3]
    found.series["end_of_session"] = [(course.over + way - course.stop) * 1e3]
    found.facts |= _stability([_folded(each) for each in told], "")
    found.facts |= _stability(told, "raw_")
    found.facts |= _text(trial, told)
    found.facts |= _connections(trial, course, way)
    found.facts |= {"clock_ahead": 0.0, "clock_gain": 0.0}
    if trial.clock is not None:
        ahead, gain = trial.clock
        found.facts |= {"clock_ahead": ahead * 1e3, "clock_gain": gain}
    shortest = min(a - b for a, b in zip(course.acked, course.due, strict=True)) + way
    found.facts["error_bound"] = shortest * 1e3 / 2 + _STAMP_MS
    return found


# ------------------------------------------------------------------ latency


def _latencies(
    course: Course, axis: Axis, told: Sequence[Told], way: float, *, plan: bool
) -> dict[str, list[float]]:
    """From when the audio was spoken by the plan, or from when the plan sends it."""
    since = (lambda seconds: seconds) if plan else axis.sent
    natural = [each for each in told if each.final.at <= course.stop]
    forced = [each for each in told if each.final.at > course.stop]
    noticed = [each for each in natural if each.ended is not None]
    found = {
        "ack": [at + way - due for at, due in zip(course.acked, course.due, strict=True)],
        "first_partial": [u.partials[0].at - since(u.starts[0]) for u in told if u.partials],
        "partial_lag": [_cursor(course, p.at, plan=plan) - p.end for p in _in_time(told)],
        "word_first": _words(told, since, _first),
        "word_stable": _words(told, since, _stable),
        "word_final": _words(told, since, lambda each, _: each.final.at),
        "final": [u.final.at - since(u.ends[-1]) for u in natural],
        "final_forced": [u.final.at - since(u.ends[-1]) for u in forced],
        "endpointing": [u.ended - since(u.ends[-1]) for u in noticed if u.ended is not None],
        "decoding": [u.final.at - u.ended for u in noticed if u.ended is not None],
        "partial_gap": [b.at - a.at for each in told for a, b in pairwise(each.partials)],
    }
    return {name: [each * 1e3 for each in values] for name, values in found.items()}


def _in_time(told: Sequence[Told]) -> list[Shown]:
    return sorted((p for each in told for p in each.partials), key=lambda shown: shown.at)


def _cursor(course: Course, at: float, *, plan: bool) -> float:
    """Where the audio is: it moves evenly, and stands once it is over. What is handed to the
    socket begins with a whole chunk."""
    return min(max(at, 0.0 if plan else course.due[0]), course.due[-1])


def _words(
    told: Sequence[Told],
    since: Callable[[float], float],
    when: Callable[[Told, int], float],
) -> list[float]:
    return [when(each, k) - since(end) for each in told for k, end in enumerate(each.ends)]


def _first(told: Told, place: int) -> float:
    """When the word that stands there in the final first stood there."""
    return min([p.at for p in told.partials if _has(p, told.final, place)] + [told.final.at])


def _stable(told: Told, place: int) -> float:
    """Since when it stood there in every version."""
    since = told.final.at
    for partial in reversed(told.partials):
        if not _has(partial, told.final, place):
            break
        since = partial.at
    return since


def _has(partial: Shown, final: Shown, place: int) -> bool:
    return len(partial.words) > place and fold(partial.words[place]) == fold(final.words[place])


# ------------------------------------------------------------------ network


def _network(
    course: Course, axis: Axis, told: Sequence[Told], way: float
) -> dict[str, list[float]]:
    """The steps of a word, one after the other, and what the service's stamps tell of the way.

    A chunk counts as arrived when it is: where acknowledgements take their time, the service's own
    stamps cannot tell, and the estimates are off by up to that (`network`).
    """
    found: dict[str, list[float]] = {
        "round_trip": [at + way - due for at, due in zip(course.acked, course.due, strict=True)],
        "uplink": [at - due for at, due in zip(course.acked, course.due, strict=True)],
        "downlink": [way for each in told for _ in (*each.partials, each.final)],
        "service_partial": [p.at - way - course.arrived[axis.chunk(p.end)] for p in _in_time(told)],
        "service_final": [
            each.final.at - way - course.arrived[axis.chunk(each.ends[-1])] for each in told
        ],
    }
    steps: dict[str, list[float]] = {f"step_{name}": [] for name in _STEPS}
    for each in told:
        if each.final.at > course.stop or each.ended is None:
            continue
        end = each.ends[-1]
        arrived = course.arrived[axis.chunk(end)]
        for word_end in each.ends:
            took = (
                end - word_end,
                axis.sent(end) - end,
                arrived - axis.sent(end),
                each.ended - way - arrived,
                each.final.at - each.ended,
                way,
            )
            for name, value in zip(steps, took, strict=True):
                steps[name].append(value)
    return {name: [each * 1e3 for each in values] for name, values in (found | steps).items()}


_STEPS = ("rest", "frame", "uplink", "endpointing", "decoding", "downlink")


# ------------------------------------------------------------------ what was said


def _folded(told: Told) -> Told:
    def plain(shown: Shown) -> Shown:
        return replace(shown, words=tuple(map(fold, shown.words)))

    return replace(told, partials=[plain(each) for each in told.partials], final=plain(told.final))


def _stability(told: Sequence[Told], prefix: str) -> dict[str, float]:
    """What was taken back, place by place, over the words, and over the versions.

    Raises:
        ValueError: a word that was taken back comes later in the same utterance, so that it could
            as well have moved: such a script tells no truth.
    """
    unstable = erased = revised = words = later = 0
    for each in told:
        versions = [*(p.words for p in each.partials), each.final.words]
        words += len(versions[-1])
        later += len(versions) - 1
        for before, after in pairwise(versions):
            same = next((k for k, w in enumerate(before) if w != after[k]), len(before))
            gone = before[same:]
            if set(gone) & {*after[same:], *versions[-1][same:]}:
                raise ValueError(f"{gone} may have moved: give the trial another seed")
            erased += len(gone)
            unstable += len(gone)
            revised += bool(gone)
    return {
        f"{prefix}unstable_partial_word_ratio": round(unstable / words, _RATIO_DIGITS),
        f"{prefix}erasure": round(erased / words, _RATIO_DIGITS),
        f"{prefix}revised_partials": round(revised / later, _RATIO_DIGITS),
    }


_RATIO_DIGITS = 4


def _text(trial: Trial, told: Sequence[Told]) -> dict[str, float]:
    """Scripts say the words of the reference in their order, but for some: what stands between two
    of them in the script and not in the reference is another word in its place, or the one before
    it once more."""
    heard = [fold(word) for each in told for word in each.final.words]
    said = [fold(word.word) for word in trial.said]
    known, doubled = set(said), sum(a == b for a, b in pairwise(heard))
    changed = sum(word not in known for word in heard)
    lost = len(said) - (len(heard) - doubled - changed) - changed
    # What was shown last before each final, where that ended in another word.
    slips = sum(
        fold(a) != fold(b)
        for each in told
        for a, b in zip(each.partials[-1].words, each.final.words, strict=True)
    )
    return {
        "lost_words": round(lost / len(said), _RATIO_DIGITS),
        "changed_words": changed,
        "duplicated_words": doubled,
        "wer": round((lost + changed + doubled) / len(said), _RATIO_DIGITS),
        "wer_result": round((lost + changed + doubled) / len(said), _RATIO_DIGITS),
        "wer_streaming": round((lost + changed + doubled + slips) / len(said), _RATIO_DIGITS),
        "words_used": round((len(said) - lost - changed) / len(said), _RATIO_DIGITS),
        "words": len(heard),
        "finals": len(told),
        "partials": sum(len(each.partials) for each in told),
    }


# ------------------------------------------------------------------ connections


def _connections(trial: Trial, course: Course, way: float) -> dict[str, float]:
    found = {
        "lost_bytes": trial.lose,
        "repeated_bytes": 0.0,
        "resent_bytes": 0.0,
        "reconnects": 0.0,
        "faults_fired": float(len(trial.faults)),
    }
    if trial.cut is None or course.cut is None or course.back is None:
        return found
    heard = [at + way for at in course.acked] + [each.at + way for each in course.said]
    cut = course.cut + way
    chunk = float(course.ends[0])
    # What was under way when the client noticed goes out again too, and was never recorded.
    under_way = sum(due <= cut for due in course.due[trial.cut - 1 :])
    return found | {
        "repeated_bytes": chunk,
        "resent_bytes": under_way * chunk,
        "reconnects": 1.0,
        "detect": (cut - max(at for at in heard if at < cut)) * 1e3,
        "backoff": (course.back - course.cut) * 1e3,
    }
