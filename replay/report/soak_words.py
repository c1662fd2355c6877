"""What a soak's summary says in words, the same on a terminal, in Markdown and on its page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from replay.catalogue import SOAK
from replay.endurance.summary import SoakSummary
from replay.endurance.trend import Trend
from replay.report.numbers import NONE, fine, ms

#: Latencies of a soak, in the order in which they are shown, and what they are called.
MEASURES = {
    name: SOAK[name].title for name in ("ack", "partial_lag", "word_first", "word_final", "final")
}
#: Steps of a recovery, in the order in which they are shown.
STEPS = {
    "detect": "noticed",
    "backoff": "waited",
    "connect": "connecting",
    "down": "down",
    "flush": "flushed",
    "first_ack": "1st ack",
    "first_transcript": "1st text",
    "caught_up": "caught up",
}
#: What grows or drifts, for people.
TRENDS = {
    "rss": "memory",
    "fds": "files",
    "threads": "threads",
    "tasks": "tasks",
    "ack": "acknowledgement",
    "word_final": "word final",
    "recover": "recovered",
}
_SHOWN = 6


def title(plan: Mapping[str, Any]) -> str:
    """What was played."""
    names = [PurePath(str(each)).name or str(each) for each in plan.get("sources", ())]
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + rest or str(plan.get("name", "soak"))


def extent(summary: SoakSummary) -> str:
    """How long, and how many."""
    asked = "" if summary.asked is None else f" of {span(summary.asked)}"
    text = f"{span(summary.elapsed)}{asked}"
    if at_once := at_a_time(summary.plan):
        text += f", {at_once} sessions at once"
    if summary.shards > 1:
        text += f", put together from {summary.shards} parts"
    return text


def at_a_time(plan: Mapping[str, Any]) -> int | None:
    """How many sessions were to play at once, where the plan says so."""
    rota = plan.get("rota")
    found = rota.get("sessions") if isinstance(rota, Mapping) else None
    return found if isinstance(found, int) else None


def span(seconds: float) -> str:
    """A length of time as people say it: `45s`, `30m`, `1h 30m`, `2d 4h`."""
    whole = round(seconds)
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [f"{n}{unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "m")) if n]
    if rest or not parts:
        parts.append(f"{rest}s")
    return " ".join(parts[:2])


def clock(seconds: float) -> str:
    """A moment of the soak's clock: `3:12:05`."""
    minutes, rest = divmod(max(int(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def size(value: float, sign: str = "") -> str:
    """Bytes: `512 B`, `1.2 KiB`, `58 MiB`."""
    for unit, scale in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if abs(value) >= scale:
            each = value / scale
            return f"{each:{sign}.3g} {unit}" if abs(each) < 1000 else f"{each:{sign},.0f} {unit}"
    return f"{value:{sign}.0f} B" if round(value) else "0 B"


def slope(trend: Trend, value: float | None, sign: str = "+") -> str:
    """A slope, or an end of its interval, in the trend's unit."""
    if value is None:
        return NONE
    if trend.unit.startswith("bytes"):
        return size(value, sign)
    if trend.unit.startswith("ms"):
        value = value if round(value, 1) else 0.0
        sign = sign if value else ""
        return f"{value:{sign},.1f} ms" if abs(value) < 100 else f"{value:{sign},.0f} ms"
    return f"{value:{sign}.3f}" if round(value, 3) else "0"


def process(who: str, generation: int) -> str:
    """A process as its trends are called."""
    return who if generation == 0 else f"{who} (started again, {generation})"


def unsure(trends: Iterable[Trend]) -> Iterator[str]:
    """Why trends of which nothing is known are so, once for all to which it applies."""
    found: dict[str, list[str]] = {}
    for each in trends:
        if each.state == "unknown":
            found.setdefault(each.why, []).append(f"{each.who} {TRENDS[each.of]}".strip())
    for why, names in found.items():
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        yield f"{shown}: {why}"


def interval(trend: Trend) -> str:
    """The interval of its slope; an end that is not known is without end."""
    if trend.slope is None:
        return NONE
    low = "-∞" if trend.low is None else slope(trend, trend.low)
    high = "∞" if trend.high is None else slope(trend, trend.high)
    return f"{low} to {high}"


def kind(name: str) -> str:
    """A kind of fault, or what stands where there was none."""
    return name or "no fault"


def facts(summary: SoakSummary) -> Iterator[tuple[str, str, str]]:
    """Label, sentence and how it is to be taken (good, bad, doubt or "") of what stands in no
    table."""
    yield "sessions", _sessions(summary), "bad" if _failed(summary) else ""
    yield "reconnections", _reconnects(summary), ""
    yield "faults", faults(summary), "doubt" if summary.faults.missed else ""
    audio = summary.audio
    if audio.compared:
        bad = audio.lost_bytes or audio.garbage_bytes or audio.reordered_bytes
        yield "audio", _audio(summary), "bad" if bad else "good"
    else:
        yield "audio", "no recording to compare with", "doubt"
    words = summary.words
    if words.compared:
        told = f"{words.lost:,} lost, {words.changed:,} changed, {words.duplicated:,} said twice"
        yield "words", f"{told}, against {_many(words.compared, 'reference')}", ""
    late = summary.latency.lateness
    if late.n:
        figures = f"p50 {fine(late.p50)}, p99 {fine(late.p99)}, max {fine(late.max)} ms"
        stalls = _many(summary.latency.stalls, "stall")
        yield "own lateness", f"{figures}; {stalls} of an event loop", ""
    if left_out := summary.latency.mistimed:
        those = "that" if left_out == 1 else "those"
        text = f"{those} of {_many(left_out, 'session')} left out: we ourselves were late then"
        yield "latencies", text, "doubt"
    storm = summary.storm
    if storm.cuts:
        taken = {"pass": "good", "fail": "bad"}.get(storm.state, "doubt")
        ends = {"pass": "spread", "fail": "in step"}.get(storm.state, "too few to tell")
        attempts = f"{_many(storm.attempts, 'attempt')} after {_many(storm.cuts, 'common cut')}"
        yield "coming back", f"{attempts}: {ends}", taken
    for each in summary.deaths:
        who = f"worker {each.worker}" if each.worker else "the sandbox"
        took = f", with {_many(len(each.sessions), 'session')}" if each.sessions else ""
        yield "died", f"{who} at {clock(each.t)}: {each.why or 'no reason known'}{took}", "bad"


def _failed(summary: SoakSummary) -> int:
    return summary.sessions.failed + summary.sessions.cut_failed


def _sessions(summary: SoakSummary) -> str:
    found = summary.sessions
    text = f"{found.finished:,} finished: {found.passed:,} passed, {found.failed:,} failed"
    if found.unknown:
        open_ = f"{found.doubtful:,} may not be whole" if found.doubtful else "all kept whole"
        text += f", {found.unknown:,} unknown ({open_})"
    if found.cut:
        failed = f" ({found.cut_failed:,} failed even so)" if found.cut_failed else ""
        text += f"; {found.cut:,} cut off{failed}"
    if found.again:
        text += f"; {found.again:,} begun again"
    return text


def _reconnects(summary: SoakSummary) -> str:
    every = summary.recoveries[0] if summary.recoveries else None
    text = f"{summary.reconnects:,}"
    if every is not None and every.outages:
        text += f" after {_many(every.outages, 'loss', 'losses')}"
        took = every.recover
        if took.p50 is not None:
            top = f"max {ms(took.max)}" if took.p95 is None else f"p95 {ms(took.p95)}"
            text += f"; recovered after p50 {ms(took.p50)}, {top} ms"
        if every.unrecovered:
            text += f"; {every.unrecovered:,} never"
    return text


def faults(summary: SoakSummary) -> str:
    """Which fired, and which did not."""
    found = summary.faults
    if not found.asked and not found.fired:
        return "none asked for"
    kinds = sorted(found.by_kind.items(), key=lambda each: -each[1])
    text = f"{found.fired:,} fired"
    if kinds:
        text += ": " + ", ".join(f"{name} {count:,}" for name, count in kinds)
    for rule, sessions in list(found.missed.items())[:_SHOWN]:
        text += f"; {rule} fired too rarely in {_many(sessions, 'session')}"
    if len(found.missed) > _SHOWN:
        text += f"; and {len(found.missed) - _SHOWN} more rules"
    return text


def _audio(summary: SoakSummary) -> str:
    found = summary.audio
    text = f"{span(found.seconds)} played, {found.lost_bytes:,} bytes lost"
    text += f", {found.repeated_bytes:,} repeated"
    for name, value in (("out of order", found.reordered_bytes), ("foreign", found.garbage_bytes)):
        if value:
            text += f", {value:,} {name}"
    finished = summary.sessions.finished + summary.sessions.cut
    return f"{text}; {found.compared:,} of {finished:,} recordings compared"


def invariants(summary: SoakSummary, state: str) -> str:
    """Those of which this came in some session, and in how many; "pass": in all to which they
    apply."""
    every = summary.invariants.items()
    if state == "pass":
        return " ".join(
            name
            for name, each in every
            if each.get("pass") and not {"fail", "unknown"} & each.keys()
        )
    return " ".join(f"{name} ({each[state]:,})" for name, each in every if each.get(state))


def _many(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
