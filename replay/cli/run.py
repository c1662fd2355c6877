"""`replay run`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from replay.cli.faults import fault_options
from replay.cli.options import (
    chunk_option,
    config_options,
    sandbox_options,
    source_options,
    target_options,
)
from replay.cli.types import DURATION, SPEED


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@target_options
@config_options
@source_options
@fault_options
@chunk_option
@click.option(
    "--speed", type=SPEED, default="1", metavar="FACTOR|max", help="Times real time; max: unpaced."
)
@click.option(
    "--phase",
    type=click.Choice(["live", "eager"]),
    default="live",
    show_default=True,
    help="Send a chunk when its last sample was spoken (live), or its first (eager).",
)
@click.option(
    "--frames",
    type=click.Choice(["binary", "json"]),
    default="binary",
    show_default=True,
    help="Audio as binary frames, or base64 in JSON.",
)
@click.option(
    "--ack-timeout",
    type=DURATION,
    default="5s",
    show_default=True,
    help="Take a connection without acknowledgements for dead after so long.",
)
@click.option(
    "--connect-timeout", type=DURATION, default="5s", show_default=True, help="Of one attempt."
)
@click.option(
    "--give-up-after",
    type=DURATION,
    default="2m",
    show_default=True,
    help="Of an outage without a sign of life.",
)
@click.option(
    "--end-timeout",
    type=DURATION,
    default="2m",
    show_default=True,
    help="Wait so long for the end after the audio.",
)
@click.option(
    "--session",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Play into the session that `replay init` wrote down.",
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What is said: a text, or a .words.json with times. Default: the files beside the source.",
)
@click.option(
    "--control",
    multiple=True,
    metavar="K|RUN",
    help="Hold the transcript against undisturbed runs: K are played first, or stored ones.",
)
@sandbox_options
@click.option(
    "--callback",
    is_flag=True,
    help="Ask for callbacks too, receive them, and tell how far behind the websocket they are.",
)
@click.option("--no-file", is_flag=True, help="Do not fetch the service's recording.")
@click.option("--seed", type=int, default=0, help="Of the back-off times, and of the faults.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The run's directory.")
@click.option("--json", "as_json", is_flag=True, help="Print summary.json alone on stdout.")
def command(sources: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Play recordings or streams into a target, one after another, and measure what comes back.

    A SOURCE is any file with audio in it, - for standard input, an http(s), HLS, rtsp, rtmp, udp or
    rtp URL, or `counter` for audio of which every byte says where it belongs. Each run leaves a
    directory with its journal and summary.

    \b
    replay run call.flac
    replay run call.flac --fault 'reset @ 3s' --fault 'hold(up, 2s) @ ack#40'
    replay run call.mp4 --target gladia --language en
    replay run rtsp://camera/audio --duration 1m --capture camera.mkv
    cat call.wav | replay run - --json
    """
    from replay.cli.playing import play_all

    sys.exit(play_all(sources, options, as_json=as_json))
