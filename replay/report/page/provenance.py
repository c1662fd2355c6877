"""Where figures come from: what was played into what, with what, when, and how to have it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import structs

from replay import journal
from replay.benchmark import Machine
from replay.errors import FaultSyntaxError
from replay.faults import parse_plan
from replay.repeating import command_line
from replay.report.numbers import NONE, ms
from replay.report.page.cells import Fact, percent
from replay.summary import Summary
from replay.timeline import Timeline
from replay.wire.http import redact


def of_run(header: journal.Header, summary: Summary) -> Iterator[Fact]:
    """Of one session."""
    source, fmt, pacing = header.source, header.format, summary.pacing
    yield Fact("source", source.name, source.codec)
    yield Fact("sha256 of it", source.sha256 or NONE)
    length = NONE if source.seconds is None else f"{source.seconds:g} s"
    form = f"{fmt.encoding}, {fmt.sample_rate} Hz, {fmt.bit_depth} bit, {fmt.channels} channels"
    yield Fact("played", length, form)
    yield Fact("target", f"{summary.target.kind} {summary.target.url}", summary.target.region or "")
    yield Fact("session", summary.session.id or NONE, f"outcome {summary.session.outcome or NONE}")
    yield Fact("begun", header.created_at)
    clock = "" if header.clock == "real" else f", {header.clock} clock"
    yield Fact("replay", header.replay_version, f"seen from the {header.vantage}{clock}")
    phase = f"{pacing.chunks:,} chunks of {pacing.chunk_ms:g} ms, {pacing.phase}"
    speed = "" if pacing.speed == 1 else f"{pacing.speed:g} times real time"
    yield Fact("pacing", phase, speed)
    late = pacing.lateness_ms
    if late.n:
        figures = ", ".join(
            f"{name} {value:.2f}"
            for name in ("p50", "p99", "max")
            if (value := getattr(late, name)) is not None
        )
        drift = "" if pacing.drift_ppm is None else f"drift {pacing.drift_ppm:g} ppm"
        bears = f"this run bears {ms(summary.validity.bound_ms)} ms"
        yield Fact("own lateness, ms", figures, f"{drift}; {bears}")
    used = summary.resources
    if used.rss_bytes is not None:
        share = percent(used.cpu_share)
        yield Fact("client", f"{used.rss_bytes / 2**20:.0f} MiB", f"{share} of a core")
    if header.seed is not None:
        yield Fact("seed", str(header.seed))


def of_machine(machine: Machine) -> Iterator[Fact]:
    """Of the machine that a benchmark ran on."""
    yield Fact("machine", machine.processor, f"{machine.cores} cores, {machine.system}")
    yield Fact("Python", machine.python)
    yield Fact("packages", ", ".join(f"{name} {at}" for name, at in machine.packages.items()))


def repeat(timeline: Timeline) -> str:
    """The command that plays a run again, "" where none does."""
    if timeline.header.vantage == "proxy":
        return ""
    try:
        plan = parse_plan(each.text for each in timeline.all(journal.FaultPlanned))
    except FaultSyntaxError:
        return ""
    header = timeline.header
    bare = structs.replace(header.target, url=redact(header.target.url))
    return command_line(structs.replace(header, target=bare), plan)


def bench_command(arguments: Sequence[str]) -> str:
    """`replay bench` as it was called; what hides in URLs stays out."""
    words = [_bare(word) for word in arguments]
    return shlex.join(["replay", "bench", *words])


def _bare(word: str) -> str:
    lead, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return word if "://" not in value else lead + equals + redact(value)


def configuration(config: Mapping[str, Any]) -> str:
    """As JSON that people read."""
    return msgspec.json.format(msgspec.json.encode(config), indent=2).decode()


def options(found: Mapping[str, Any]) -> str:
    """The same of a run's options; "" where the journal has none."""
    return configuration(found) if found else ""
