"""`replay init`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import click
import msgspec

from replay.cli.options import config_from, config_options, target_from, target_options
from replay.cli.types import KEEP
from replay.errors import UsageError


@click.command()
@target_options
@config_options
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Also write the session there."
)
def command(out: Path | None, **options: Any) -> None:
    """Open a session and print its id and URL as JSON.

    The URL holds the session's token, not the key: a machine that must not have the key can play
    into it. The file also remembers the configuration.

    \b
    replay init --target gladia --language en --out session.json
    replay run --session session.json --target gladia call.flac
    """
    import trio

    from replay.cli.tickets import TicketFile, open_private, write_ticket

    config = config_from(options)
    if options["channels"] == KEEP:
        raise UsageError("--channels keep needs a source to look at: say how many")
    if options["channels"] is not None:
        config["channels"] = options["channels"]
    target = target_from(options)
    if target.kind == "sandbox":
        raise UsageError("init needs a target that stays: gladia, or a sandbox's base URL")
    if out is not None:
        open_private(out).close()  # better to fail before there is a session than after
    ticket: TicketFile = trio.run(partial(_open, target, config, options["region"]))
    if out is not None:
        write_ticket(out, ticket)
    click.echo(msgspec.json.encode({"id": ticket.id, "url": ticket.url}))


async def _open(target: Any, config: dict[str, Any], region: str | None) -> Any:
    from replay.cli.tickets import TicketFile
    from replay.opening import init, request_body
    from replay.recorder import ListRecorder
    from replay.session import Policy
    from replay.target import open_target

    body = request_body(config)
    async with open_target(target) as service:
        recorder = ListRecorder(keep=False)
        rng = Random()  # noqa: S311 - spreads attempts, guards nothing
        answer = await init(service, body, region, Policy(), rng, recorder)
    return TicketFile(id=answer.id, url=answer.url, config=body)
