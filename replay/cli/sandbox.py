"""`replay sandbox`: the API on this machine."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from replay.cli.mail import mail_from, mail_options
from replay.cli.serving import need_streams, serve
from replay.cli.types import DURATION, LATENCY, SIZE, api_key
from replay.errors import ReplayError, UsageError
from replay.wire.config import REGIONS

if TYPE_CHECKING:
    from replay.sandbox.recognizers import Manner
    from replay.sandbox.recognizers.base import Recognizer
    from replay.sandbox.settings import Settings

_log = logging.getLogger(__name__)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 for any."
)
@click.option(
    "--recognizer",
    type=click.Choice(["moonshine", "scripted", "silent"]),
    help="What hears the audio. [default: moonshine where installed, else silent]",
)
@click.option(
    "--script",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What the scripted recogniser says, and when (NAME.words.json); implies it.",
)
@click.option(
    "--latency",
    type=LATENCY,
    metavar="KIND=TIME[±TIME],…",
    help="How long answers take, such as partial=120ms±30ms,final=300ms±50ms,ack=5ms,post=1s: "
    "every time within ± is as likely; +- does as well. post is before each result, speech for "
    "the beginning and end of speech. Transcripts and speech: scripted only. [default: none]",
)
@click.option(
    "--flicker",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Scripted: probability that a partial ends in a wrong word.",
)
@click.option("--repeat", type=DURATION, help="Scripted: say the script again every so often.")
@click.option("--seed", type=int, default=0, help="Of everything that is drawn.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the sessions here, and go on with those that are there. "
    "[default: a directory that goes away]",
)
@click.option(
    "--keep",
    type=DURATION,
    help="Remove sessions that ended so long ago, with everything of theirs. [default: never]",
)
@click.option(
    "--max-disk",
    type=SIZE,
    help="What the sessions' records may take together: the oldest that ended make room, then new "
    "ones get 507. [default: no limit]",
)
@click.option(
    "--api-key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Accept only the key in this file. [default: any, or none]",
)
@click.option(
    "--api-key", "key", metavar="KEY", help="The same, with the key here: for made-up ones."
)
@click.option(
    "--region",
    "regions",
    type=click.Choice(REGIONS),
    multiple=True,
    help="Serve only this region; another gets 403. May be repeated. [default: all]",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1),
    help="Sessions that may be live at a time; one more gets 429. [default: no limit]",
)
@click.option(
    "--unknown-fields",
    type=click.Choice(["accept", "refuse"]),
    default="accept",
    show_default=True,
    help="What becomes of a session whose body has fields that the service does not know.",
)
@click.option(
    "--start-session",
    "says_start",
    is_flag=True,
    help="Send start_session over the websocket too, to those who want lifecycle messages.",
)
@click.option(
    "--session-timeout",
    type=DURATION,
    default="2m",
    show_default=True,
    help="How long a session waits for its client to come back.",
)
@click.option(
    "--idle-timeout",
    type=DURATION,
    default="30s",
    show_default=True,
    help="Without audio for so long, close with 4408; 0 for never.",
)
@click.option(
    "--max-session",
    type=DURATION,
    default="3h",
    show_default=True,
    help="Audio after which a session ends; 0 for no limit.",
)
@click.option(
    "--max-frame",
    type=SIZE,
    default="32MiB",
    show_default=True,
    help="Close with 1009 over larger frames; the service's own limit is 1MiB.",
)
@click.option(
    "--commit",
    type=click.Choice(["receipt", "ack"]),
    default="receipt",
    show_default=True,
    help="When audio is sure to stay: on receipt, or once its acknowledgement went out.",
)
@mail_options
@click.option(
    "--defect",
    "defects",
    multiple=True,
    metavar="NAME[=ARG]",
    help="Plant a defect, to see it found; `--defect help` lists them. May be repeated.",
)
@click.option(
    "--log",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the log is written on standard error: for people, or an object of JSON a line.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="From where on.",
)
@click.option("--until-eof", is_flag=True, help="End when standard input is closed.")
def command(**options: Any) -> None:
    """Serve the API on this machine, with real speech recognition, until Ctrl-C or SIGTERM.

    The first line on standard output is JSON, written when everything is ready to be used.
    A terminal that goes away (SIGHUP) ends it too.

    \b
    Examples:
      replay sandbox
      replay sandbox --port 0 --script words.json --latency final=300ms
    """
    import trio

    from replay.sandbox.log import start_log

    if "help" in options["defects"]:
        _list_defects()
        return
    need_streams(until_eof=options["until_eof"])
    settings = settings_from(options)
    start_log(options["form"], options["log_level"], settings.api_key)
    if settings.defects:
        _log.warning("planted defects: %s", ", ".join(options["defects"]))
    try:
        trio.run(serve, settings, _recognizer(options), options)
    except ReplayError as error:
        if options["form"] == "text":
            raise
        _log.critical("%s", error)
        sys.exit(error.exit_code)


def settings_from(options: Mapping[str, Any]) -> Settings:
    """What the options ask for.

    Raises:
        UsageError: a defect that there is not, a file of a secret that cannot be read, or two keys.
    """
    from replay.sandbox.defects import planted
    from replay.sandbox.latency import Latency
    from replay.sandbox.settings import Settings

    if options["key"] and options["api_key_file"]:
        raise UsageError("--api-key and --api-key-file both name the key: give one of them")
    latency: Latency = options["latency"] or Latency()
    for name in ("keep", "max_disk"):
        if options[name] == 0:
            raise UsageError(f"--{name.replace('_', '-')} 0 would keep nothing: leave it out")
    return Settings(
        data=options["data"],
        keep=float(options["keep"]) if options["keep"] is not None else None,
        max_disk=options["max_disk"],
        api_key=api_key(options["api_key_file"], options["key"]),
        regions=options["regions"] or REGIONS,
        unknown_fields=options["unknown_fields"],
        concurrency=options["concurrency"],
        start_session=options["says_start"],
        session_timeout=float(options["session_timeout"]),
        idle_timeout=float(options["idle_timeout"]) or None,
        max_seconds=float(options["max_session"]) or None,
        max_frame=options["max_frame"],
        commit=options["commit"],
        defects=tuple(planted(text) for text in options["defects"]),
        mail=mail_from(options),
        ack=latency.ack,
        post=latency.post,
        seed=options["seed"],
    )


def manner_from(options: Mapping[str, Any]) -> Manner:
    """How the scripted recogniser is to tell its script."""
    from replay.sandbox.latency import Latency
    from replay.sandbox.recognizers import Manner

    latency: Latency = options["latency"] or Latency()
    return Manner(
        partial=latency.partial,
        final=latency.final,
        speech=latency.speech,
        flicker=options["flicker"],
        repeat=float(options["repeat"]) if options["repeat"] else None,
        seed=options["seed"],
    )


def _list_defects() -> None:
    from replay.sandbox.defects import catalogue

    for name, meaning in catalogue():
        click.echo(f"{name:26}{meaning}")


def _recognizer(options: dict[str, Any]) -> Recognizer:
    from replay.sandbox import recognizers

    name = options["recognizer"] or ("scripted" if options["script"] else None)
    if name is None and not recognizers.installed():
        _log.warning(
            "no recogniser is installed, so nothing will be transcribed: install stt-replay[local]"
        )
        name = "silent"
    name, manner = name or "moonshine", manner_from(options)
    if name != "scripted" and (manner.partial or manner.final or manner.speech):
        raise UsageError(
            "--latency partial, final and speech are for the recogniser scripted: "
            f"{name} takes as long as it takes; give --script FILE, or --latency ack and post alone"
        )
    return recognizers.make(name, script=options["script"], manner=manner)
