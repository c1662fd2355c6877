"""Options that several verbs share: the target, the session's configuration, the source."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
import yaml

from replay.cli.types import CHANNELS, CHUNK, DURATION, LOOPS, PAIR, api_key
from replay.errors import ConfigError
from replay.target import Target
from replay.wire.config import ENCODINGS, REGIONS

F = TypeVar("F", bound=Callable[..., Any])


def _stack(*options: Callable[[F], F]) -> Callable[[F], F]:
    def apply(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


target_options = _stack(
    click.option(
        "--target",
        default="sandbox",
        show_default=True,
        metavar="TARGET",
        help="sandbox (started for this run), gladia, or a base URL.",
    ),
    click.option(
        "--api-key-file",
        type=click.Path(path_type=Path),
        help="Read the API key from a file; otherwise GLADIA_API_KEY is used.",
    ),
    click.option("--region", type=click.Choice(REGIONS), help="Region of the service."),
)

#: What the target `sandbox` is started with.
sandbox_options = _stack(
    click.option("--recognizer", help="For the sandbox: moonshine, scripted or silent."),
    click.option(
        "--script", type=click.Path(path_type=Path), help="For the sandbox's scripted recogniser."
    ),
    click.option(
        "--sandbox-option",
        "sandbox_options",
        multiple=True,
        metavar="TEXT",
        help="Hand this to the sandbox, such as --sandbox-option=--defect=lose=100; repeatable.",
    ),
)

config_options = _stack(
    click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Session configuration, any field of the API, as JSON, YAML or TOML.",
    ),
    click.option("--language", "languages", multiple=True, metavar="CODE", help="en, fr …"),
    click.option(
        "--code-switching/--no-code-switching", default=None, help="Languages may change."
    ),
    click.option("--endpointing", type=DURATION, help="Silence that ends an utterance."),
    click.option("--partials/--no-partials", default=None, help="Partials are on by default."),
    click.option("--model", metavar="NAME", help="Of the service."),
    click.option(
        "--metadata", type=PAIR, multiple=True, metavar="KEY=VALUE", help="Kept with the session."
    ),
    click.option("--callback-url", metavar="URL", help="The service posts its messages there."),
    click.option("--encoding", type=click.Choice(ENCODINGS), help="[default: wav/pcm]"),
    click.option("--sample-rate", type=int, metavar="HZ", help="[default: 16000]"),
    click.option("--bit-depth", type=int, metavar="BITS", help="[default: 16]"),
    click.option("--channels", type=CHANNELS, metavar="N|keep", help="1 mixes down (default)."),
)

#: What a comparison is judged by.
compare_options = _stack(
    click.option(
        "--fail-on",
        "fail_on",
        multiple=True,
        metavar="CONDITION",
        help="What counts as worse, instead of any sure slow-down of first or final words, such as "
        "'word_final.p50 > +8%'; repeatable.",
    ),
)


def _form(name: str, text: str) -> Callable[[F], F]:
    """An option that asks for a form of a report."""
    return click.option(
        f"--{name}",
        type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
        metavar="FILE",
        help=text,
    )


#: Forms of a report on anything, each a file or - for standard output.
form_options = _stack(
    _form("markdown", "For a pull request's comment, or a step's summary."),
    _form("junit", "JUnit XML: a case for each recording, condition and verdict."),
    _form("openmetrics", "OpenMetrics text, in base units."),
    _form("html", "One page that needs nothing else."),
)
#: And those of a report on what was measured.
measured_form_options = _stack(
    _form("benchmark-json", "For github-action-benchmark, as customSmallerIsBetter."),
    _form("trace", "One run for ui.perfetto.dev or chrome://tracing."),
)

#: Of every verb that plays.
chunk_option = click.option(
    "--chunk", type=CHUNK, default="100ms", show_default=True, help="Audio in a chunk."
)

source_options = _stack(
    click.option("--start", type=DURATION, default="0", help="Leave out the beginning."),
    click.option("--duration", type=DURATION, help="Play only so much."),
    click.option("--loop", type=LOOPS, default="1", metavar="N|forever", help="Play it so often."),
    click.option("--stream-index", type=int, metavar="N", help="Which stream of a container."),
    click.option(
        "--source-timeout",
        type=DURATION,
        default="10s",
        show_default=True,
        help="Give up a source that is silent for so long.",
    ),
    click.option(
        "--capture",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Keep what came in from a stream.",
    ),
)


def target_from(options: Mapping[str, Any], sandbox: tuple[str, ...] = ()) -> Target:
    """The target that `target_options` name."""
    key = api_key(options["api_key_file"], os.environ.get("GLADIA_API_KEY"))
    return Target.parse(options["target"], key, sandbox)


def config_from(options: Mapping[str, Any]) -> dict[str, Any]:
    """The body of `POST /v2/live` from a file and the options, which win."""
    path = options["config_file"]
    body = read_config(path) if path is not None else {}
    for name in ("model", "encoding", "sample_rate", "bit_depth"):
        if options[name] is not None:
            body[name] = options[name]
    if options["endpointing"] is not None:
        body["endpointing"] = float(options["endpointing"])
    if options["languages"]:
        _under(body, "language_config")["languages"] = list(options["languages"])
    if options["code_switching"] is not None:
        _under(body, "language_config")["code_switching"] = options["code_switching"]
    if options["metadata"]:
        _under(body, "custom_metadata").update(options["metadata"])
    if options["callback_url"]:
        body["callback"] = True
        _under(body, "callback_config")["url"] = options["callback_url"]
    if options["partials"] is not None:
        _under(body, "messages_config")["receive_partial_transcripts"] = options["partials"]
    return body


def read_config(path: Path) -> dict[str, Any]:
    """A configuration file by its suffix: .json, .yaml, .yml or .toml.

    Raises:
        ConfigError: it cannot be read, or is not an object.
    """
    readers: dict[str, Callable[[str], Any]] = {
        ".json": json.loads,
        ".yaml": yaml.safe_load,
        ".yml": yaml.safe_load,
        ".toml": tomllib.loads,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(f"configuration {path}: use a file named {', '.join(readers)}")
    try:
        body = reader(path.read_text())
    except OSError as error:
        raise ConfigError(f"configuration {path}: {(error.strerror or '').lower()}") from None
    except (ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"configuration {path}: {reason}") from None
    if not isinstance(body, dict):
        raise ConfigError(f"configuration {path}: must be an object with the API's fields")
    return body


def _under(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.setdefault(name, {})
    if not isinstance(value, dict):
        raise ConfigError(f'configuration: field "{name}" must be an object')
    return value
