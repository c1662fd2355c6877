"""How a run can be had again: what its journal's header says of that, and the command line."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import msgspec

from replay import journal as j
from replay.audio import NS
from replay.faults import Plan
from replay.faults.quantities import duration_text
from replay.policy import Policy
from replay.source import SourceSpec
from replay.target import Target
from replay.wire.config import ENCODINGS

_ENCODINGS = dict(zip(("PCM", "ALAW", "ULAW"), ENCODINGS, strict=True))
#: What `replay run` asks for on its own.
_MESSAGES = {"receive_partial_transcripts": True, "receive_lifecycle_events": True}


def facts(
    source: SourceSpec, policy: Policy, target: Target, *, callback: bool = False
) -> dict[str, Any]:
    """`Header.options` of a run: `policy`, `sandbox` (the arguments of one of our own), `callback`
    where callbacks were received, and `source`, left out for streams, whose addresses may hold
    secrets, and which never come again."""
    kept: dict[str, Any] = {"policy": asdict(policy)}
    if target.kind == "sandbox":
        kept["sandbox"] = list(target.sandbox)
    if callback:
        kept["callback"] = True
    if "://" not in source.location and source.location != "-":
        kept["source"] = {
            name: getattr(source, name)
            for name in ("location", "stream_index", "start", "duration", "loops")
        }
    return kept


def policy_of(header: j.Header) -> Policy:
    """How the run's client behaved; as by default where the journal does not say."""
    return msgspec.convert(header.options.get("policy", {}), Policy)


def callback_of(header: j.Header) -> bool:
    """Whether the run received callbacks."""
    return bool(header.options.get("callback"))


def sandbox_of(header: j.Header) -> tuple[str, ...]:
    """The arguments that the run's own sandbox was started with."""
    return tuple(header.options.get("sandbox", ()))


def command_line(header: j.Header, plan: Plan) -> str:
    """The `replay run` that plays a stored run again, with this plan.

    What of its configuration has no option of its own is given as JSON in place of a file's name.
    """
    source = header.options.get("source", {"location": header.source.name})
    words = ["replay", "run", str(source["location"])]
    words += _source(source)
    words += _target(header)
    words += _config(header)
    words += _manner(header)
    for text in plan.texts:
        words += ["--fault", text]
    return shlex.join(words)


def _source(source: Mapping[str, Any]) -> Iterator[str]:
    for name in ("start", "duration"):
        if source.get(name):
            yield from (f"--{name}", _duration(source[name]))
    loops = source.get("loops", 1)
    if loops != 1:
        yield from ("--loop", "forever" if loops is None else str(loops))
    if source.get("stream_index") is not None:
        yield from ("--stream-index", str(source["stream_index"]))


def _target(header: j.Header) -> Iterator[str]:
    target = header.target
    if target.kind != "sandbox":
        yield from ("--target", target.url if target.kind == "url" else target.kind)
    if target.region:
        yield from ("--region", target.region)
    arguments = list(sandbox_of(header))
    while arguments:
        argument = arguments.pop(0)
        if arguments and not arguments[0].startswith("--"):
            argument += f"={arguments.pop(0)}"
        yield f"--sandbox-option={argument}"


def _config(header: j.Header) -> Iterator[str]:
    fmt, rest = header.format, dict(header.config)
    for name in ("encoding", "sample_rate", "bit_depth", "channels"):
        rest.pop(name, None)
    if fmt.encoding != "PCM":
        yield from ("--encoding", _ENCODINGS[fmt.encoding])
    elif fmt.bit_depth != 16:
        yield from ("--bit-depth", str(fmt.bit_depth))
    if fmt.sample_rate != 16000:
        yield from ("--sample-rate", str(fmt.sample_rate))
    if fmt.channels != 1:
        yield from ("--channels", str(fmt.channels))
    if "endpointing" in rest:
        yield from ("--endpointing", _duration(rest.pop("endpointing")))
    if "model" in rest:
        yield from ("--model", str(rest.pop("model")))
    if set(rest.get("language_config", {})) == {"languages"}:
        for code in rest.pop("language_config")["languages"]:
            yield from ("--language", code)
    if rest.get("messages_config") == _MESSAGES:
        del rest["messages_config"]
    if rest:
        yield from ("--config", json.dumps(rest))


def _manner(header: j.Header) -> Iterator[str]:
    policy, usual, plan = policy_of(header), Policy(), header.plan
    if plan.chunk_ns != NS // 10:
        yield from ("--chunk", duration_text(plan.chunk_ns))
    if plan.speed != 1:
        yield from ("--speed", f"{plan.speed:g}" if plan.speed else "max")
    if plan.phase == "eager":
        yield from ("--phase", "eager")
    if policy.json_frames:
        yield from ("--frames", "json")
    for name in ("ack_timeout", "connect_timeout", "give_up_after", "end_timeout"):
        if getattr(policy, name) != getattr(usual, name):
            yield from (f"--{name.replace('_', '-')}", _duration(getattr(policy, name)))
    if callback_of(header):
        yield "--callback"
    if header.seed:
        yield from ("--seed", str(header.seed))


def _duration(seconds: float) -> str:
    return duration_text(round(seconds * NS))
