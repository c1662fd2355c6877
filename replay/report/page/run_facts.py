"""What the page of a session tells beside its latencies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from replay.catalogue import CATALOGUE
from replay.judge import INVARIANTS
from replay.report.numbers import NONE, ms
from replay.report.page import cells, parts
from replay.report.page.cells import Fact, percent, plural
from replay.report.sentences import STEPS
from replay.summary import FaultEvent, Summary

_FAULTS = 60
_NETWORK = ("round_trip", "uplink", "downlink", "service_partial", "service_final")


def moment(stamp: str) -> str:
    """An ISO time as people read it."""
    return f"{stamp[:10]} {stamp[11:16]} UTC"


def tiles(summary: Summary) -> Iterator[Fact]:
    """What one looks for first."""
    plan = summary.latency.from_plan
    for name, title in (
        ("word_first", "word first shown, p50"),
        ("word_final", "word final, p50"),
        ("final", "final after the end of speech, p50"),
        ("partial_lag", "partial lag, p50"),
    ):
        dist = getattr(plan, name)
        if dist.n:
            found = cells.statistic(dist, "p50")
            unit = "" if found.kind == "need" else " ms"
            yield Fact(title, found.text + unit, cells.short(dist, ("p95",)))
    audio, said = summary.audio, summary.transcript
    if audio.lost_bytes is None:
        yield Fact("audio lost", "not known", "no recording to compare with", "doubt")
    else:
        kind = "bad" if audio.lost_bytes else ""
        note = f"{audio.repeated_bytes:,} recorded twice" if audio.repeated_bytes else ""
        yield Fact("audio lost, bytes", f"{audio.lost_bytes:,}", note, kind)
    if said.wer is not None:
        yield Fact("word error rate", percent(said.wer), plural(said.reference_words or 0, "word"))
    if summary.stability.unstable_partial_word_ratio is not None:
        erasure = f"erasure {summary.stability.erasure:g}"
        back = percent(summary.stability.unstable_partial_word_ratio)
        yield Fact("words taken back", back, erasure)
    if summary.outages or summary.faults.fired:
        fired = f"{summary.faults.fired} faults of {summary.faults.asked} fired"
        yield Fact("outages", str(len(summary.outages)), fired)


# ------------------------------------------------------------------ outages and faults


def harm(summary: Summary, zero: int) -> dict[str, Any]:
    """Outages and faults; `zero`: of the plan, in journal ns."""
    return {
        "outage_steps": list(STEPS.values()),
        "outages": [
            {
                "connection": each.connection,
                "why": each.fault or each.cause,
                "steps": [ms(getattr(each, step)) for step in STEPS],
                "resent": f"{each.resent_bytes:,} bytes",
            }
            for each in summary.outages
        ],
        "faults": _faults(summary, zero),
        "faults_caption": _faults_caption(summary),
    }


def _faults_caption(summary: Summary) -> str:
    faults = summary.faults
    text = f"{faults.fired} faults fired of {faults.asked} asked for."
    if len(faults.events) > _FAULTS:
        text += f" The first {_FAULTS} of them."
    return text


def _faults(summary: Summary, zero: int) -> list[dict[str, Any]]:
    found = [_fault(each, zero / 1e6) for each in summary.faults.events[:_FAULTS]]
    missed = {"at": None, "lasted": "", "connection": "", "place": ""}
    return [*found, *({"text": text, **missed} for text in summary.faults.missed)]


def _fault(each: FaultEvent, zero_ms: float) -> dict[str, Any]:
    lasted = "" if each.until_ms is None else f"{ms(each.until_ms - each.t_ms)} ms"
    return {
        "text": each.fault,
        "at": round(each.t_ms - zero_ms, 1),
        "lasted": lasted,
        "connection": each.connection or "all",
        "place": ", ".join(f"{name} {value}" for name, value in each.at.items()),
    }


# ------------------------------------------------------------------ everything else


def rest(summary: Summary) -> dict[str, Any]:
    """Stability, network, invariants, transcript."""
    found = summary.network
    rows = [
        cells.row(CATALOGUE[name].title, getattr(found, name), estimated=name != _NETWORK[0])
        for name in _NETWORK
        if getattr(found, name).n
    ]
    caption = "Network, ms. All but the round trip is an estimate from the service's own stamps, "
    caption += parts.off_by(found.bound_ms)
    return {
        "stability": list(_stability(summary)),
        "network": rows,
        "network_caption": caption,
        **_judged(summary),
        "score": _score(summary),
        "transcript": summary.transcript.text,
    }


def _stability(summary: Summary) -> Iterator[Fact]:
    stable, late = summary.stability, summary.latency
    yield Fact(
        "words taken back",
        percent(stable.unstable_partial_word_ratio),
        f"with case and punctuation {percent(stable.raw.unstable_partial_word_ratio)}",
    )
    yield Fact(
        "erasure", _number(stable.erasure), "words erased to write the next version, per final word"
    )
    yield Fact("partials that revise", percent(stable.revised_partials))
    grid = summary.cadence.grid_ms
    on = "come freely" if grid is None else f"come on a grid of {grid:g} ms"
    gaps = cells.short(summary.cadence.gaps_ms)
    yield Fact("partials", f"{summary.cadence.partials:,}, {on}", f"between them {gaps}")
    yield Fact(
        "first text", _ms(late.first_text_ms), "from the beginning, leading silence included"
    )
    yield Fact("end of session, from the stop", _ms(late.end_of_session_ms))
    took = late.connect
    steps = [
        f"{name} {ms(value)}"
        for name in took.__struct_fields__
        if (value := getattr(took, name)) is not None
    ]
    yield Fact("connecting, ms", ", ".join(steps) or NONE)
    if found := summary.network:
        skew = "" if found.skew_ppm is None else f"runs {found.skew_ppm:+g} ppm"
        yield Fact("the service's clock", _ms(found.offset_ms), f"ahead of ours; {skew}")
    audio = summary.audio
    yield Fact("audio sent, acknowledged, bytes", f"{audio.sent_bytes:,}, {audio.acked_bytes:,}")
    if late.callback is not None:
        behind = cells.short(late.callback.behind)
        yield Fact("callbacks", f"{late.callback.count:,}", f"behind the websocket {behind}")


def _judged(summary: Summary) -> dict[str, Any]:
    """Every invariant with what came of it, what did not hold first."""
    kinds = {"not applicable": "na"}
    order = ("fail", "unknown", "pass", "not applicable")
    states = [(summary.invariants[each.id], each) for each in INVARIANTS]
    states.sort(key=lambda pair: order.index(pair[0]))
    found = {state: [each.id for had, each in states if had == state] for state in order}
    return {
        "findings": summary.findings,
        "broken": bool(found["fail"]),
        "invariants_summary": "; ".join(
            f"{state}: {' '.join(ids)}" for state, ids in found.items() if ids
        ),
        "invariants": [
            {"id": each.id, "state": state, "kind": kinds.get(state, state), "says": each.says}
            for state, each in states
        ],
    }


def _score(summary: Summary) -> str:
    found = summary.transcript
    text = f"{plural(found.words, 'word')} in {plural(found.finals, 'final')}"
    if found.wer is None:
        return text + "; there is no reference to compare with."
    return (
        f"{text}; against the reference {percent(found.wer)} wrong: {found.lost} lost, "
        f"{found.changed} changed, {found.duplicated} said twice."
    )


def _ms(value: float | None) -> str:
    return NONE if value is None else f"{ms(value)} ms"


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:g}"
