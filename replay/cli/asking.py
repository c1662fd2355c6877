"""From the command line's options to those of a run."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from replay.audio import Encoding
from replay.cli.faults import plan_from
from replay.cli.options import config_from, target_from
from replay.cli.tickets import read_ticket
from replay.cli.types import KEEP
from replay.errors import UsageError
from replay.pace import Phase
from replay.player import Pace
from replay.session import Policy
from replay.source import Shape, SourceSpec
from replay.source.reference import read_reference
from replay.take import RunOptions
from replay.transport.http import is_loopback
from replay.waiting import SPIN_SECONDS
from replay.wire.config import ENCODINGS

_ENCODINGS = dict(zip(ENCODINGS, (Encoding.PCM, Encoding.ALAW, Encoding.ULAW), strict=True))

#: What of a run's options verbs with many sessions may have no options for.
_AS_USUAL: dict[str, Any] = {
    "session": None,
    "stream_index": None,
    "start": 0,
    "duration": None,
    "loop": 1,
    "source_timeout": 10,
    "capture": None,
    "speed": 1,
    "phase": "live",
    "frames": "binary",
    "ack_timeout": 5,
    "connect_timeout": 5,
    "give_up_after": 120,
    "end_timeout": 120,
    "reference": None,
    "callback": False,
    "no_file": False,
}


def session_options(options: dict[str, Any]) -> RunOptions:
    """The options that many sessions share, whose sources and directories are put in later."""
    return run_options("", {**_AS_USUAL, **options, "out": None}, 1, 1)


def run_options(source: str, options: dict[str, Any], number: int, count: int) -> RunOptions:
    """The options of the `number`th source of `count`, from 1."""
    ticket, opened_with = (
        read_ticket(options["session"]) if options["session"] is not None else (None, {})
    )
    if ticket is not None and count > 1:
        raise UsageError("--session plays one source: the session ends with it")
    config = config_from(options)
    if opened_with:
        if config:
            raise UsageError(
                f"--session: the session is configured already, {', '.join(config)} cannot change"
            )
        config = opened_with
    messages = {"receive_partial_transcripts": True, "receive_lifecycle_events": True}
    config["messages_config"] = {**messages, **config.get("messages_config", {})}
    out = options["out"]
    if out is not None and count > 1:
        out = out / f"{number:02d}-{Path(source).stem}"
    return RunOptions(
        source=_source_spec(source, options),
        target=target_from(options, sandbox_arguments(options)),
        shape=shape_from(config, options),
        config=config,
        region=options["region"],
        ticket=ticket,
        chunk=options["chunk"],
        pace=Pace(Phase(options["phase"]), options["speed"], SPIN_SECONDS),
        policy=_policy(options),
        reference=read_reference(options["reference"]) if options["reference"] else None,
        out=out,
        fetch_file=not options["no_file"],
        seed=options["seed"],
        plan=plan_from(options),
        chaos=options["chaos"],
        callback=_callback(options, config),
    )


def _callback(options: dict[str, Any], config: dict[str, Any]) -> bool:
    if not options["callback"]:
        return False
    asked = config.get("callback_config")
    if options["session"] is not None or (isinstance(asked, dict) and "url" in asked):
        raise UsageError("--callback has callbacks of its own: no --session, no other URL")
    if options["target"] != "sandbox" and not is_loopback(options["target"]):
        raise UsageError("--callback needs a target on this machine, which can reach its receiver")
    return True


def _source_spec(source: str, options: dict[str, Any]) -> SourceSpec:
    duration: Fraction | None = options["duration"]
    return SourceSpec(
        location=source,
        stream_index=options["stream_index"],
        start=float(options["start"]),
        duration=None if duration is None else float(duration),
        loops=options["loop"],
        timeout=float(options["source_timeout"]),
        capture=options["capture"],
    )


def shape_from(config: Mapping[str, Any], options: Mapping[str, Any]) -> Shape:
    """The audio's form; A-law and µ-law have 8 bits without being told."""
    encoding = _ENCODINGS.get(config.get("encoding", ENCODINGS[0]), Encoding.PCM)
    channels = config.get("channels", 1) if options["channels"] is None else options["channels"]
    return Shape(
        encoding,
        config.get("sample_rate", 16000),
        config.get("bit_depth", 16 if encoding is Encoding.PCM else 8),
        None if channels == KEEP else channels,
    )


def _policy(options: dict[str, Any]) -> Policy:
    return Policy(
        json_frames=options["frames"] == "json",
        ack_timeout=float(options["ack_timeout"]),
        connect_timeout=float(options["connect_timeout"]),
        give_up_after=float(options["give_up_after"]),
        end_timeout=float(options["end_timeout"]),
    )


def sandbox_arguments(options: Mapping[str, Any]) -> tuple[str, ...]:
    """What a sandbox is started with.

    Raises:
        UsageError: it is not the target.
    """
    arguments: list[str] = []
    for name in ("recognizer", "script"):
        if options[name] is not None:
            if options["target"] != "sandbox":
                raise UsageError(f"--{name} is for the sandbox, the target is {options['target']}")
            arguments += [f"--{name}", str(options[name])]
    if options["sandbox_options"] and options["target"] != "sandbox":
        raise UsageError(f"--sandbox-option is for the sandbox, the target is {options['target']}")
    return (*arguments, *options["sandbox_options"])
